/** Loading the parts of a ladder as one stream, from a simulated channel. */
import { describe, expect, it } from 'vitest';
import { blankInit } from './blank-picture.ts';
import { decodeTimeTicks, firstSyncSample, lastSampleTicks } from './fragment-bytes.ts';
import { PART_SECONDS, SIMULATED_TRACKS } from './testing/simulated-origin.ts';
import { simulate } from './testing/simulate.ts';

const PART_TICKS = PART_SECONDS * 90_000;
const SEGMENT = 14;

/** Nothing plays it; the test asks for parts as hls.js does. */
async function setUp(options: Partial<Parameters<typeof simulate>[0]> = {}) {
	const { source, clock, origin } = await simulate({ bpsAt: () => 50e6, isIdle: true, ...options });
	const { signal } = new AbortController();

	async function settle<Value>(promise: Promise<Value>): Promise<Value> {
		promise.catch(() => undefined);
		await clock.advance(500);
		return promise;
	}
	const picture = (partIndex: number | undefined, mediaSequence = SEGMENT): Promise<Uint8Array> =>
		settle(source.loadPicture({ mediaSequence, partIndex, durationSeconds: PART_SECONDS }, { signal }));
	const playlist = async (kind: 'picture' | 'sound', query = ''): Promise<string> =>
		(await settle(source.loadPlaylist(kind, new URLSearchParams(query), { signal }))).url;
	return { source, clock, origin, picture, playlist, settle, signal };
}

/** The fragments in some bytes, and whose init segment is before them. */
function read(bytes: Uint8Array): { init: string | undefined; times: number[] } {
	const text = new TextDecoder('latin1').decode(bytes);
	const init = /^init of (\w+)/.exec(text)?.[1] ?? (text.startsWith('\0\0\0\u0018ftyp') ? 'blank' : undefined);
	const times: number[] = [];
	for (let at = text.indexOf('moof'); at >= 0; at = text.indexOf('moof', at + 4)) {
		times.push(decodeTimeTicks(bytes.slice(at - 4))!);
	}
	return { init, times };
}

