/** Tests of WHIP over HTTP with a real SFU: wrong inputs, methods, CORS, sessions, and media of another library. */
import fc from 'fast-check';
import Fastify, { type FastifyInstance, type InjectOptions, type LightMyRequestResponse } from 'fastify';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../core/lifecycle/clock.ts';
import type { PublisherId } from '../../core/ids.ts';
import { answerOtherMethods } from '../../core/protocol/api/address-methods.ts';
import { DEFAULT_PAYLOAD_TYPES } from '../../sfu/rtp/media-codecs.ts';
import { pictureNumbers } from '../../sfu/testing/numbered-pictures.ts';
import { answerProblems } from '../../sfu/testing/problem-handler.ts';
import {
	CHROMIUM_WHEP_OFFER,
	CHROMIUM_WHIP_OFFER,
	FFMPEG_OFFER,
	OBS_OFFER,
	OBS_SIMULCAST_OFFER,
} from '../../sfu/testing/sdp-fixtures.ts';
import { SfuBench, waitUntil } from '../../sfu/testing/sfu-bench.ts';
import { WeriftPublisher, WeriftViewer } from '../../sfu/testing/werift-peers.ts';
import { WhepSessions } from '../../sfu/whep/whep-routes.ts';
import type { Broadcast, BroadcastEndReason } from '../broadcast/broadcast.ts';
import { BroadcastRegistry } from '../broadcast/broadcast-registry.ts';
import { FakeTrackSink } from '../testing/fake-track-sink.ts';
import { FakeTranscoderFactory } from '../testing/fake-transcoders.ts';
import { FakeWhipTransport } from '../testing/fake-whip-transport.ts';
import { attempts, authorize } from '../testing/whip-permissions.ts';
import { WhipPublisher } from './whip-publisher.ts';
import { WhipSessions } from './whip-routes.ts';

const SDP = { 'content-type': 'application/sdp' };
const KEY = { authorization: 'Bearer good-key' };
const OTHER_KEY = { authorization: 'Bearer other-key' };
const TAKE_OVERS_IN_A_ROW = 4;

let bench: SfuBench;
let app: FastifyInstance;
let sessions: WhipSessions;
let viewers: WhepSessions;
let registry: BroadcastRegistry;
const sinks: FakeTrackSink[] = [];
const endReasons: BroadcastEndReason[] = [];

beforeAll(async () => {
	bench = await SfuBench.start(1);
	const { clock, logger, sfu } = bench;
	registry = new BroadcastRegistry({
		clock,
		logger,
		sfu,
		transcoders: new FakeTranscoderFactory(),
		limits: {
			maxBroadcasts: 10,
			maxBroadcastsPerOwner: 1,
			maxEncoderPixelsPerSecond: 1e9,
			maxPublisherBitrateBps: 50_000_000,
		},
		ladderChoice: 'off',
		openPackager: () => {
			sinks.push(new FakeTrackSink());
			return sinks.at(-1)!;
		},
	});
	registry.on('broadcastEnded', (_broadcast, reason) => endReasons.push(reason));
	sessions = new WhipSessions({ clock, logger, registry, authorizer: { authorize } });
	viewers = new WhepSessions({
		clock,
		logger,
		authorizePlayback: () => Promise.resolve(),
		findChannel: (name) => {
			const broadcastRouter = registry.find(name)?.router;
			return Promise.resolve(broadcastRouter === undefined ? { state: 'offline' } : { state: 'live', broadcastRouter });
		},
	});
	app = Fastify();
	answerProblems(app);
	await app.register(answerOtherMethods(sessions.routes));
	await app.register(answerOtherMethods(viewers.routes));
	await app.ready();
});

afterEach(async () => {
	await Promise.all(registry.broadcasts.map((broadcast) => broadcast.close('unpublished')));
	await waitUntil(() => sessions.count === 0 || registry.broadcasts.length === 0, 'the broadcasts have ended');
	endReasons.length = 0;
});

afterAll(async () => {
	await viewers.close();
	await sessions.close();
	await registry.close();
	await app.close();
	await bench[Symbol.asyncDispose]();
	expect(bench.logger.lines.filter(({ level }) => level === 'error')).toEqual([]);
});

const inject = (options: InjectOptions): Promise<LightMyRequestResponse> => app.inject(options);
const post = (payload: string, headers: Record<string, string> = { ...SDP, ...KEY }): Promise<LightMyRequestResponse> =>
	inject({ method: 'POST', url: '/whip', headers, payload });
