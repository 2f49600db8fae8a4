/** Tests of WHEP over HTTP with a real SFU: wrong inputs, methods, CORS, sessions, and media at a viewer not ours. */
import Fastify, { type FastifyInstance, type InjectOptions, type LightMyRequestResponse } from 'fastify';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SpillwayError } from '../../core/errors/errors.ts';
import type { PictureWish } from '../../core/protocol/signaling/signaling-messages.ts';
import { answerOtherMethods } from '../../core/protocol/api/address-methods.ts';
import type { BroadcastRouter } from '../broadcast/broadcast-router.ts';
import { DEFAULT_PAYLOAD_TYPES } from '../rtp/media-codecs.ts';
import { PictureFeed, pictureNumbers } from '../testing/numbered-pictures.ts';
import { answerProblems } from '../testing/problem-handler.ts';
import { CHROMIUM_WHEP_OFFER, OBS_OFFER } from '../testing/sdp-fixtures.ts';
import { SfuBench, waitUntil } from '../testing/sfu-bench.ts';
import { WeriftViewer } from '../testing/werift-peers.ts';
import { WhepSessions, type WhepChannel, type WhepSession } from './whep-routes.ts';

const SDP = { 'content-type': 'application/sdp' };

let bench: SfuBench;
let app: FastifyInstance;
let sessions: WhepSessions;
let broadcastRouter: BroadcastRouter;
let lastSession: WhepSession | undefined;
/** Known of the next viewer when they connect. */
let wishAtStart: PictureWish | undefined;

/** A channel of each state, by name. */
async function findChannel(name: string): Promise<WhepChannel> {
	switch (name) {
		case 'live':
			return { state: 'live', broadcastRouter };
		case 'offline':
		case 'starting':
			return { state: name };
		default:
			return { state: 'unknown' };
	}
}

async function serve({ routes }: WhepSessions): Promise<FastifyInstance> {
	const server = Fastify();
	answerProblems(server);
	await server.register(answerOtherMethods(routes));
	await server.ready();
	return server;
}

beforeAll(async () => {
	bench = await SfuBench.start(1);
	broadcastRouter = await bench.sfu.createBroadcastRouter(bench.newBroadcastId());
	sessions = new WhepSessions({
		clock: bench.clock,
		logger: bench.logger,
		findChannel,
		onConnected: (session) => {
			lastSession = session;
			if (wishAtStart !== undefined) {
				session.transport.wish(wishAtStart);
			}
		},
		authorizePlayback: (channel) =>
			channel === 'private' ? Promise.reject(new SpillwayError('CHANNEL_NOT_FOUND', [channel])) : Promise.resolve(),
	});
	app = await serve(sessions);
});

afterAll(async () => {
	await sessions.close();
	await app.close();
	await bench[Symbol.asyncDispose]();
});

const inject = (options: InjectOptions): Promise<LightMyRequestResponse> => app.inject(options);

function postOffer(
	payload: string,
	headers: NonNullable<InjectOptions['headers']> = SDP,
	channel = 'live',
): Promise<LightMyRequestResponse> {
	return inject({ method: 'POST', url: `/whep/${channel}`, headers, payload });
}

/** Ends the session that a response created. */
function remove({ headers }: LightMyRequestResponse): Promise<LightMyRequestResponse> {
	return inject({ method: 'DELETE', url: headers.location! });
}

/** Creates a session and returns its path. */
async function createSession(): Promise<string> {
	const response = await postOffer(CHROMIUM_WHEP_OFFER);
	expect(response.statusCode).toBe(201);
	return response.headers.location!;
}

