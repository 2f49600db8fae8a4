/** The recorder beside a simulated broadcast: what the store and the journal have afterwards. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TrackId } from '../../core/media/access-unit.ts';
import { formatVodPlaylist, recordedWindow } from '../vod/vod-playlist.ts';
import { concatBytes } from '../cmaf/box-writer.ts';
import { MemoryStore } from '../testing/memory-store.ts';
import { readMp4 } from '../testing/mp4-reader.ts';
import { SIMULATED_LADDER, simulateRung } from '../testing/simulated-source.ts';
import { LADDER_TRACKS, rtmpLike, VIDEO_AND_AUDIO, WatchedBroadcast } from '../testing/watched-broadcast.ts';
import { recordedObjectName, type JournalEntry, type SegmentEntry } from './journal-entry.ts';
import { Recorder } from './recorder.ts';

const VIDEO_ID = '01video';
let store: MemoryStore;
let entries: JournalEntry[];
let refusal: string | undefined;
let stops: (string | undefined)[];

beforeEach(() => {
	store = new MemoryStore();
	entries = [];
	refusal = undefined;
	stops = [];
});

function record(watched: WatchedBroadcast, archiveSeconds = 7200): Recorder {
	const journal = { refusal: undefined, add: async (entry: JournalEntry) => void entries.push(entry) };
	const { broadcast, clock, logger } = watched;
	const recorder = new Recorder(
		{ broadcast, store, journal, clock, logger, refusal: () => refusal },
		{ videoId: VIDEO_ID, archiveSeconds },
	);
	recorder.on('stopped', (reason) => stops.push(reason));
	broadcast.archive = recorder;
	return recorder;
}

/** Lets the recorder's work end that waits for nothing. */
async function settle(watched: WatchedBroadcast): Promise<void> {
	for (let index = 0; index < 200; index++) {
		await watched.clock.advance(0);
	}
}

async function finish(watched: WatchedBroadcast, recorder: Recorder): Promise<void> {
	const finished = recorder.finish(60_000);
	for (let index = 0; index < 200; index++) {
		await watched.clock.advance(500);
	}
	await finished;
}

const segmentsOf = (trackId: TrackId): SegmentEntry[] =>
	entries.filter((entry) => entry.kind === 'segment').filter((entry) => entry.trackId === trackId);

