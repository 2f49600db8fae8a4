/** The shipped configurations of Varnish and nginx before a real server: what is asked once, kept, and never kept. */
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sleep, systemClock } from '../core/lifecycle/clock.ts';
import { silentLogger } from '../core/logger.ts';
import type { OwnVideo, VideoList } from '../core/protocol/api/video.ts';
import { type Cache, startNginx, startVarnish } from '../loadtest/bench/measure/cache-programs.ts';
import { type CountingProxy, startCountingProxy } from '../loadtest/bench/measure/counting-proxy.ts';
import { waitUntilLive } from '../loadtest/bench/measure/server-under-test.ts';
import { createPublisher } from '../loadtest/clients/create-publisher.ts';
import { TEST_SETTINGS } from '../loadtest/source/encoder-settings.ts';
import type { Publisher } from '../loadtest/source/publisher.ts';
import { buildServer, type SpillwayServer } from './build-server.ts';
import { loadServerConfig } from './server/server-config.ts';
import { until } from './testing/until.ts';
import { copyDatabaseTemplate } from './testing/database-template.ts';

const STREAM_KEY = 'caches_5f0c2f4a9b7d4e1c';
const CROWD = 20;
const REQUEST_DEADLINE_MS = 10_000;

type Answer = { status: number; text: string; headers: Headers; tookMs: number };

let folder: string;
let server: SpillwayServer;
let httpUrl = '';
let publisher: Publisher;
let first: CountingProxy;
let second: CountingProxy;
let varnish: Cache;
let nginx: Cache;
/** Path of the picture's media playlist. */
let playlist: string;

beforeAll(async () => {
	folder = await mkdtemp(join(tmpdir(), 'spillway-caches-'));
	const serverPort = (): number | undefined => (httpUrl === '' ? undefined : Number(new URL(httpUrl).port));
	[first, second] = await Promise.all([
		startCountingProxy(serverPort, (address) => (address.includes('/broken/') ? 500 : undefined)),
		startCountingProxy(serverPort),
	]);
	const ports = [first.port, second.port] as const;
	varnish = await startVarnish(ports);
	nginx = await startNginx(ports, varnish.port);
	await copyDatabaseTemplate(join(folder, 'data', 'database'));
	const config = await loadServerConfig(
		{
			SPILLWAY_HTTP_PORT: '0',
			SPILLWAY_RTMP_PORT: '0',
			SPILLWAY_RTC_PORT: '0',
			SPILLWAY_RTC_WORKER_COUNT: '1',
			SPILLWAY_INGEST_LADDER: 'off',
			SPILLWAY_INGEST_ENCODER: 'libx264',
			SPILLWAY_OPERATION_DRAIN_SECONDS: '0',
			// The first one does not answer.
			SPILLWAY_HLS_PURGE_URLS: `http://127.0.0.1:9,${varnish.url},${nginx.url}/`,
			SPILLWAY_DATA_FOLDER: join(folder, 'data'),
			SPILLWAY_DEMO_STREAM_KEY: STREAM_KEY,
			MEDIASOUP_WORKER_BIN: process.env['MEDIASOUP_WORKER_BIN'],
		},
		join(folder, 'none.json'),
	);
	server = await buildServer(config, { clock: systemClock, logger: silentLogger });
	const endpoints = await server.listen();
	({ httpUrl } = endpoints);
	const addresses = { httpUrl, rtmpUrl: endpoints.rtmpUrl, streamKey: STREAM_KEY, channel: 'demo' };
	publisher = createPublisher('rtmp', TEST_SETTINGS, addresses);
	await publisher.start();
	await waitUntilLive(addresses);
	const multivariant = await (await fetch(new URL('/hls/demo/index.m3u8', httpUrl))).text();
	playlist = `/hls/demo/${/^\S+\/video0\/index\.m3u8$/m.exec(multivariant)![0]}`;
});

afterAll(async () => {
	await Promise.all([nginx, varnish, first, second].map((part) => ('stop' in part ? part.stop() : part.close())));
	await publisher.stop();
	await server.close();
	await rm(folder, { recursive: true, force: true });
});

async function get(cache: { url: string }, path: string, init: RequestInit = {}): Promise<Answer> {
	const fromMs = systemClock.monotonicMs();
	const answer = await fetch(cache.url + path, { ...init, signal: AbortSignal.timeout(REQUEST_DEADLINE_MS) });
	const text = Buffer.from(await answer.arrayBuffer()).toString('latin1');
	return { status: answer.status, text, headers: answer.headers, tookMs: systemClock.monotonicMs() - fromMs };
}

/** All at once. */
function crowd(cache: Cache, path: string): Promise<Answer[]> {
	return Promise.all(Array.from({ length: CROWD }, () => get(cache, path)));
}

/** Number of the newest segment that has a part, and the path of the part that comes next. */
async function edge(): Promise<{ sequence: number; hint: string }> {
	const { text } = await get({ url: httpUrl }, playlist);
	const whole = [...text.matchAll(/^segment(\d+)\.m4s$/gm)].map(([, number]) => Number(number));
	const [, hint] = /PRELOAD-HINT:TYPE=PART,URI="([^"]+)"/.exec(text)!;
	return { sequence: Math.max(...whole) + 1, hint: playlist.replace('index.m3u8', hint!) };
}

