/** Tests every address of the server with every method: status, `Allow`, and CORS headers. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LightMyRequestResponse } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { buildServer, type SpillwayServer } from '../build-server.ts';
import { loadServerConfig } from '../server/server-config.ts';
import { copyDatabaseTemplate } from '../testing/database-template.ts';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;
/** A request of another site's page. */
const CROSS_ORIGIN = { origin: 'https://example.org' };
const CORS_HEADERS = ['access-control-allow-origin', 'access-control-expose-headers'];
/** Headers that pages may read from and send to WHIP and WHEP. */
const EXPOSED_BY_SDP = 'Location, Link, ETag, Accept-Post, Accept-Patch, Retry-After';
const ACCEPTED_BY_SDP = 'Authorization, Content-Type, If-Match, X-Spillway-Viewer';

/** Status for each method, then `Allow` and which answers have it. */
const PLAIN = `
/healthz                                       200 200 405 405 405 405 405 GET, HEAD
/readyz                                        200 200 405 405 405 405 405 GET, HEAD
/metrics                                       200 200 405 405 405 405 405 GET, HEAD
/whip                                          204 204 415 405 405 405 200 POST, GET, OPTIONS
/whip/none                                     204 204 415 405 405 401 200 DELETE, GET, OPTIONS
/whip/live/none                                404 404 415 404 404 404 200
/whep/demo                                     204 204 415 405 405 405 200 POST, GET, OPTIONS
/whep/demo/none                                204 204 405 405 405 404 200 DELETE, GET, OPTIONS
/hls/demo/index.m3u8                           404 404 405 405 405 405 204 GET, HEAD, OPTIONS
/hls/demo/none/video/index.m3u8                404 404 405 405 405 405 204 GET, HEAD, OPTIONS
/api/v1/streams/demo/playlist.m3u8             404 404 405 405 405 405 204 GET, HEAD, OPTIONS
/api/v1/streams/ingest                         200 200 400 405 405 405 405 GET, HEAD, POST
/api/v1/users                                  405 405 400 405 405 405 405 POST
/api/v1/users/nobody/publishing                405 405 405 401 405 401 405 PUT, DELETE
/api/v1/session                                200 200 400 405 405 204 405 GET, HEAD, POST, DELETE
/api/v1/session/refresh                        405 405 401 405 405 405 405 POST
/api/v1/session/password                       405 405 405 400 405 405 405 PUT
/api/v1/channels                               200 200 401 405 405 405 204 GET, HEAD, POST, OPTIONS
/api/v1/channels/demo                          200 200 405 405 401 405 204 GET, HEAD, PATCH, OPTIONS
/api/v1/channels/demo/still.jpg                404 404 405 405 405 405 204 GET, HEAD, OPTIONS
/api/v1/channels/demo/health                   401 401 405 405 405 405 405 GET, HEAD
/api/v1/channels/demo/end                      405 405 401 405 405 405 405 POST
/api/v1/channels/demo/stream-keys              401 401 401 405 405 405 405 GET, HEAD, POST
/api/v1/channels/demo/stream-keys/none         405 405 405 405 405 401 405 DELETE
/api/v1/channels/demo/stream-keys/none/rotate  405 405 401 405 405 405 405 POST
/api/v1/channels/demo/moderators               401 401 405 405 405 405 405 GET, HEAD
/api/v1/channels/demo/moderators/nobody        405 405 405 401 405 401 405 PUT, DELETE
/api/v1/channels/demo/chat-settings            401 401 405 405 401 405 405 GET, HEAD, PATCH
/api/v1/channels/demo/chat-restrictions        401 401 405 405 405 405 405 GET, HEAD
/api/v1/channels/demo/chat-restrictions/nobody 405 405 405 405 405 401 405 DELETE
/api/v1/channels/demo/videos                   200 200 405 405 405 405 204 GET, HEAD, OPTIONS
/api/v1/channels/demo/recording                401 401 405 401 405 405 405 GET, HEAD, PUT
/api/v1/videos/none                            404 404 405 405 401 401 204 GET, HEAD, PATCH, DELETE, OPTIONS
/hls/demo/dvr.m3u8                             404 404 405 405 405 405 204 GET, HEAD, OPTIONS
/vod/none/index.m3u8                           404 404 405 405 405 405 204 GET, HEAD, OPTIONS
/vod/none/poster.jpg                           404 404 405 405 405 405 204 GET, HEAD, OPTIONS
/vod/none/video0/index.m3u8                    404 404 405 405 405 405 204 GET, HEAD, OPTIONS
/api/v1/categories                             200 200 405 405 405 405 204 GET, HEAD, OPTIONS
/api/v1/time                                   200 200 405 405 405 405 204 GET, HEAD, OPTIONS
/api/v1/chat-tokens                            401 401 401 405 405 405 405 GET, HEAD, POST
/api/v1/chat-tokens/none                       405 405 405 405 405 401 405 DELETE
/api/v1/presence                               405 405 400 405 405 405 204 POST, OPTIONS
/api/v1/signaling                              400 400 404 404 404 404 404
/api/v1/chat                                   400 400 404 404 404 404 404
/api/v1/chat/demo                              400 400 404 404 404 404 404
/api/v1/openapi.json                           200 200 405 405 405 405 204 GET, HEAD, OPTIONS
/api/docs                                      200 200 404 404 404 404 404
/api/docs/                                     200 200 404 404 404 404 404
/api/v1/nothing                                404 404 404 404 404 404 404
/                                              200 200 404 404 404 404 404
/login                                         200 200 404 404 404 404 404
/embed/demo                                    200 200 404 404 404 404 404
/no/such/page                                  404 404 404 404 404 404 404
`;
/** Status for each method, then `Access-Control-Allow-Origin` and `-Expose-Headers`, and which answers have them. */
const CROSS_ORIGIN_ANSWERS = `
/whip                                          204 204 415 405 405 405 200 * SDP
/whip/none                                     204 204 415 405 405 401 200 * SDP
/whip/live/none                                404 404 415 404 404 404 200 * (POST OPTIONS) SDP (POST OPTIONS)
/whep/demo                                     204 204 415 405 405 405 200 * SDP
/whep/demo/none                                204 204 405 405 405 404 200 * SDP
/hls/demo/index.m3u8                           404 404 405 405 405 405 204 * *
/hls/demo/none/video/index.m3u8                404 404 405 405 405 405 204 * *
/api/v1/streams/demo/playlist.m3u8             404 404 405 405 405 405 204 * *
/api/v1/streams/ingest                         200 200 403 403 403 403 405
/api/v1/users                                  405 405 403 403 403 403 405
/api/v1/users/nobody/publishing                405 405 403 403 403 403 405
/api/v1/session                                200 200 403 403 403 403 405
/api/v1/session/refresh                        405 405 403 403 403 403 405
/api/v1/session/password                       405 405 403 403 403 403 405
/api/v1/channels                               200 200 403 403 403 403 204 * (GET OPTIONS)
/api/v1/channels/demo                          200 200 403 403 403 403 204 * (GET OPTIONS)
/api/v1/channels/demo/still.jpg                404 404 405 405 405 405 204 * (GET OPTIONS)
/api/v1/channels/demo/health                   401 401 403 403 403 403 405
/api/v1/channels/demo/end                      405 405 403 403 403 403 405
/api/v1/channels/demo/stream-keys              401 401 403 403 403 403 405
/api/v1/channels/demo/stream-keys/none         405 405 403 403 403 403 405
/api/v1/channels/demo/stream-keys/none/rotate  405 405 403 403 403 403 405
/api/v1/channels/demo/moderators               401 401 403 403 403 403 405
/api/v1/channels/demo/moderators/nobody        405 405 403 403 403 403 405
/api/v1/channels/demo/chat-settings            401 401 403 403 403 403 405
/api/v1/channels/demo/chat-restrictions        401 401 403 403 403 403 405
/api/v1/channels/demo/chat-restrictions/nobody 405 405 403 403 403 403 405
/api/v1/channels/demo/videos                   200 200 403 403 403 403 204 * (GET OPTIONS)
/api/v1/channels/demo/recording                401 401 403 403 403 403 405
/api/v1/videos/none                            404 404 403 403 403 403 204 * (GET OPTIONS)
/hls/demo/dvr.m3u8                             404 404 405 405 405 405 204 * *
/vod/none/index.m3u8                           404 404 405 405 405 405 204 * *
/vod/none/poster.jpg                           404 404 405 405 405 405 204 * *
/vod/none/video0/index.m3u8                    404 404 405 405 405 405 204 * *
/api/v1/categories                             200 200 403 403 403 403 204 * (GET OPTIONS)
/api/v1/time                                   200 200 403 403 403 403 204 * (GET OPTIONS)
/api/v1/chat-tokens                            401 401 403 403 403 403 405
/api/v1/chat-tokens/none                       405 405 403 403 403 403 405
/api/v1/presence                               405 405 400 405 405 405 204 *
/api/v1/signaling                              403 403 404 404 404 404 404
/api/v1/openapi.json                           200 200 405 405 405 405 204 * (GET HEAD OPTIONS)
`;
/** Status, methods, headers without and with a request for `x-mine`, seconds, and `Allow`. */
const PREFLIGHTS = `
/whip: 200; POST, GET, OPTIONS; SDP or x-mine; 86400; no Allow
/whip/none: 200; POST, DELETE, GET, OPTIONS; SDP or x-mine; 86400; no Allow
/whip/live/none: 200; POST, DELETE, GET, OPTIONS; SDP or x-mine; 86400; no Allow
/whep/demo: 200; POST, GET, OPTIONS; SDP or x-mine; 86400; no Allow
/whep/demo/none: 200; DELETE, GET, OPTIONS; SDP or x-mine; 86400; no Allow
/hls/demo/index.m3u8: 204; GET, HEAD, OPTIONS; Range, Content-Type or x-mine; 7200; GET, HEAD, OPTIONS
/hls/demo/none/video/index.m3u8: 204; GET, HEAD, OPTIONS; Range, Content-Type or x-mine; 7200; GET, HEAD, OPTIONS
/api/v1/streams/demo/playlist.m3u8: 204; GET, HEAD, OPTIONS; Range, Content-Type or x-mine; 7200; GET, HEAD, OPTIONS
/api/v1/channels: 204; GET, HEAD, OPTIONS; Range, Content-Type or x-mine; 7200; GET, HEAD, OPTIONS
/api/v1/channels/demo: 204; GET, HEAD, OPTIONS; Range, Content-Type or x-mine; 7200; GET, HEAD, OPTIONS
/api/v1/channels/demo/still.jpg: 204; GET, HEAD, OPTIONS; Range, Content-Type or x-mine; 7200; GET, HEAD, OPTIONS
/api/v1/channels/demo/videos: 204; GET, HEAD, OPTIONS; Range, Content-Type or x-mine; 7200; GET, HEAD, OPTIONS
/api/v1/videos/none: 204; GET, HEAD, OPTIONS; Range, Content-Type or x-mine; 7200; GET, HEAD, OPTIONS
/hls/demo/dvr.m3u8: 204; GET, HEAD, OPTIONS; Range, Content-Type or x-mine; 7200; GET, HEAD, OPTIONS
/vod/none/index.m3u8: 204; GET, HEAD, OPTIONS; Range, Content-Type or x-mine; 7200; GET, HEAD, OPTIONS
/vod/none/poster.jpg: 204; GET, HEAD, OPTIONS; Range, Content-Type or x-mine; 7200; GET, HEAD, OPTIONS
/vod/none/video0/index.m3u8: 204; GET, HEAD, OPTIONS; Range, Content-Type or x-mine; 7200; GET, HEAD, OPTIONS
/api/v1/categories: 204; GET, HEAD, OPTIONS; Range, Content-Type or x-mine; 7200; GET, HEAD, OPTIONS
/api/v1/time: 204; GET, HEAD, OPTIONS; Range, Content-Type or x-mine; 7200; GET, HEAD, OPTIONS
/api/v1/presence: 204; POST, OPTIONS; Content-Type or Content-Type; 86400; no Allow
/api/v1/openapi.json: 204; GET, HEAD, OPTIONS; Range, Content-Type or x-mine; 7200; GET, HEAD, OPTIONS
`;

