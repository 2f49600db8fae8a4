/** The origin's addresses, answers and holds, without sockets: by injection, on a fake clock. */
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import type { LightMyRequestResponse } from 'fastify';
import { describe, expect, it } from 'vitest';
import type { BroadcastId, ChannelName } from '../../core/ids.ts';
import type { AccessUnit } from '../../core/media/access-unit.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import type { BroadcastPackager } from '../live/broadcast-packager.ts';
import type { PackagerConfig } from '../config/packager-config.ts';
import { simulateRun } from '../testing/simulated-source.ts';
import { createTestOrigin, startDemo, type TestOrigin } from '../testing/test-origin.ts';
import { VIDEO_AND_AUDIO } from '../testing/watched-broadcast.ts';

const ID = '01demo' as BroadcastId;
const VIDEO = '/hls/demo/01demo/video0/index.m3u8';

type Live = TestOrigin & { clock: FakeClock; broadcast: BroadcastPackager; feed(untilSeconds: number): void };

/** A live channel `demo` with so much media; `feed(t)` sends all up to second t. */
function startLive(fedSeconds = 0, config: Partial<PackagerConfig> = {}): Live {
	const clock = new FakeClock();
	const origin = createTestOrigin({ clock, config });
	const broadcast = startDemo(origin, ID);
	broadcast.beginRun(0, VIDEO_AND_AUDIO);
	const units: AccessUnit[] = simulateRun({
		startSeconds: 100,
		durationSeconds: 60,
		captureTimeMs: Date.UTC(2026, 0, 1),
		video: { frameRate: 30, gopFrames: 60 },
		audio: { sampleRate: 48_000 },
	});
	let next = 0;
	const feed = (untilSeconds: number): void => {
		for (
			let unit = units[next];
			unit && unit.decodeTimeTicks / unit.clockRate - 100 < untilSeconds;
			unit = units[++next]
		) {
			broadcast.write(unit);
		}
	};
	feed(fedSeconds);
	return Object.assign(origin, { clock, broadcast, feed });
}

/** Follows a response that may be held: `done()` says whether it has come, after all that is due has happened. */
function follow(response: Promise<LightMyRequestResponse>): {
	done: () => Promise<boolean>;
	response: Promise<LightMyRequestResponse>;
} {
	let isDone = false;
	void response.then(() => (isDone = true));
	return {
		response,
		done: async () => {
			// Injected requests take some turns of the event loop, which the fake clock does not control.
			for (let turn = 0; turn < 20; turn++) {
				await new Promise((resolve) => setImmediate(resolve));
			}
			return isDone;
		},
	};
}

/** Sends a request that must be held; `answer()` expects that it is answered by then. */
async function hold(
	live: Live,
	url: string,
): Promise<{ done: () => Promise<boolean>; answer: () => Promise<LightMyRequestResponse> }> {
	const { done, response } = follow(live.server.inject(url));
	expect(await done()).toBe(false);
	return {
		done,
		answer: async () => {
			expect(await done()).toBe(true);
			return response;
		},
	};
}

describe('content steering', () => {
	const cdns = [
		{ id: 'a', baseUrl: 'https://a.example' },
		{ id: 'b', baseUrl: 'https://b.example' },
	];

	it('is named in the multivariant playlists, with media at each CDN', async () => {
		await using live = startLive(2.5, { cdns });
		for (const [name, file] of [
			['index', 'index'],
			['dvr', 'dvr'],
		]) {
			const { body } = await live.server.inject(`/hls/demo/${name}.m3u8`);
			expect(body).toContain('#EXT-X-CONTENT-STEERING:SERVER-URI="/hls/steering.json",PATHWAY-ID="a"\n');
			for (const id of ['a', 'b']) {
				expect(body).toContain(`PATHWAY-ID="${id}"\nhttps://${id}.example/hls/demo/01demo/video0/${file}.m3u8\n`);
			}
		}
	});

	it('answers each player with an order that it keeps, and caches with nothing to keep', async () => {
		await using live = startLive(0, { cdns });
		type Manifest = { 'RELOAD-URI': string; 'PATHWAY-PRIORITY': string[] };
		const first = await live.server.inject('/hls/steering.json?_HLS_pathway=a&_HLS_throughput=1');
		expect([first.statusCode, first.headers['cache-control']]).toEqual([200, 'no-store']);
		expect(first.headers['access-control-allow-origin']).toBe('*');
		const again = await live.server.inject(`${first.json<Manifest>()['RELOAD-URI']}&_HLS_pathway=a`);
		expect(again.json()).toEqual(first.json());
		for (const seed of ['-1', '99999', 'x', '', '1&seed=2']) {
			const answer = await live.server.inject(`/hls/steering.json?seed=${seed}`);
			expect(answer.json<Manifest>()['PATHWAY-PRIORITY'].toSorted()).toEqual(['a', 'b']);
		}
	});

	it('has no address without CDNs', async () => {
		await using live = startLive();
		expect((await live.server.inject('/hls/steering.json')).statusCode).toBe(404);
	});
});