const remove = (url: string, headers: Record<string, string> = KEY): Promise<LightMyRequestResponse> =>
	inject({ method: 'DELETE', url, headers });

/** A WHEP viewer of the channel. */
async function watch(): Promise<WeriftViewer> {
	const viewer = new WeriftViewer(DEFAULT_PAYLOAD_TYPES);
	const payload = await viewer.createOffer();
	const answer = await inject({ method: 'POST', url: '/whep/demo', headers: SDP, payload });
	await viewer.accept(answer.body);
	return viewer;
}

describe('POST /whip', () => {
	it.each([
		['OBS', OBS_OFFER, 'passive'],
		['OBS with simulcast', OBS_SIMULCAST_OFFER, 'passive'],
		['FFmpeg', FFMPEG_OFFER, 'active'],
		['Chromium', CHROMIUM_WHIP_OFFER, 'passive'],
	])('answers %s with exactly 201, an answer and the session at the Location', async (_name, offer, setup) => {
		const response = await post(offer);
		expect(response.statusCode).toBe(201);
		expect(response.headers['content-type']).toBe('application/sdp');
		expect(response.headers['content-length']).toBe(String(response.body.length));
		expect(response.headers.location).toMatch(/^\/whip\/[0-9a-f]{32}$/);
		expect(new Set([...response.body.matchAll(/a=setup:(\w+)/g)].map(([, role]) => role))).toEqual(new Set([setup]));
		expect(response.body).not.toMatch(/^m=\w+ 0 /m);
		expect((await remove(response.headers.location!)).statusCode).toBe(200);
	});

	it.each([
		['there is no stream key', { ...SDP }, OBS_OFFER, 401, 'STREAM_KEY_MISSING'],
		['the stream key is wrong', { ...SDP, authorization: 'Bearer wrong' }, OBS_OFFER, 401, 'STREAM_KEY_REFUSED'],
		[
			'there is nothing in the authorization',
			{ ...SDP, authorization: 'Basic Og==' },
			OBS_OFFER,
			401,
			'STREAM_KEY_MISSING',
		],
		[
			'the stream key is endless',
			{ ...SDP, authorization: `Bearer ${'x'.repeat(600)}` },
			OBS_OFFER,
			401,
			'STREAM_KEY_MISSING',
		],
		['there is no content type', KEY, OBS_OFFER, 415, 'CONTENT_TYPE_UNSUPPORTED'],
		['the content type is wrong', { ...KEY, 'content-type': 'text/plain' }, OBS_OFFER, 415, 'CONTENT_TYPE_UNSUPPORTED'],
		['the body is empty', { ...SDP, ...KEY }, '', 400, 'SDP_MALFORMED'],
		['the body is no SDP', { ...SDP, ...KEY }, '{"sdp":""}', 400, 'SDP_MALFORMED'],
		['the body is too large', { ...SDP, ...KEY }, OBS_OFFER.padEnd(70_000, 'x'), 413, 'FST_ERR_CTP_BODY_TOO_LARGE'],
		['the offer receives', { ...SDP, ...KEY }, CHROMIUM_WHEP_OFFER, 422, 'SDP_OFFER_UNSUPPORTED'],
		['a codec cannot be taken', { ...SDP, ...KEY }, OBS_OFFER.replace('H264', 'AV1'), 422, 'SDP_OFFER_UNSUPPORTED'],
	])('refuses when %s', async (_reason, headers, payload, status, code) => {
		const response = await post(payload, headers);
		expect([response.statusCode, response.json<{ code: string }>().code]).toEqual([status, code]);
		expect(sessions.count).toBe(0);
	});

	it.each([
		['no scheme', { authorization: 'good-key' }, '/whip'],
		['another case', { authorization: 'bEARER good-key' }, '/whip'],
		['Basic and the key as password', { authorization: `Basic ${btoa('me:good-key')}` }, '/whip'],
		['Basic and the key as user', { authorization: `Basic ${btoa('good-key:')}` }, '/whip'],
		['?key=', {}, '/whip?key=good-key'],
		['?token=', {}, '/whip?token=good-key'],
		['?stream_key= and a wrong one', {}, '/whip?stream_key=good-key&token=wrong'],
		['the path', {}, '/whip/good-key'],
		['the path behind a name', {}, '/whip/live/good-key'],
		["the header, and the channel's name behind the address", KEY, '/whip/demo'],
		['the query, and a name behind the address', {}, '/whip/live/demo?key=good-key'],
	])('finds the stream key with %s, in one attempt, and does not repeat it', async (_name, headers, url) => {
		attempts.length = 0;
		const lines = bench.logger.lines.length;
		const response = await inject({ method: 'POST', url, headers: { ...SDP, ...headers }, payload: OBS_OFFER });
		expect([response.statusCode, attempts.length]).toEqual([201, 1]);
		expect(attempts[0]).toBeLessThanOrEqual(3);
		expect(JSON.stringify([response.headers, response.body, bench.logger.lines.slice(lines)])).not.toContain(
			'good-key',
		);
		// A client with its key in the address cannot send the key to another address.
		const isInHeader = 'authorization' in headers;
		expect((await remove(response.headers.location!, {})).statusCode).toBe(isInHeader ? 401 : 200);
		if (isInHeader) {
			expect((await remove(response.headers.location!, { ...headers })).statusCode).toBe(200);
		}
	});

	it.each([
		['two sections have one mid', OBS_OFFER.replace('a=mid:1', 'a=mid:0')],
		['two sections have one SSRC', OBS_OFFER.replaceAll('1900943993', '1900943992')],
		['a header extension has id 0', OBS_OFFER.replace('a=extmap:1 ', 'a=extmap:0 ')],
		['a header extension has id 300', OBS_OFFER.replace('a=extmap:1 ', 'a=extmap:300 ')],
		['two header extensions have one id', OBS_SIMULCAST_OFFER.replace('a=extmap:2 ', 'a=extmap:1 ')],
		['a payload type is above 127', OBS_OFFER.replaceAll(/\b96\b/g, '200')],
		['a payload type is used twice', CHROMIUM_WHIP_OFFER.replaceAll(/\b109\b/g, '108')],
		['both sections use one payload type', OBS_OFFER.replaceAll(/\b96\b/g, '111')],
		['the fingerprint’s algorithm is unknown', OBS_OFFER.replace('sha-256', 'md5')],
		['the fingerprint is no fingerprint', OBS_OFFER.replace(/sha-256 .*/, 'sha-256 zz')],
		['the clock rate of H.264 is wrong', OBS_OFFER.replace('H264/90000', 'H264/8000')],
		['Opus is mono', OBS_OFFER.replace('opus/48000/2', 'opus/48000')],
		['two layers have one rid', OBS_SIMULCAST_OFFER.replace('a=rid:1 send', 'a=rid:0 send')],
		['a mid is very long', OBS_OFFER.replace('a=mid:1', `a=mid:${'m'.repeat(5000)}`)],
		['a feedback is empty', OBS_OFFER.replace('a=rtcp-fb:96 nack pli', 'a=rtcp-fb:96  ')],
	])('accepts or refuses, and never breaks, when %s', async (_reason, payload) => {
		const response = await post(payload);
		expect([201, 400, 422]).toContain(response.statusCode);
		if (response.statusCode === 201) {
			expect((await remove(response.headers.location!)).statusCode).toBe(200);
		}
		expect(sessions.count).toBe(0);
	});

	it('never breaks when the lines of an offer are dropped, doubled, moved or changed', async () => {
		const offer = fc.constantFrom(OBS_OFFER, OBS_SIMULCAST_OFFER, FFMPEG_OFFER, CHROMIUM_WHIP_OFFER);
		const at = fc.double({ min: 0, max: 0.999, noNaN: true });
		const edit = fc.tuple(
			fc.constantFrom('drop', 'double', 'move', 'number'),
			at,
			at,
			fc.constantFrom(0, 1, 7, 15, 128, 65_536),
		);
		await fc.assert(
			fc.asyncProperty(offer, fc.array(edit, { minLength: 1, maxLength: 3 }), async (original, edits) => {
				const lines = original.split('\r\n').slice(0, -1);
				for (const [kind, from, to, number] of edits) {
					const index = Math.floor(from * lines.length);
					const [line] = kind === 'double' ? [lines[index]!] : lines.splice(index, 1);
					if (kind === 'double' || kind === 'move') {
						lines.splice(Math.floor(to * lines.length), 0, line!);
					} else if (kind === 'number') {
						lines.splice(index, 0, line!.replace(/\d+/, String(number)));
					}
				}
				const response = await post(`${lines.join('\r\n')}\r\n`);
				expect([201, 400, 422], response.body).toContain(response.statusCode);
				if (response.statusCode === 201) {
					expect((await remove(response.headers.location!)).statusCode).toBe(200);
				}
			}),
			{ numRuns: 120 },
		);
	});
});