const ADDRESSES = PLAIN.trim()
	.split('\n')
	.map((line) => line.split(' ', 1)[0]!);

let folder: string;
let server: SpillwayServer;

beforeAll(async () => {
	folder = await mkdtemp(join(tmpdir(), 'spillway-routes-'));
	await writeFile(join(folder, 'index.html'), '<title>Spillway</title>');
	await copyDatabaseTemplate(join(folder, 'data', 'database'));
	const config = await loadServerConfig(
		{
			SPILLWAY_HTTP_PORT: '0',
			SPILLWAY_RTMP_PORT: '0',
			SPILLWAY_RTC_PORT: '0',
			SPILLWAY_RTC_WORKER_COUNT: '1',
			SPILLWAY_DATA_FOLDER: join(folder, 'data'),
			MEDIASOUP_WORKER_BIN: process.env['MEDIASOUP_WORKER_BIN'],
		},
		join(folder, 'none.json'),
	);
	server = await buildServer(config, { clock: systemClock, logger: silentLogger, webFolder: folder });
	await server.app.ready();
});

afterAll(async () => {
	await server.close();
	await rm(folder, { recursive: true, force: true });
});

/** The answers of one address, in the order of {@link METHODS}. */
async function ask(url: string, headers: Record<string, string>): Promise<LightMyRequestResponse[]> {
	const answers: LightMyRequestResponse[] = [];
	for (const method of METHODS) {
		answers.push(await server.app.inject({ method, url, headers }));
	}
	return answers;
}