describe('LadderSource', () => {
	it('loads the parts of one rung, with the init segment before each key frame', async () => {
		const { source, picture } = await setUp({ knownBps: 1.2e6 });
		expect(source.rung?.heightPixels).toBe(360);
		const first = (SEGMENT - 1) * 10 * PART_TICKS;
		expect(read(await picture(0))).toEqual({ init: 'video3', times: [first] });
		expect(read(await picture(1))).toEqual({ init: undefined, times: [first + PART_TICKS] });
		expect(read(await picture(5, SEGMENT + 1))).toEqual({ init: 'video3', times: [first + 15 * PART_TICKS] });
	});

	it('changes in the middle of a segment: with the parts since the key frame, which are not shown', async () => {
		const { source, picture } = await setUp({ knownBps: 1.2e6 });
		await picture(0);
		const before = await picture(1);
		source.controller.choose(4);
		const bytes = await picture(2);
		const start = ((SEGMENT - 1) * 10 + 2) * PART_TICKS;
		const { init, times } = read(bytes);
		expect(init).toBe('video4');
		// Two unseen parts of six pictures, right after the last picture that was shown.
		const shownTicks = lastSampleTicks(before)!;
		expect(times).toEqual([shownTicks + 1, shownTicks + 7, start]);
		expect(read(await picture(3))).toEqual({ init: undefined, times: [start + PART_TICKS] });
	});

	it('changes at a key frame without any of that', async () => {
		const { source, picture } = await setUp({ knownBps: 1.2e6 });
		await picture(4);
		source.controller.choose(4);
		expect(read(await picture(5))).toMatchObject({ init: 'video4', times: [((SEGMENT - 1) * 10 + 5) * PART_TICKS] });
	});

	it('shows a better rung from the next segment on', async () => {
		const { source, picture } = await setUp({ knownBps: 1.2e6 });
		await picture(8);
		source.controller.choose(1);
		expect(read(await picture(9)).init).toBeUndefined();
		expect(read(await picture(0, SEGMENT + 1)).init).toBe('video1');
	});

	it('plays black pictures of the right times for sound alone, without loading any', async () => {
		const { source, origin, picture } = await setUp({ knownBps: 1.2e6 });
		await picture(0);
		source.controller.choose(5);
		origin.requested.length = 0;
		const blank = await picture(1);
		expect(source.rung).toBeUndefined();
		expect(read(blank)).toEqual({ init: 'blank', times: [((SEGMENT - 1) * 10 + 1) * PART_TICKS] });
		expect(blank.length).toBeLessThan(blankInit().length + 200);
		expect(firstSyncSample(blank.slice(blankInit().length))).toBe(0);
		await picture(2);
		expect(origin.requested).toEqual([]);
		source.controller.choose(4);
		expect(read(await picture(3))).toMatchObject({ init: 'video4' });
	});

	it('begins with sound alone at the time of the picture', async () => {
		const { source, picture } = await setUp();
		source.controller.choose(5);
		expect(read(await picture(3))).toEqual({ init: 'blank', times: [((SEGMENT - 1) * 10 + 3) * PART_TICKS] });
	});

	it('loads whole segments of the same rung', async () => {
		const { picture } = await setUp({ knownBps: 1.2e6 });
		const { init, times } = read(await picture(undefined, SEGMENT - 2));
		expect(init).toBe('video3');
		expect(times).toHaveLength(10);
	});

	it('gives hls.js the playlists of what is loading', async () => {
		const { source, playlist, picture } = await setUp({ knownBps: 1.2e6 });
		expect(await playlist('picture')).toContain('/video3/index.m3u8');
		expect(await playlist('sound')).toContain('/audio1/index.m3u8');
		source.controller.choose(0);
		await picture(0);
		expect(await playlist('picture', `_HLS_msn=${SEGMENT}&_HLS_part=3`)).toContain('/video0/index.m3u8?_HLS_msn=14');
		expect(await playlist('sound')).toContain('/audio0/index.m3u8');
	});

	it('asks the new rung, when a playlist is held by the old one', async () => {
		const { source, clock, picture, settle, signal } = await setUp({ knownBps: 1.2e6 });
		await picture(0);
		const number = Math.floor(clock.monotonicMs() / 200) + 4;
		const directives = new URLSearchParams({
			_HLS_msn: String(Math.floor(number / 10) + 1),
			_HLS_part: String(number % 10),
		});
		const held = source.loadPlaylist('picture', directives, { signal });
		source.controller.choose(4);
		await picture(1);
		expect((await settle(held)).url).toContain('/video4/index.m3u8');
	});

	it('requests a delta update only where the rest is known', async () => {
		const { origin, playlist } = await setUp({ knownBps: 1.2e6 });
		await playlist('picture', '_HLS_msn=15&_HLS_part=1&_HLS_skip=YES');
		await playlist('picture', '_HLS_msn=15&_HLS_part=2&_HLS_skip=YES');
		expect(origin.urls.map((url) => url.includes('_HLS_skip'))).toEqual([false, true]);
	});

	it('uses another rung when one has no media, and reads which there are', async () => {
		const { source, clock, origin, picture, playlist } = await setUp({ knownBps: 1.2e6 });
		await clock.advance(4000);
		origin.missing.add('video3');
		expect(read(await picture(0)).init).toBe('video4');
		expect(source.ladder.rungs.map(({ heightPixels }) => heightPixels)).toEqual([1080, 720, 480, 160]);
		expect(await playlist('picture')).toContain('/video4/');
	});

	it('keeps to its broadcast when another one is at the address', async () => {
		const { source, clock, origin, picture, playlist } = await setUp({ knownBps: 1.2e6 });
		await clock.advance(4000);
		origin.missing.add('video3');
		origin.folder = 'next/';
		expect(read(await picture(0)).init).toBe('video4');
		expect(source.ladder.rungs).toHaveLength(5);
		expect(await playlist('picture')).toContain('/ada/video4/');
	});

	it('rejects what no rung has', async () => {
		const { origin, picture } = await setUp();
		for (const { name } of SIMULATED_TRACKS) {
			origin.missing.add(name);
		}
		await expect(picture(0)).rejects.toMatchObject({ status: 404 });
	});

	it('reads the rungs again when the playlists report others', async () => {
		const tracks = SIMULATED_TRACKS.filter(({ name }) => name === 'video0' || name.startsWith('audio'));
		const { source, origin, clock, playlist } = await setUp({ tracks });
		let changes = 0;
		source.on('changed', () => changes++);
		await clock.advance(4000);
		origin.tracks = [...SIMULATED_TRACKS];
		await playlist('picture');
		await clock.advance(500);
		expect(source.ladder.rungs).toHaveLength(5);
		expect(source.rung?.heightPixels).toBe(1080);
		expect(changes).toBeGreaterThan(0);
	});

	it('sets the sound up again only when its init segment differs', async () => {
		const { source, picture, playlist, settle, signal } = await setUp();
		const sound = (track: string): Promise<Uint8Array> =>
			settle(source.loadSound(`https://origin.test/hls/ada/${track}/part100.m4s`, 11, { signal }));
		await playlist('sound');
		expect(read(await sound('audio0')).init).toBeUndefined();
		source.controller.choose(4);
		await picture(0);
		await playlist('sound');
		// In this channel the names of the tracks are in their init segments.
		expect(read(await sound('audio1')).init).toBe('audio1');
		expect(read(await sound('audio1')).init).toBeUndefined();
	});

	it('ends all requests when it is closed', async () => {
		const { source, settle, signal } = await setUp({ bpsAt: () => 1000 });
		const loading = source.loadPicture({ mediaSequence: SEGMENT, partIndex: 0, durationSeconds: 0.2 }, { signal });
		source.close();
		await expect(settle(loading)).rejects.toThrow();
	});

	it('ends a request that its caller ends', async () => {
		const { source, settle } = await setUp({ bpsAt: () => 1000 });
		const abort = new AbortController();
		const { signal } = abort;
		const loading = source.loadPicture({ mediaSequence: SEGMENT, partIndex: 0, durationSeconds: 0.2 }, { signal });
		abort.abort(new Error('stopped'));
		await expect(settle(loading)).rejects.toThrow('stopped');
	});
});