describe('other methods of WHIP', () => {
	it('W-15 answers GET with 204 on both addresses', async () => {
		for (const url of ['/whip', '/whip/none']) {
			const response = await inject({ method: 'GET', url });
			expect([response.statusCode, response.body]).toEqual([204, '']);
		}
	});

	it.each([
		['PUT', '/whip', 'POST, GET, OPTIONS'],
		['PATCH', '/whip', 'POST, GET, OPTIONS'],
		['DELETE', '/whip', 'POST, GET, OPTIONS'],
		['POST', `/whip/${'0'.repeat(32)}`, 'DELETE, GET, OPTIONS'],
		['PUT', '/whip/none', 'DELETE, GET, OPTIONS'],
		['PATCH', '/whip/none', 'DELETE, GET, OPTIONS'],
	] as const)('W-16 refuses %s %s with 405 and Allow', async (method, url, allow) => {
		const response = await inject({ method, url, headers: { ...SDP, ...KEY }, payload: 'v=0' });
		expect([response.statusCode, response.json(), response.headers.allow]).toEqual([
			405,
			{ code: 'METHOD_NOT_ALLOWED' },
			allow,
		]);
	});

	it('W-18 W-19 answers a preflight without a key, and lets pages read the Location', async () => {
		const headers = { origin: 'https://example.org', 'access-control-request-method': 'POST' };
		const endpoint = await inject({ method: 'OPTIONS', url: '/whip', headers });
		expect(endpoint.statusCode).toBe(200);
		expect(endpoint.headers).toMatchObject({
			'access-control-allow-origin': '*',
			'access-control-allow-methods': 'POST, GET, OPTIONS',
			'access-control-allow-headers': 'Authorization, Content-Type, If-Match, X-Spillway-Viewer',
			'accept-post': 'application/sdp',
		});
		const session = await inject({ method: 'OPTIONS', url: '/whip/none', headers });
		expect([session.statusCode, session.headers['access-control-allow-methods']]).toEqual([
			200,
			'POST, DELETE, GET, OPTIONS',
		]);
		const created = await post(OBS_OFFER);
		expect(String(created.headers['access-control-expose-headers']).split(', ')).toEqual(
			expect.arrayContaining(['Location', 'Link', 'ETag', 'Accept-Post', 'Accept-Patch', 'Retry-After']),
		);
		await remove(created.headers.location!);
	});
});