/** Formats statuses, then the distinct values of headers with the methods that have them. */
function describeAnswers(
	url: string,
	answers: readonly LightMyRequestResponse[],
	headerNames: readonly string[],
): string {
	const statuses = answers.map(({ statusCode }) => statusCode);
	const summaries = headerNames.map((name) => {
		// The `Allow` header of preflights is in the third table.
		const values = answers.map(({ headers, statusCode }) =>
			name === 'allow' && statusCode < 300 ? undefined : headers[name]?.toString(),
		);
		return [...new Set(values)]
			.filter((value) => value !== undefined)
			.map((value) => {
				const methods = METHODS.filter((_method, index) => values[index] === value);
				const refused = METHODS.filter((_method, index) => statuses[index] === 405);
				const isExpected = methods.length === METHODS.length || (name === 'allow' && methods.join() === refused.join());
				return isExpected ? value : `${value} (${methods.join(' ')})`;
			});
	});
	return [url.padEnd(46), ...statuses, ...summaries.flat()].join(' ').trimEnd();
}

describe('the route table', () => {
	it('answers every method at every address', async () => {
		const lines: string[] = [];
		for (const url of ADDRESSES) {
			lines.push(describeAnswers(url, await ask(url, {}), ['allow']));
		}
		expect(`\n${lines.join('\n')}\n`).toBe(PLAIN);
	});

	it('allows pages of other sites to read public addresses and to change nothing', async () => {
		const lines: string[] = [];
		for (const url of ADDRESSES) {
			const line = describeAnswers(url, await ask(url, CROSS_ORIGIN), CORS_HEADERS).replace(EXPOSED_BY_SDP, 'SDP');
			if (!PLAIN.includes(`\n${line}`)) {
				lines.push(line);
			}
		}
		expect(`\n${lines.join('\n')}\n`).toBe(CROSS_ORIGIN_ANSWERS);
	});

	it('answers preflights at public addresses', async () => {
		const lines: string[] = [];
		for (const url of ADDRESSES) {
			const preflight = { ...CROSS_ORIGIN, 'access-control-request-method': 'POST' };
			const plain = await server.app.inject({ method: 'OPTIONS', url, headers: preflight });
			const asking = { ...preflight, 'access-control-request-headers': 'x-mine' };
			const answer = await server.app.inject({ method: 'OPTIONS', url, headers: asking });
			const methods = plain.headers['access-control-allow-methods'];
			if (methods !== undefined) {
				const headers = [plain, answer].map((each) => each.headers['access-control-allow-headers']);
				const named = headers.join(' or ').replace(ACCEPTED_BY_SDP, 'SDP');
				const parts = [plain.statusCode, methods, named, plain.headers['access-control-max-age']];
				lines.push(`${url}: ${[...parts, plain.headers.allow ?? 'no Allow'].join('; ')}`);
			}
		}
		expect(`\n${lines.join('\n')}\n`).toBe(PREFLIGHTS);
	});
});