describe('POST /whep/{channel}', () => {
	it('answers 201 with an answer, the session at the Location, and nothing for caches or cookies', async () => {
		const response = await postOffer(CHROMIUM_WHEP_OFFER);
		expect(response.statusCode).toBe(201);
		expect(response.headers['content-type']).toBe('application/sdp');
		expect(response.headers.location).toMatch(/^\/whep\/live\/[0-9a-f]{32}$/);
		expect(response.headers['set-cookie']).toBeUndefined();
		expect(response.body).toMatch(/^v=0\r\n/);
		expect([...response.body.matchAll(/a=(sendonly|recvonly|setup:\w+|mid:\d)\r/g)].map(([, value]) => value)).toEqual([
			...['mid:0', 'sendonly', 'setup:passive'],
			...['mid:1', 'sendonly', 'setup:passive'],
		]);
		const [worker] = bench.sfu.pool.workers;
		expect(response.body).toContain(` udp `);
		expect(response.body).toContain(`127.0.0.1 ${worker!.port} typ host`);
		await remove(response);
	});

	it.each([
		['there is no content type', {}, CHROMIUM_WHEP_OFFER, 415, 'CONTENT_TYPE_UNSUPPORTED'],
		['the content type is JSON', { 'content-type': 'application/json' }, '{}', 415, 'CONTENT_TYPE_UNSUPPORTED'],
		['the body is empty', SDP, '', 400, 'SDP_MALFORMED'],
		['the body is no SDP', SDP, 'hello', 400, 'SDP_MALFORMED'],
		['the SDP ends early', SDP, CHROMIUM_WHEP_OFFER.slice(0, 200), 400, 'SDP_MALFORMED'],
		['the body is too large', SDP, CHROMIUM_WHEP_OFFER.padEnd(70_000, 'x'), 413, 'FST_ERR_CTP_BODY_TOO_LARGE'],
		['the offer sends', SDP, OBS_OFFER, 422, 'SDP_OFFER_UNSUPPORTED'],
		[
			'the viewer cannot receive H.264',
			SDP,
			CHROMIUM_WHEP_OFFER.replaceAll('H264', 'H263'),
			422,
			'SDP_OFFER_UNSUPPORTED',
		],
	])('refuses when %s', async (_reason, headers, payload, status, code) => {
		const response = await postOffer(payload, headers);
		expect([response.statusCode, response.json<{ code: string }>().code]).toEqual([status, code]);
		expect(sessions.count).toBe(0);
	});

	it('serves sound and picture of an offer that has a data channel and more, and refuses the rest alone', async () => {
		const sections = CHROMIUM_WHEP_OFFER.replace('BUNDLE 0 1', 'BUNDLE 0 1 2 3').split(/(?=^m=)/m);
		const second = sections[2]!.replace('a=mid:1', 'a=mid:2');
		const data =
			'm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:3\r\na=sctp-port:5000\r\n';
		const response = await postOffer(`${sections.join('')}${second}${data}`);
		expect(response.statusCode).toBe(201);
		expect(response.body.match(/^(?:m=\w+ \d|a=group.*|a=inactive)/gm)).toEqual([
			...['a=group:BUNDLE 0 1', 'm=video 9', 'm=audio 9'],
			...['m=audio 0', 'a=inactive', 'm=application 0', 'a=inactive'],
		]);
		await remove(response);
	});

	it('accepts the content type in any case and with parameters', async () => {
		const response = await postOffer(CHROMIUM_WHEP_OFFER, { 'content-type': 'Application/SDP; charset=utf-8' });
		expect(response.statusCode).toBe(201);
		await remove(response);
	});

	it.each([
		['unknown', 404, 'CHANNEL_NOT_FOUND', undefined],
		['offline', 404, 'CHANNEL_OFFLINE', undefined],
		['private', 404, 'CHANNEL_NOT_FOUND', undefined],
		['starting', 409, 'NOTHING_PUBLISHED', '1'],
	])('answers for a channel that is %s', async (channel, status, code, retryAfter) => {
		const response = await postOffer(CHROMIUM_WHEP_OFFER, SDP, channel);
		expect([response.statusCode, response.json(), response.headers['retry-after']]).toEqual([
			status,
			{ code },
			retryAfter,
		]);
	});
});