describe('a WHIP session', () => {
	it('W-21 W-24 ends by DELETE with exactly 200, and is unknown from then on', async () => {
		const { location } = (await post(OBS_OFFER)).headers;
		expect((await remove(location!)).statusCode).toBe(200);
		const again = await remove(location!);
		expect([again.statusCode, again.json()]).toEqual([404, { code: 'SESSION_NOT_FOUND' }]);
	});

	it('W-37 cannot be ended without its own key', async () => {
		const { location } = (await post(OBS_OFFER)).headers;
		const without = await remove(location!, {});
		expect([without.statusCode, without.json()]).toEqual([401, { code: 'STREAM_KEY_MISSING' }]);
		const other = await remove(location!, OTHER_KEY);
		expect([other.statusCode, other.json()]).toEqual([401, { code: 'STREAM_KEY_REFUSED' }]);
		expect(sessions.count).toBe(1);
		await remove(location!);
	});

	it('ends when its publisher does not connect in time', async () => {
		bench.clock.longestTimerMs = 10_000;
		try {
			await post(OBS_OFFER);
			await waitUntil(() => sessions.count === 0, 'the session has ended');
		} finally {
			bench.clock.longestTimerMs = Infinity;
		}
		expect(bench.logger.lines.findLast(({ message }) => message === 'WHIP session closed')?.fields).toMatchObject({
			reason: 'timed-out',
		});
	});

	it('displaces the key’s oldest session that has not connected', async () => {
		const responses = [];
		for (let index = 0; index < 6; index++) {
			responses.push(await post(OBS_OFFER));
		}
		expect(responses.map(({ statusCode }) => statusCode)).toEqual(new Array(6).fill(201));
		expect(sessions.count).toBe(3);
		const urls = responses.map(({ headers }) => headers.location!);
		expect((await remove(urls[2]!)).statusCode).toBe(404);
		for (const url of urls.slice(3)) {
			expect((await remove(url)).statusCode).toBe(200);
		}
	});

	it('has another address for each POST', async () => {
		const [one, other] = [await post(OBS_OFFER), await post(FFMPEG_OFFER)];
		expect(one.headers.location).not.toBe(other.headers.location);
		expect(sessions.count).toBe(2);
		await remove(one.headers.location!);
		await remove(other.headers.location!);
	});
});