async function segmentPath(): Promise<string> {
	return playlist.replace('index.m3u8', `segment${(await edge()).sequence - 1}.m4s`);
}

function purge(cache: Cache, path: string, localAddress = '127.0.0.1'): Promise<number> {
	return new Promise((resolve, reject) => {
		const sent = request(cache.url + path, { method: 'PURGE', localAddress }, (answer) => {
			answer.resume();
			resolve(answer.statusCode!);
		});
		sent.on('error', reject);
		sent.end();
	});
}

const asked = (path: string): number => first.count(path) + second.count(path);
const statuses = (answers: readonly Answer[]): number[] => [...new Set(answers.map(({ status }) => status))];

describe('a live broadcast', () => {
	it.concurrent('has one request at the server for a playlist and a part that many wait for', async () => {
		const { sequence, hint } = await edge();
		const path = `${playlist}?_HLS_msn=${sequence + 1}&_HLS_part=0`;
		const [playlists, parts] = await Promise.all([crowd(varnish, path), crowd(nginx, hint)]);
		for (const answers of [playlists, parts]) {
			expect(statuses(answers)).toEqual([200]);
			expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
			expect(answers[0]!.headers.get('access-control-allow-origin')).toBe('*');
		}
		expect([asked(path), asked(hint)]).toEqual([1, 1]);
		// Other parameters and another order make no other object, and do not reach the server.
		const before = first.counts.size;
		const same = `?_HLS_part=0&session=${'x'.repeat(50)}&_HLS_msn=${sequence + 1}&_=1`;
		for (const cache of [varnish, nginx]) {
			const again = await get(cache, playlist + same);
			expect([again.text, again.headers.get('x-cache')]).toEqual([playlists[0]!.text, 'HIT']);
		}
		expect([asked(path), [...first.counts.keys()].filter((address) => address.includes('session'))]).toEqual([1, []]);
		expect(first.counts.size).toBeGreaterThanOrEqual(before);
		for (const encoding of ['identity', 'gzip', 'br;q=1, gzip;q=0.5', 'deflate']) {
			const answer = await get(nginx, path, { headers: { 'accept-encoding': encoding } });
			expect(answer.text).toBe(playlists[0]!.text);
		}
		expect(asked(path)).toBe(1);
	});

	it.concurrent('gives an answer that comes too early to all who waited, once and to nobody else', async () => {
		const { sequence } = await edge();
		const path = `${playlist}?_HLS_msn=${sequence + 2}&_HLS_part=9`;
		const answers = await crowd(varnish, path);
		expect(statuses(answers)).toEqual([200]);
		expect(answers[0]!.headers.get('cache-control')).toBe('no-store');
		expect(asked(path)).toBe(1);
		// Not one after the other, when each is held again.
		expect(Math.max(...answers.map(({ tookMs }) => tookMs))).toBeLessThan(3500);
		await get(varnish, path);
		expect(asked(path)).toBe(2);
	});

	it.concurrent('has failures that no cache keeps, and a 404 for a second', async () => {
		const failing = playlist.replace(/^\/hls\/demo\/[^/]+/, '/hls/demo/broken');
		for (const count of [1, 2, 3]) {
			expect((await get(varnish, failing)).status).toBe(500);
			expect(asked(failing)).toBe(count);
		}
		const missing = '/hls/nobody/index.m3u8';
		expect(statuses(await crowd(varnish, missing))).toEqual([404]);
		// Each server is asked: a channel is on one of them.
		expect([first.count(missing), second.count(missing)]).toEqual([1, 1]);
		await sleep(systemClock, 1100);
		await get(varnish, missing);
		expect(first.count(missing)).toBe(2);
	});

	it.concurrent('has segments in both caches, whole and in ranges, by any query', async () => {
		const path = await segmentPath();
		for (const [index, cache] of [varnish, nginx].entries()) {
			const [whole] = await crowd(cache, path);
			const [part, end] = await Promise.all(
				['bytes=10-19', 'bytes=-5'].map((range) => get(cache, `${path}?a=1`, { headers: { range } })),
			);
			expect([part!.status, part!.text, end!.text]).toEqual([206, whole!.text.slice(10, 20), whole!.text.slice(-5)]);
			expect(part!.headers.get('content-range')).toBe(`bytes 10-19/${whole!.text.length}`);
			expect((await get(cache, path, { headers: { range: 'bytes=99999999-' } })).status).toBe(416);
			expect(asked(path)).toBe(index + 1);
		}
	});

	it.concurrent('is passed on where it is no media, with the address of the client', async () => {
		for (const cache of [varnish, nginx]) {
			const before = asked('/api/v1/channels/demo');
			for (const method of ['GET', 'GET']) {
				expect((await get(cache, '/api/v1/channels/demo', { method })).status).toBe(200);
			}
			expect(asked('/api/v1/channels/demo') - before).toBe(2);
			expect(first.headersOf('/api/v1/channels/demo')?.['x-forwarded-for']).toBe('127.0.0.1');
			const offer = { method: 'POST', headers: { 'content-type': 'application/sdp' }, body: 'v=0' };
			expect((await get(cache, '/whep/demo', offer)).status).toBeGreaterThanOrEqual(400);
		}
	});
});