describe('other methods of WHEP', () => {
	it('answers GET with 204 on both addresses', async () => {
		for (const url of ['/whep/live', '/whep/live/none']) {
			const response = await inject({ method: 'GET', url });
			expect([response.statusCode, response.body]).toEqual([204, '']);
		}
	});

	it.each([
		['PUT', '/whep/live', 'POST, GET, OPTIONS'],
		['PATCH', '/whep/live', 'POST, GET, OPTIONS'],
		['DELETE', '/whep/live', 'POST, GET, OPTIONS'],
		['POST', '/whep/live/none', 'DELETE, GET, OPTIONS'],
		['PUT', '/whep/live/none', 'DELETE, GET, OPTIONS'],
		['PATCH', '/whep/live/none', 'DELETE, GET, OPTIONS'],
	] as const)('refuses %s %s with 405 and Allow', async (method, url, allow) => {
		const response = await inject({ method, url, headers: SDP, payload: 'v=0' });
		expect([response.statusCode, response.json(), response.headers.allow]).toEqual([
			405,
			{ code: 'METHOD_NOT_ALLOWED' },
			allow,
		]);
	});

	it('answers a preflight without authorization', async () => {
		const headers = { origin: 'https://example.org', 'access-control-request-method': 'POST' };
		const endpoint = await inject({ method: 'OPTIONS', url: '/whep/private', headers });
		expect(endpoint.statusCode).toBe(200);
		expect(endpoint.headers).toMatchObject({
			'access-control-allow-origin': '*',
			'access-control-allow-methods': 'POST, GET, OPTIONS',
			'access-control-allow-headers': 'Authorization, Content-Type, If-Match, X-Spillway-Viewer',
			'accept-post': 'application/sdp',
		});
		const session = await inject({ method: 'OPTIONS', url: '/whep/live/none', headers });
		expect([session.statusCode, session.headers['access-control-allow-methods']]).toEqual([
			200,
			'DELETE, GET, OPTIONS',
		]);
	});

	it('lets pages of other origins read the Location, also of refusals', async () => {
		for (const payload of [CHROMIUM_WHEP_OFFER, 'nonsense']) {
			const response = await postOffer(payload);
			expect(response.headers['access-control-allow-origin']).toBe('*');
			expect(response.headers['access-control-expose-headers']).toContain('Location');
			if (response.statusCode === 201) {
				await remove(response);
			}
		}
	});
});