describe('a WHIP publisher', () => {
	/** Posts the publisher's offer and lets it send in real time until disposed. */
	async function publish(
		publisher: WeriftPublisher,
		setup: 'actpass' | 'active' | 'passive',
	): Promise<{ location: string; broadcast: Broadcast; [Symbol.dispose](): void }> {
		const response = await post(await publisher.createOffer(setup));
		expect([response.statusCode, response.body.slice(0, 3)]).toEqual([201, 'v=0']);
		expect(response.body).toContain(`a=setup:${setup === 'passive' ? 'active' : 'passive'}`);
		await publisher.accept(response.body);
		await waitUntil(() => publisher.connectionState === 'connected', 'the publisher is connected');
		const stop = systemClock.setInterval(() => publisher.send(30), 1000 / 30);
		return { location: response.headers.location!, broadcast: registry.find('demo')!, [Symbol.dispose]: stop };
	}

	it.each(['actpass', 'passive', 'active'] as const)(
		'reaches both tiers, whichever DTLS role it offers: %s',
		async (setup) => {
			await using publisher = new WeriftPublisher({ h264: 96, opus: 111 });
			using published = await publish(publisher, setup);
			const { broadcast, location } = published;
			await waitUntil(() => broadcast.state === 'live', 'the broadcast is live');
			await using viewer = await watch();
			const sink = sinks.at(-1)!;
			await waitUntil(() => sink.unitsOf('video0').length > 45, 'pictures at the packager');
			await waitUntil(
				() => pictureNumbers(viewer.video).length > 30 && viewer.audio.length > 30,
				'media at the viewer',
			);

			expect(sink.calls).toEqual(['run 0 video0+audio0']);
			expect(sink.runs[0]!.tracks.get('video0')).toMatchObject({ codec: 'h264', widthPixels: 1280, heightPixels: 720 });
			const units = sink.unitsOf('video0');
			expect(units[0]!.isKeyFrame).toBe(true);
			// Bytes: a length of four, the NAL unit's type, the picture's number.
			const packaged = units.map(({ bytes }) => Buffer.from(bytes).readUInt32BE(5));
			expect(packaged).toEqual(packaged.map((_, index) => packaged[0]! + index));
			expect(
				new Set(units.slice(1).map((unit, index) => unit.decodeTimeTicks - units[index]!.decodeTimeTicks)),
			).toEqual(new Set([3000]));
			const shown = pictureNumbers(viewer.video);
			expect(shown).toEqual(shown.map((_, index) => shown[0]! + index));
			expect(shown[0]! % 30).toBe(0);

			expect((await remove(location)).statusCode).toBe(200);
			expect(endReasons).toEqual(['unpublished']);
			expect(sink.calls.at(-1)).toBe('end');
			expect(sessions.count).toBe(0);
		},
	);

	it('ends its broadcast when it closes its connection and then sends DELETE, as OBS does', async () => {
		await using publisher = new WeriftPublisher({ h264: 96, opus: 111 });
		using published = await publish(publisher, 'actpass');
		await waitUntil(() => published.broadcast.state === 'live', 'the broadcast is live');
		published[Symbol.dispose]();
		await publisher[Symbol.asyncDispose]();
		expect((await remove(published.location)).statusCode).toBe(200);
		expect(endReasons).toEqual(['unpublished']);
	});

	it('continues the broadcast when the previous publisher sends DELETE while it is connecting', async () => {
		await using first = new WeriftPublisher({ h264: 96, opus: 111 });
		using firstPublished = await publish(first, 'actpass');
		const { broadcast, location } = firstPublished;
		await waitUntil(() => broadcast.state === 'live', 'the broadcast is live');
		await using second = new WeriftPublisher({ h264: 96, opus: 111 });
		const response = await post(await second.createOffer('actpass'));
		expect((await remove(location)).statusCode).toBe(200);
		expect([endReasons, broadcast.state]).toEqual([[], 'interrupted']);
		await second.accept(response.body);
		await waitUntil(() => second.connectionState === 'connected', 'the second is connected');
		const stop = systemClock.setInterval(() => second.send(30), 1000 / 30);
		await waitUntil(() => broadcast.state === 'live', 'the broadcast is live again');
		expect(registry.find('demo')).toBe(broadcast);
		expect((await remove(response.headers.location!)).statusCode).toBe(200);
		expect(endReasons).toEqual(['unpublished']);
		stop();
	});

	it('is refused with 429 and Retry-After after too many take-overs, without a change on air', async () => {
		const { clock, logger } = bench;
		const broadcast = await registry.open(await authorize('good-key'));
		for (let index = 0; index <= TAKE_OVERS_IN_A_ROW; index++) {
			const transport = new FakeWhipTransport();
			const identity = { id: `whip${index}` as PublisherId, remoteAddress: '192.0.2.1', encoderName: undefined };
			const publisher = new WhipPublisher({ clock, logger, transport }, identity);
			broadcast.attach(publisher);
			publisher.release();
			transport.send(true);
			// The first picture of a publisher counts when the next one shows where it ends.
			transport.send(false);
		}
		const response = await post(OBS_OFFER);
		expect([response.statusCode, response.json()]).toEqual([429, { code: 'TAKE_OVERS_TOO_FREQUENT' }]);
		expect(Number(response.headers['retry-after'])).toBeGreaterThan(50);
		expect(sessions.count).toBe(0);
		expect(broadcast.publisher?.id).toBe(`whip${TAKE_OVERS_IN_A_ROW}`);
		// The other channel is not affected.
		const other = await post(OBS_OFFER, { ...SDP, ...OTHER_KEY });
		expect(other.statusCode).toBe(201);
		await remove(other.headers.location!, OTHER_KEY);
	});

	it('takes over from another with the same key, without a break for the viewer', async () => {
		await using first = new WeriftPublisher({ h264: 96, opus: 111 });
		using firstPublished = await publish(first, 'actpass');
		const { broadcast } = firstPublished;
		await waitUntil(() => broadcast.state === 'live', 'the broadcast is live');
		await using viewer = await watch();
		await waitUntil(() => pictureNumbers(viewer.video).length > 20, 'the first publisher’s pictures');
		const old = broadcast.publisher;

		await using second = new WeriftPublisher({ h264: 102, opus: 109 });
		using secondPublished = await publish(second, 'passive');
		expect(secondPublished.broadcast).toBe(broadcast);
		await waitUntil(() => broadcast.publisher !== old, 'the second is on air');
		const seen = viewer.video.length;
		await waitUntil(() => viewer.video.length > seen + 40, 'the second publisher’s pictures');

		const sorted = viewer.video.toSorted(
			(one, other) => ((one.sequenceNumber - other.sequenceNumber + 98_304) % 65_536) - 32_768,
		);
		const timestamps = sorted.map(({ timestampTicks }) => timestampTicks);
		expect(timestamps.slice(1).every((ticks, index) => ((ticks - timestamps[index]!) | 0) >= 0)).toBe(true);
		expect(new Set(viewer.video.map(({ payloadType }) => payloadType))).toEqual(new Set([DEFAULT_PAYLOAD_TYPES.h264]));
		expect(broadcast.state).toBe('live');
		await waitUntil(() => sessions.count === 1, 'the first session has ended');
		const late = await remove(firstPublished.location);
		expect([late.statusCode, late.json()]).toEqual([404, { code: 'SESSION_NOT_FOUND' }]);
	});
});

describe('closing WHIP', () => {
	it('ends all sessions once and accepts no more', async () => {
		const own = new WhipSessions({ clock: bench.clock, logger: bench.logger, registry, authorizer: { authorize } });
		const ownApp = Fastify();
		answerProblems(ownApp);
		await ownApp.register(answerOtherMethods(own.routes));
		const create = (): Promise<LightMyRequestResponse> =>
			ownApp.inject({ method: 'POST', url: '/whip', headers: { ...SDP, ...KEY }, payload: OBS_OFFER });
		expect((await create()).statusCode).toBe(201);
		await Promise.all([own.close(), own.close()]);
		expect(own.count).toBe(0);
		const late = await create();
		expect([late.statusCode, late.headers['retry-after'] !== undefined]).toEqual([503, true]);
		await ownApp.close();
	});
});