describe('the address of a channel', () => {
	it('answers 404 with a code when there is no such channel, and another when it is offline', async () => {
		await using origin = createTestOrigin({ clock: new FakeClock() });
		origin.channels.set('quiet', { state: 'offline' });
		for (const [name, code] of [
			['missing', 'CHANNEL_NOT_FOUND'],
			['quiet', 'CHANNEL_OFFLINE'],
		]) {
			for (const url of [`/hls/${name}/index.m3u8`, `/api/v1/streams/${name}/playlist.m3u8`]) {
				const response = await origin.server.inject(url);
				expect([response.statusCode, response.json<{ code: string }>().code]).toEqual([404, code]);
				expect(response.headers['cache-control']).toBe('public, max-age=1');
				expect(response.headers['access-control-allow-origin']).toBe('*');
			}
		}
	});

	it.each([
		'/hls/demo/index.m3u8',
		'/hls/demo/index.m3u8?session=1&path=/a/b/',
		'/hls/Demo/index.m3u8',
		'/hls/demo/index.m3u8/',
		'/api/v1/streams/demo/playlist.m3u8',
		'/api/v1/streams/demo/playlist.m3u8?a=b/c',
		'/api/v1/streams/demo/playlist.m3u8/',
	])('names media relative to %s, so that it plays behind any path', async (address) => {
		await using live = startLive();
		live.channels.set('Demo', { state: 'live', broadcastId: ID });
		live.feed(2.5);
		const answer = await live.server.inject(address);
		expect([answer.statusCode, answer.headers['content-type']]).toEqual([200, 'application/vnd.apple.mpegurl']);
		const listed = answer.body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
		const sound = /URI="([^"]+)"/.exec(answer.body)![1]!;
		for (const prefix of ['', '/live', '/a/b/c']) {
			const paths = [...listed, sound].map((uri) => new URL(uri, `https://host${prefix}${address}`).pathname);
			const [pictureUri, soundUri] = ['video0', 'audio0'].map(
				(trackId) => `${prefix}/hls/demo/01demo/${trackId}/index.m3u8`,
			);
			// Sound is a variant of its own, too.
			expect(paths).toEqual([pictureUri, soundUri, soundUri]);
			const media = await live.server.inject(paths[0]!.slice(prefix.length));
			expect(media.statusCode).toBe(200);
		}
	});

	it('holds the request while the broadcast is starting, and answers with its first parts', async () => {
		await using live = startLive();
		live.channels.set('demo', { state: 'starting' });
		const held = await hold(live, '/hls/demo/index.m3u8');
		await live.clock.advance(1500);
		expect(await held.done()).toBe(false);
		live.channels.set('demo', { state: 'live', broadcastId: ID });
		live.feed(1);
		expect((await held.answer()).statusCode).toBe(200);
	});

	it('answers 503 with Retry-After when nothing has come after 2 s', async () => {
		await using live = startLive();
		const held = await hold(live, '/hls/demo/index.m3u8');
		await live.clock.advance(1000);
		expect(await held.done()).toBe(false);
		await live.clock.advance(1000);
		const { statusCode, headers } = await held.answer();
		expect([statusCode, headers['retry-after'], headers['cache-control']]).toEqual([503, '1', 'no-store']);
	});

	it('releases a held request at once when the packager closes', async () => {
		await using live = startLive();
		const held = await hold(live, '/hls/demo/index.m3u8');
		await live.packager.close('server-shutdown');
		expect((await held.answer()).statusCode).toBe(503);
		expect(live.clock.pendingCount).toBe(0);
	});
});