describe('a video', () => {
	let cookie: string;
	let video: OwnVideo;

	const api = async <Result>(path: string, init: RequestInit = {}): Promise<Result> => {
		const headers = { cookie, 'x-spillway-csrf': '1', 'content-type': 'application/json' };
		const answer = await get({ url: httpUrl }, path, { ...init, headers });
		return JSON.parse(answer.text) as Result;
	};

	beforeAll(async () => {
		const body = JSON.stringify({ name: 'admin', password: server.firstStart.newAdminPassword });
		const headers = { 'content-type': 'application/json' };
		const { headers: login } = await get({ url: httpUrl }, '/api/v1/session', { method: 'POST', headers, body });
		cookie = login
			.getSetCookie()
			.map((line) => line.split(';')[0])
			.join('; ');
		await until(async () => {
			[video] = (await api<VideoList>('/api/v1/channels/demo/videos')).videos as [OwnVideo];
			return (video?.playlistUrl ?? null) !== null;
		}, 'a video');
	});

	const mediaPath = (): string => video.playlistUrl!.replace('index.m3u8', 'video0/segment1.m4s');
	const setVisibility = async (visibility: OwnVideo['visibility']): Promise<void> => {
		const body = JSON.stringify({ visibility });
		video = await api<OwnVideo>(`/api/v1/videos/${video.id}`, { method: 'PATCH', body });
	};
	/** Answers of both caches. */
	const both = async (path: string, init: RequestInit = {}): Promise<Answer[]> => [
		await get(varnish, path, init),
		await get(nginx, path, init),
	];

	it('is kept by both caches while it is public, for signed-in viewers too', async () => {
		const path = mediaPath();
		for (const headers of [{ cookie }, {}]) {
			expect(statuses(await both(path, { headers }))).toEqual([200]);
		}
		expect(asked(path)).toBe(2);
		expect(first.headersOf(path)).not.toHaveProperty('cookie');
		const playlists = await both(video.playlistUrl!);
		expect(statuses(playlists)).toEqual([200]);
	});

	it('is not purged by viewers, nor together with others', async () => {
		const path = mediaPath();
		const prefix = video.playlistUrl!.replace('index.m3u8', '');
		for (const cache of [varnish, nginx]) {
			expect(await purge(cache, prefix, '127.0.0.2')).toBe(403);
			expect(await purge(cache, '/vod/')).toBe(400);
			expect(await purge(cache, '/vod/.*/')).toBe(400);
			for (let time = 0; time < 2; time++) {
				expect(await purge(cache, `/vod/${'A'.repeat(22)}/`)).toBeLessThan(300);
			}
			expect((await get(cache, path)).headers.get('x-cache')).toBe('HIT');
		}
	});

	it('is purged by the server itself when it becomes private, and never kept then', async () => {
		const [path, other] = [mediaPath(), await segmentPath()];
		await both(other);
		await setVisibility('private');
		expect(video.purgePaths).toEqual([path.replace('video0/segment1.m4s', '')]);
		await until(async () => statuses(await both(path)).join() === '410', 'the caches are purged');
		expect((await both(other)).map(({ headers }) => headers.get('x-cache'))).toEqual(['HIT', 'HIT']);
		for (const address of [video.playlistUrl!, mediaPath()]) {
			const before = asked(address);
			for (let time = 0; time < 2; time++) {
				expect(statuses(await both(address, { headers: { cookie } }))).toEqual([200]);
			}
			expect(asked(address) - before).toBe(4);
		}
		// A stranger's refusal does not keep the owner out.
		expect(statuses(await both(video.playlistUrl!))).toEqual([404]);
		expect(statuses(await both(video.playlistUrl!, { headers: { cookie } }))).toEqual([200]);
	});

	it('is purged by the server itself when it is deleted', async () => {
		await setVisibility('public');
		const path = mediaPath();
		expect(statuses(await both(path))).toEqual([200]);
		await api(`/api/v1/videos/${video.id}`, { method: 'DELETE' });
		await until(async () => statuses(await both(path)).join() === '410', 'the caches are purged');
	});
});

describe('a server that is killed', () => {
	it('is replaced by the second one at once, and makes no failure of what is missing', async () => {
		await first.close();
		const { sequence } = await edge();
		const path = `${playlist}?_HLS_msn=${sequence}&_HLS_part=0`;
		expect(statuses(await crowd(varnish, path))).toEqual([200]);
		expect((await get(nginx, await segmentPath())).status).toBe(200);
		expect(second.count(path)).toBe(1);
		// Once the probes have noticed, the dead one is asked last.
		const missing = (number: number): string => `/hls/nobody${number}/index.m3u8`;
		for (let number = 0; number < 10; number++) {
			expect((await get(varnish, missing(number))).status).toBe(404);
			await sleep(systemClock, 100);
		}
	});
});