describe('Recorder', () => {
	let watched: WatchedBroadcast;
	let recorder: Recorder;
	afterEach(() => expect(watched.faults).toEqual([]));

	it('stores every finished segment of picture and sound once, and enters it into the journal', async () => {
		watched = new WatchedBroadcast();
		recorder = record(watched);
		watched.feed(rtmpLike(30));
		watched.end();
		const served = new Map(
			[...VIDEO_AND_AUDIO.keys()].flatMap((trackId) =>
				watched.broadcast
					.rendition(trackId)!
					.segments.flatMap(({ name, initName }) => [name, initName!])
					.map((file) => [recordedObjectName(VIDEO_ID, trackId, file), watched.file(trackId, file)]),
			),
		);
		await finish(watched, recorder);
		expect(store.objects).toEqual(served);
		for (const trackId of VIDEO_AND_AUDIO.keys()) {
			const { segments } = watched.broadcast.rendition(trackId)!;
			expect(segmentsOf(trackId).map(({ mediaSequence }) => mediaSequence)).toEqual(
				segments.map(({ mediaSequence }) => mediaSequence),
			);
		}
		expect(entries.filter(({ kind }) => kind === 'init')).toHaveLength(2);
		expect(recorder.missingSeconds).toBe(0);
		expect(recorder.recordedSeconds).toBeCloseTo(30, 0);
		expect(stops).toEqual([]);
	});

	it('records one rung, the best of at most 1 Mbit/s', async () => {
		watched = new WatchedBroadcast({}, LADDER_TRACKS, SIMULATED_LADDER);
		recorder = record(watched);
		const source = rtmpLike(12);
		const rungs = [...SIMULATED_LADDER].flatMap(([trackId, rung]) => simulateRung(source, trackId, rung));
		const units = [...source, ...rungs].sort(
			(one, other) => one.decodeTimeTicks / one.clockRate - other.decodeTimeTicks / other.clockRate,
		);
		watched.feed(units);
		watched.end();
		await finish(watched, recorder);
		expect([...new Set(entries.map(({ trackId }) => trackId))].toSorted()).toEqual(['audio0', 'video0', 'video3']);
	});

	it('waits for a store that is away, and loses nothing', async () => {
		watched = new WatchedBroadcast();
		recorder = record(watched);
		store.failure = 'OBJECT_STORE_UNAVAILABLE';
		watched.feed(rtmpLike(20));
		await watched.clock.advance(3000);
		expect(store.objects.size).toBe(0);
		expect(recorder.stopReason).toContain('cannot be used now');
		store.failure = undefined;
		watched.end();
		await finish(watched, recorder);
		expect(recorder.missingSeconds).toBe(0);
		expect(segmentsOf('video0').every(({ gap }) => gap === null)).toBe(true);
		expect(recorder.stopReason).toBeUndefined();
	});

	it('makes gaps of what has no room, reports it, and continues when there is room again', async () => {
		watched = new WatchedBroadcast();
		recorder = record(watched);
		watched.feed(rtmpLike(8));
		await settle(watched);
		refusal = 'the disk is full';
		watched.feed(rtmpLike(16).slice(rtmpLike(8).length));
		await settle(watched);
		refusal = undefined;
		watched.feed(rtmpLike(24).slice(rtmpLike(16).length));
		await settle(watched);
		watched.end();
		await finish(watched, recorder);
		const gaps = segmentsOf('video0').filter(({ gap }) => gap === 'not-stored');
		expect(gaps.length).toBeGreaterThanOrEqual(3);
		expect(recorder.missingSeconds).toBeCloseTo(
			gaps.reduce((sum, { durationSeconds }) => sum + durationSeconds, 0),
			6,
		);
		expect(stops).toEqual(['the disk is full', undefined]);
	});

	it('stores nothing more at the end when it had no room, though its own bytes count no longer then', async () => {
		watched = new WatchedBroadcast();
		recorder = record(watched);
		watched.feed(rtmpLike(8));
		await settle(watched);
		const storedBytes = recorder.storedBytes;
		refusal = 'the quota is used up';
		watched.feed(rtmpLike(12).slice(rtmpLike(8).length));
		await settle(watched);
		watched.feed(rtmpLike(16).slice(rtmpLike(12).length));
		watched.end();
		refusal = undefined;
		await finish(watched, recorder);
		expect(recorder.storedBytes).toBe(storedBytes);
		expect(stops).toEqual(['the quota is used up']);
	});

	it('holds no more than its bound in memory while the store hangs', async () => {
		watched = new WatchedBroadcast();
		recorder = record(watched);
		let release!: () => void;
		store.held = new Promise((resolve) => (release = resolve));
		const large = rtmpLike(40).map((unit) =>
			unit.isKeyFrame && unit.kind === 'video' ? { ...unit, bytes: enlarge(unit.bytes) } : unit,
		);
		watched.feed(large);
		release();
		watched.end();
		await finish(watched, recorder);
		const stored = segmentsOf('video0').filter(({ gap }) => gap === null);
		const storedBytes = stored.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
		expect(storedBytes).toBeLessThanOrEqual(64 * 2 ** 20);
		expect(segmentsOf('video0').some(({ gap }) => gap === 'not-stored')).toBe(true);
	});

	it('makes one recording of a publisher who is lost and returns: durations add up to the time', async () => {
		watched = new WatchedBroadcast();
		recorder = record(watched);
		watched.feed(rtmpLike(10));
		watched.broadcast.interrupt();
		await watched.clock.advance(10_000);
		watched.broadcast.beginRun(1, VIDEO_AND_AUDIO);
		watched.feed(rtmpLike(10, 1020, 1));
		watched.end();
		await finish(watched, recorder);
		for (const trackId of VIDEO_AND_AUDIO.keys()) {
			const tracks = segmentsOf(trackId).map((entry) => ({ ...entry, isGap: entry.gap !== null }));
			const track = {
				trackId,
				facts: [{ kind: 'audio' as const, codecs: [], channelCount: 2 }],
				rung: null,
				frameRate: null,
				segments: tracks,
			};
			const text = formatVodPlaylist(track, recordedWindow([track])!, true);
			const seconds = [...text.matchAll(/#EXTINF:([\d.]+),/g)].reduce((sum, [, value]) => sum + Number(value), 0);
			expect(Math.abs(seconds - 30)).toBeLessThan(0.1);
			expect(text.match(/#EXT-X-DISCONTINUITY\n/g)).toHaveLength(1);
		}
		const media = segmentsOf('video0').filter(({ gap }) => gap === null);
		const packets = await Promise.all(
			media.map(async ({ mediaSequence, initName }) => {
				const bytes = await recorder.get('video0', `segment${mediaSequence}.m4s`);
				return (await readMp4(await recorder.get('video0', initName!), concatBytes([bytes]))).packets.length;
			}),
		);
		expect(packets.reduce((sum, count) => sum + count, 0)).toBe(600);
	});

	it('keeps what can be rewound in step with the window', async () => {
		watched = new WatchedBroadcast({ windowSeconds: 18 });
		recorder = record(watched, 60);
		watched.feed(rtmpLike(90));
		await settle(watched);
		const archived = recorder.segments('video0');
		expect(archived.reduce((sum, { durationSeconds }) => sum + durationSeconds, 0)).toBeCloseTo(62, 0);
		const numbers = archived.map(({ mediaSequence }) => mediaSequence);
		expect(numbers).toEqual(numbers.map((_, index) => numbers[0]! + index));
	});
});

function enlarge(bytes: Uint8Array): Uint8Array {
	const large = new Uint8Array(6_000_000);
	large.set(bytes);
	new DataView(large.buffer).setUint32(0, large.length - 4);
	return large;
}