describe('blocking reload', () => {
	it('L-22 holds a request for a part until it exists, then sends the playlist that has it', async () => {
		await using live = startLive(2.5);
		const held = await hold(live, `${VIDEO}?_HLS_msn=2&_HLS_part=2`);
		live.feed(2.62);
		const response = await held.answer();
		expect(response.statusCode).toBe(200);
		expect(response.body).toContain('URI="part13.m4s"');
		expect(response.headers['cache-control']).toBe('public, max-age=18');
	});

	it('L-22 holds a request for a segment until all of it exists', async () => {
		await using live = startLive(3.98);
		const held = await hold(live, `${VIDEO}?_HLS_msn=2`);
		live.feed(4.3);
		expect((await held.answer()).body).toContain('segment2.m4s');
	});

	it('L-22 treats a part past the end of its segment as the first of the next one', async () => {
		await using live = startLive(3.99);
		// Segment 2 has parts 0 to 9, which all exist.
		const held = await hold(live, `${VIDEO}?_HLS_msn=2&_HLS_part=10`);
		live.feed(4.05);
		expect(await held.done()).toBe(false);
		live.feed(4.2);
		expect((await held.answer()).body).toContain('URI="part21.m4s"');
	});

	it.each([
		['_HLS_msn=1', 'a segment that exists'],
		['_HLS_msn=0', 'a segment from before the window'],
		['_HLS_msn=1&_HLS_part=3', 'a part that exists'],
		['unknown=1', 'an unknown parameter'],
		['_HLS_skip=perhaps', 'an unknown skip'],
		['_HLS_skip=NO', 'a skip that is not wanted'],
		['_HLS_msn=', 'a parameter without a value'],
		['_HLS_msn=1&_HLS_part=', 'a part without a value'],
		['_HLS_msn=1&_HLS_msn=1', 'the same twice'],
	])('L-23 answers ?%s at once: %s', async (query) => {
		await using live = startLive(5);
		const response = await live.server.inject(`${VIDEO}?${query}`);
		expect(response.statusCode).toBe(200);
		expect(response.body).toContain('segment1.m4s');
	});

	it.each([
		['_HLS_msn=6', 'three segments ahead'],
		['_HLS_msn=3&_HLS_part=25', 'too many parts ahead'],
		['_HLS_part=1', 'a part without its segment'],
		['_HLS_msn=-1', 'a negative number'],
		['_HLS_msn=two', 'not a number'],
		['_HLS_msn=1&_HLS_msn=2', 'two different ones'],
		['_HLS_msn=&_HLS_part=1', 'a part without the value of its segment'],
	])('L-24, L-25 answers 400 to ?%s: %s', async (query) => {
		await using live = startLive(5);
		const response = await live.server.inject(`${VIDEO}?${query}`);
		expect([response.statusCode, response.headers['cache-control']]).toEqual([400, 'no-store']);
	});

	it('L-26 answers with the current playlist, not to be cached, when nothing comes for 2 s', async () => {
		await using live = startLive(4.5);
		live.broadcast.interrupt();
		const held = await hold(live, `${VIDEO}?_HLS_msn=4&_HLS_part=0`);
		await live.clock.advance(1900);
		expect(await held.done()).toBe(false);
		await live.clock.advance(200);
		const response = await held.answer();
		expect([response.statusCode, response.headers['cache-control']]).toEqual([200, 'no-store']);
		expect(response.body).not.toContain('ENDLIST');
	});

	it('L-26, L-27 releases requests at the end of the broadcast, and ignores directives from then on', async () => {
		await using live = startLive(4.5);
		const held = await hold(live, `${VIDEO}?_HLS_msn=4&_HLS_part=0`);
		live.broadcast.end();
		expect((await held.answer()).body).toMatch(/#EXT-X-ENDLIST\n$/);
		const late = await live.server.inject(`${VIDEO}?_HLS_msn=99&_HLS_part=7&_HLS_skip=YES`);
		expect([late.statusCode, late.body.includes('#EXT-X-ENDLIST')]).toEqual([200, true]);
	});

	it('L-29 renders and compresses once for everyone who waits', async () => {
		await using live = startLive(4.5);
		const held = Array.from({ length: 40 }, (_, index) =>
			follow(
				live.server.inject({
					url: `${VIDEO}?_HLS_msn=3&_HLS_part=3`,
					headers: index % 2 === 0 ? { 'accept-encoding': 'gzip' } : {},
				}),
			),
		);
		expect(await held[0]!.done()).toBe(false);
		expect(live.packager.counters.heldRequests).toBe(40);
		live.feed(4.8);
		expect(await held[39]!.done()).toBe(true);
		const bodies = await Promise.all(held.map(async ({ response }) => (await response).rawPayload));
		const texts = new Set(bodies.map((body) => (body[0] === 0x1f ? gunzipSync(body) : body).toString()));
		expect(texts.size).toBe(1);
		expect(live.packager.renderCounts(ID, 'video0')).toEqual({ renderCount: 1, gzipCount: 1, brotliCount: 0 });
		expect(live.packager.counters.heldRequests).toBe(0);
		expect(live.clock.pendingCount).toBe(0);
	});

	it('refuses to hold more than the limits allow, and answers what exists already', async () => {
		await using live = startLive(4.5, { maxHeldRequests: 8, maxHeldRequestsPerAddress: 3 });
		const url = `${VIDEO}?_HLS_msn=3&_HLS_part=3`;
		const ask = (remoteAddress: string, asked = url): ReturnType<typeof follow> =>
			follow(live.server.inject({ url: asked, remoteAddress }));
		const held = Array.from({ length: 3 }, () => ask('192.0.2.1'));
		expect(await held[2]!.done()).toBe(false);
		const refused = ask('192.0.2.1');
		expect(await refused.done()).toBe(true);
		const { statusCode, headers, body } = await refused.response;
		expect([statusCode, headers['retry-after'], headers['cache-control']]).toEqual([503, '1', 'no-store']);
		expect(JSON.parse(body)).toMatchObject({ code: 'HELD_REQUESTS_FULL' });
		const other = ask('192.0.2.2');
		expect(await other.done()).toBe(false);
		expect((await ask('192.0.2.1', VIDEO).response).statusCode).toBe(200);
		live.feed(4.8);
		for (const { response } of [...held, other]) {
			expect((await response).statusCode).toBe(200);
		}
		expect(live.packager.counters.heldRequests).toBe(0);
	});

	it('holds the first request for a playlist until there is a whole segment', async () => {
		await using live = startLive(1.5);
		const held = await hold(live, VIDEO);
		live.feed(2.3);
		expect((await held.answer()).body).toContain('segment1.m4s');
	});
});

describe('media', () => {
	it('serves init segments, parts and segments cacheable for a day, with their types', async () => {
		await using live = startLive(5);
		for (const [file, type] of [
			['video0/init0.mp4', 'video/mp4'],
			['video0/part1.m4s', 'video/mp4'],
			['video0/segment1.m4s', 'video/mp4'],
			['audio0/segment1.m4s', 'audio/mp4'],
		] as const) {
			const response = await live.server.inject(`/hls/demo/01demo/${file}`);
			expect([response.statusCode, response.headers['content-type']]).toEqual([200, type]);
			expect(response.headers['cache-control']).toBe('public, max-age=86400, immutable');
			expect(Number(response.headers['content-length'])).toBe(response.rawPayload.length);
		}
	});

	it('L-18 holds the hinted part until it exists, then sends all of it', async () => {
		await using live = startLive(2.5);
		const held = await hold(live, '/hls/demo/01demo/video0/part13.m4s');
		live.feed(2.62);
		expect((await held.answer()).rawPayload.length).toBeGreaterThan(1000);
	});

	it('L-18 answers 503 when the hinted part does not come, and 404 when it never will', async () => {
		await using live = startLive(2.5);
		const held = await hold(live, '/hls/demo/01demo/video0/part13.m4s');
		await live.clock.advance(2000);
		expect((await held.answer()).statusCode).toBe(503);
		const again = follow(live.server.inject('/hls/demo/01demo/video0/part14.m4s'));
		live.broadcast.end();
		expect(await again.done()).toBe(true);
		expect((await again.response).statusCode).toBe(404);
	});

	it.each([
		['/hls/demo/01demo/video0/part999.m4s', 'a part far ahead'],
		['/hls/demo/01demo/video0/segment3.m4s', 'a segment that is not complete'],
		['/hls/demo/01demo/video9/index.m3u8', 'a track that does not exist'],
		['/hls/demo/01other/video0/index.m3u8', 'another broadcast'],
		['/hls/other/01demo/video0/index.m3u8', 'another channel’s name'],
		['/hls/demo/01demo/video0/..%2f..%2fsecret', 'a path'],
		['/hls/demo/01demo/__proto__/index.m3u8', 'a name of an object’s prototype'],
	])('answers 404 to %s: %s', async (url) => {
		await using live = startLive(5);
		const response = await live.server.inject(url);
		expect(response.statusCode).toBe(404);
	});

	it('L-46 serves after the end for longer than the window, then 404', async () => {
		await using live = startLive(5, { windowSeconds: 18 });
		live.broadcast.end();
		await live.clock.advance(20_000);
		expect((await live.server.inject(VIDEO)).statusCode).toBe(200);
		expect((await live.server.inject('/hls/demo/01demo/video0/part3.m4s')).statusCode).toBe(200);
		await live.clock.advance(10_000);
		expect((await live.server.inject(VIDEO)).statusCode).toBe(404);
		expect(live.packager.counters).toEqual({ broadcasts: 0, heldRequests: 0, storedBytes: 0 });
	});
});

describe('HTTP behaviour', () => {
	const PATHS = [
		'/hls/demo/index.m3u8',
		'/api/v1/streams/demo/playlist.m3u8',
		VIDEO,
		'/hls/demo/01demo/video0/segment1.m4s',
	];

	it.each(PATHS)('answers HEAD, OPTIONS and wrong methods at %s', async (url) => {
		await using live = startLive(5);
		const head = await live.server.inject({ method: 'HEAD', url });
		expect([head.statusCode, head.body]).toEqual([200, '']);
		const options = await live.server.inject({ method: 'OPTIONS', url });
		expect([options.statusCode, options.headers['access-control-allow-methods']]).toEqual([204, 'GET, HEAD, OPTIONS']);
		const asked = 'authorization,cache-control,cmcd-object,cmcd-request';
		const preflight = await live.server.inject({
			method: 'OPTIONS',
			url,
			headers: {
				origin: 'https://example.com',
				'access-control-request-method': 'GET',
				'access-control-request-headers': asked,
			},
		});
		expect(preflight.headers).toMatchObject({
			'access-control-allow-origin': '*',
			'access-control-allow-headers': asked,
			'access-control-max-age': '7200',
			vary: 'access-control-request-headers',
		});
		expect(preflight.headers).not.toHaveProperty('access-control-allow-credentials');
		for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'] as const) {
			const refused = await live.server.inject({
				method,
				url,
				payload: '<x/>',
				headers: { 'content-type': 'text/xml' },
			});
			expect([refused.statusCode, refused.headers.allow]).toEqual([405, 'GET, HEAD, OPTIONS']);
		}
		const get = await live.server.inject({ url, headers: { origin: 'https://example.com' } });
		expect(get.headers['access-control-allow-origin']).toBe('*');
		expect(get.headers['access-control-expose-headers']).toBe('*');
	});

	it('compresses a media playlist once for each accepted coding, to under 500 bytes as a delta', async () => {
		await using live = startLive(59);
		const get = (query: string, accepted: string): Promise<LightMyRequestResponse> =>
			live.server.inject({ url: VIDEO + query, headers: { 'accept-encoding': accepted } });
		const whole = await get('', 'gzip, deflate, br');
		expect([whole.headers['content-encoding'], whole.headers['vary']]).toEqual(['br', 'accept-encoding']);
		expect(brotliDecompressSync(whole.rawPayload).toString()).toContain('#EXTM3U');
		const zipped = await get('?_HLS_skip=YES', 'gzip');
		expect(gunzipSync(zipped.rawPayload).toString()).toContain('#EXT-X-SKIP:SKIPPED-SEGMENTS=');
		const delta = await get('?_HLS_skip=YES', 'br');
		expect(delta.rawPayload.length).toBeLessThan(500);
		const plain = await get('?_HLS_skip=YES', 'identity');
		expect(plain.headers['content-encoding']).toBeUndefined();
		expect(brotliDecompressSync(delta.rawPayload).toString()).toBe(plain.body);
		await Promise.all(['br', 'gzip', 'br;q=0.5', '*'].map((accepted) => get('?_HLS_skip=YES', accepted)));
		expect(live.packager.renderCounts(ID, 'video0')).toEqual({ renderCount: 2, gzipCount: 1, brotliCount: 2 });
	});

	it('sends a range of media, and refuses one without any byte', async () => {
		await using live = startLive(5);
		const url = '/hls/demo/01demo/video0/part3.m4s';
		const whole = (await live.server.inject(url)).rawPayload;
		const ranged = await live.server.inject({ url, headers: { range: 'bytes=10-19' } });
		expect([ranged.statusCode, ranged.headers['content-range']]).toEqual([206, `bytes 10-19/${whole.length}`]);
		expect(ranged.rawPayload).toEqual(whole.subarray(10, 20));
		const past = await live.server.inject({ url, headers: { range: `bytes=${whole.length}-` } });
		expect([past.statusCode, past.headers['content-range'], past.headers['cache-control']]).toEqual([
			416,
			`bytes */${whole.length}`,
			'no-store',
		]);
	});
});

describe('Packager', () => {
	it('refuses a broadcast twice and after it was closed', async () => {
		await using live = startLive();
		expect(() => live.packager.startBroadcast({ broadcastId: ID, channelName: 'demo' as ChannelName })).toThrow(
			TypeError,
		);
		await Promise.all([live.packager.close('server-shutdown'), live.packager.close('packager-closed')]);
		expect(live.broadcast.state).toBe('closed');
		expect(() =>
			live.packager.startBroadcast({ broadcastId: '02' as BroadcastId, channelName: 'demo' as ChannelName }),
		).toThrow(TypeError);
		expect(live.clock.pendingCount).toBe(0);
	});
});