describe('a WHEP session', () => {
	beforeEach(async () => {
		broadcastRouter = await bench.sfu.createBroadcastRouter(bench.newBroadcastId());
	});

	afterEach(async () => {
		await broadcastRouter.close('broadcast-ended');
		await waitUntil(() => sessions.count === 0, 'its sessions have ended');
	});

	it('ends by DELETE with 200, and is unknown from then on', async () => {
		const url = await createSession();
		expect(sessions.count).toBe(1);
		expect((await inject({ method: 'DELETE', url: url.replace('live', 'starting') })).statusCode).toBe(404);
		expect((await inject({ method: 'DELETE', url })).statusCode).toBe(200);
		expect(sessions.count).toBe(0);
		const again = await inject({ method: 'DELETE', url });
		expect([again.statusCode, again.json()]).toEqual([404, { code: 'SESSION_NOT_FOUND' }]);
	});

	it('costs untrusted clients their own oldest session that has not connected, and no other client', async () => {
		let isRoom = true;
		const connected: string[] = [];
		const own = new WhepSessions({
			clock: bench.clock,
			logger: bench.logger,
			findChannel: async () => ({ state: 'live', broadcastRouter }),
			authorizePlayback: async () => ({ maxViewers: 2 }),
			isViewer: (viewerId) => viewerId === 'known',
			onConnected: ({ viewerId }) => connected.push(String(viewerId)),
			limits: { maxPending: 6, maxConnected: () => (isRoom ? 10 : 0) },
		});
		const server = await serve(own);
		const post = async (remoteAddress: string, viewerId?: string): Promise<LightMyRequestResponse> =>
			server.inject({
				method: 'POST',
				url: '/whep/live',
				headers: { ...SDP, ...(viewerId === undefined ? {} : { 'x-spillway-viewer': viewerId }) },
				payload: CHROMIUM_WHEP_OFFER,
				remoteAddress,
			});
		const isThere = async ({ headers }: LightMyRequestResponse): Promise<boolean> =>
			(await server.inject({ method: 'DELETE', url: headers.location! })).statusCode === 200;
		const honest = await post('192.0.2.1');
		const known = await post('192.0.2.2', 'known');
		const flood = [];
		for (let index = 1; index <= 20; index++) {
			flood.push(await post(`2001:db8::${index}`));
		}
		expect([honest, known, ...flood].map(({ statusCode }) => statusCode)).toEqual(new Array(22).fill(201));
		expect(own.count).toBe(4);
		expect([await isThere(honest), await isThere(known), await isThere(flood[17]!)]).toEqual([true, true, false]);
		isRoom = false;
		expect((await post('192.0.2.4')).json<{ code: string }>().code).toBe('SFU_UNAVAILABLE');
		expect(connected).toEqual([]);
		expect((await bench.sfu.pool.readLoads())[0]).toMatchObject({ viewerConsumerCount: 0 });
		await own.close();
		await server.close();
	});

	it('ends when no viewer connects in time', async () => {
		bench.clock.longestTimerMs = 10_000;
		try {
			await createSession();
			await waitUntil(() => sessions.count === 0, 'the session has ended');
		} finally {
			bench.clock.longestTimerMs = Infinity;
		}
		expect(bench.logger.lines.at(-1)).toMatchObject({
			message: 'WHEP session closed',
			fields: { reason: 'connect-timed-out' },
		});
	});

	it.each([
		['the stage’s own payload types', DEFAULT_PAYLOAD_TYPES, 0],
		['other payload types', { h264: 125, opus: 109 }, 1],
	])(
		'sends picture and sound to a viewer with %s, from a key frame on',
		async (_name, payloadTypes, pipedRouterCount) => {
			using feed = new PictureFeed(broadcastRouter.stage, 30);
			await waitUntil(() => feed.next > 40, 'the second GOP');
			await using viewer = new WeriftViewer(payloadTypes);
			const response = await postOffer(await viewer.createOffer());
			expect([response.statusCode, response.body.slice(0, 3)]).toEqual([201, 'v=0']);
			const began = feed.next;
			await viewer.accept(response.body);
			await waitUntil(() => (pictureNumbers(viewer.video).at(-1) ?? 0) > began + 45, 'a second and a half of pictures');
			expect(viewer.audio.length).toBeGreaterThan(10);
			const numbers = pictureNumbers(viewer.video);
			expect(numbers[0]! % 30).toBe(0);
			expect(numbers).toEqual(numbers.map((_, index) => numbers[0]! + index));
			expect(new Set(viewer.video.map(({ payloadType }) => payloadType))).toEqual(new Set([payloadTypes.h264]));
			expect(new Set(viewer.audio.map(({ payloadType }) => payloadType))).toEqual(new Set([payloadTypes.opus]));
			expect(broadcastRouter.pipedRouterCount).toBe(pipedRouterCount);
			await remove(response);
			expect(sessions.count).toBe(0);
		},
	);

	it('continues the sound when the picture is stopped, and sends no picture again', async () => {
		using _feed = new PictureFeed(broadcastRouter.stage, 30);
		await using viewer = new WeriftViewer(DEFAULT_PAYLOAD_TYPES);
		const response = await postOffer(await viewer.createOffer());
		await viewer.accept(response.body);
		await waitUntil(() => viewer.video.length > 30, 'pictures');
		lastSession!.transport.stopPicture();
		lastSession!.transport.stopPicture();
		const soundAt = viewer.audio.length;
		await waitUntil(() => viewer.audio.length > soundAt + 10, 'sound after the picture was stopped');
		const [pictureAt, laterAt] = [viewer.video.length, viewer.audio.length];
		await waitUntil(() => viewer.audio.length > laterAt + 25, 'half a second of sound');
		expect(viewer.video.length).toBe(pictureAt);
		await remove(response);
	});

	it('sends no picture to a viewer who wants the sound alone, and one within a GOP when they want it again', async () => {
		using feed = new PictureFeed(broadcastRouter.stage, 30);
		feed.rungs = ['360p30', '160p30'];
		await waitUntil(() => broadcastRouter.stage.video.layers.onAir.length === 3, 'rungs', 5000);
		await using viewer = new WeriftViewer(DEFAULT_PAYLOAD_TYPES);
		const response = await postOffer(await viewer.createOffer());
		await viewer.accept(response.body);
		await waitUntil(() => viewer.video.length > 30, 'pictures');
		const { transport } = lastSession!;
		for (let round = 0; round < 2; round++) {
			transport.wish({ rung: 'audio' });
			expect(transport.picture).toMatchObject({ shown: null, limitedBy: 'choice' });
			const soundAt = viewer.audio.length;
			await waitUntil(() => viewer.audio.length > soundAt + 10, 'sound without a picture');
			const [pictureAt, laterAt] = [viewer.video.length, viewer.audio.length];
			await waitUntil(() => viewer.audio.length > laterAt + 60, 'two seconds of sound');
			expect(viewer.video.length).toBe(pictureAt);
			const from = feed.next;
			transport.wish({});
			await waitUntil(() => viewer.video.length > pictureAt, 'a picture');
			expect(feed.next - from).toBeLessThan(30 + 10);
			await waitUntil(() => transport.picture!.shown === 'source', 'the source', 5000);
			expect(transport.picture!.limitedBy).toBeNull();
			const numbers = pictureNumbers(viewer.video.slice(pictureAt));
			expect(numbers[0]).toBeGreaterThanOrEqual(from - 3);
			await waitUntil(() => viewer.video.length > pictureAt + 90, 'pictures again');
		}
		await remove(response);
	});

	it('sends no picture at all to a viewer who wanted the sound alone before, and then begins as for a newcomer', async () => {
		using feed = new PictureFeed(broadcastRouter.stage, 30);
		await waitUntil(() => feed.next > 40, 'the second GOP');
		await using viewer = new WeriftViewer(DEFAULT_PAYLOAD_TYPES);
		wishAtStart = { rung: 'audio' };
		try {
			const response = await postOffer(await viewer.createOffer());
			await viewer.accept(response.body);
			await waitUntil(() => viewer.audio.length > 30, 'sound');
			expect(viewer.video).toEqual([]);
			await waitUntil(() => feed.next % 30 === 12, 'the middle of a GOP');
			lastSession!.transport.wish({});
			const from = feed.next;
			await waitUntil(() => viewer.video.length > 0, 'a picture');
			expect(feed.next - from).toBeLessThan(12);
			await remove(response);
		} finally {
			wishAtStart = undefined;
		}
	});

	it('ends with its broadcast, for the same reason', async () => {
		await createSession();
		await broadcastRouter.close('broadcast-ended');
		await waitUntil(() => sessions.count === 0, 'the session has ended');
		expect(bench.logger.lines.findLast(({ message }) => message === 'WHEP session closed')?.fields).toMatchObject({
			reason: 'broadcast-ended',
		});
	});
});

describe('closing WHEP', () => {
	it('ends all sessions once and accepts no more', async () => {
		broadcastRouter = await bench.sfu.createBroadcastRouter(bench.newBroadcastId());
		const own = new WhepSessions({
			clock: bench.clock,
			logger: bench.logger,
			findChannel,
			authorizePlayback: () => Promise.resolve(),
		});
		const ownApp = await serve(own);
		const post = (): Promise<LightMyRequestResponse> =>
			ownApp.inject({ method: 'POST', url: '/whep/live', headers: SDP, payload: CHROMIUM_WHEP_OFFER });
		expect((await post()).statusCode).toBe(201);
		await Promise.all([own.close(), own.close()]);
		expect(own.count).toBe(0);
		const late = await post();
		expect([late.statusCode, late.json(), late.headers['retry-after']]).toEqual([
			503,
			{ code: 'SERVER_STOPPING' },
			'5',
		]);
		await ownApp.close();
	});
});
