/** A ladder in the life of a broadcast: rungs that pause, join and fail, further cameras, sounds, memory. */
import { describe, expect, it } from 'vitest';
import type { AccessUnit, TrackId } from '../../core/media/access-unit.ts';
import type { TrackConfig } from '../../core/media/codecs.ts';
import type { Rung } from '../../core/media/rung.ts';
import { readMediaPlaylist } from '../testing/playlist-reader.ts';
import {
	inArrivalOrder,
	inDecodeOrder,
	seededRandom,
	SIMULATED_LADDER,
	SIMULATED_VIDEO,
	simulatedAudio,
	simulateRun,
	simulateRung,
} from '../testing/simulated-source.ts';
import { CAPTURE_START_MS, LADDER_TRACKS, rtmpLike, WatchedBroadcast } from '../testing/watched-broadcast.ts';

const PICTURE_RUNGS = ['video1', 'video2', 'video3', 'video4'] as const;
const delayOf = ({ trackId }: AccessUnit): number => (SIMULATED_LADDER.has(trackId) ? 0.12 : 0);

/** A source of 60 pictures a second with all its rungs, in the order in which they arrive. */
function ladderUnits(durationSeconds: number, startSeconds = 1000, run = 0, gopFrames = 120): AccessUnit[] {
	const source = simulateRun({
		run,
		startSeconds,
		durationSeconds,
		captureTimeMs: CAPTURE_START_MS + (startSeconds - 1000) * 1000,
		video: { frameRate: 60, gopFrames, isMilliseconds: true },
		audio: { sampleRate: 48_000, isMilliseconds: true },
		random: seededRandom(1),
	});
	const rungs = [...SIMULATED_LADDER].flatMap(([trackId, rung]) => simulateRung(source, trackId, rung));
	return inArrivalOrder([...source, ...rungs], delayOf);
}

const watch = (overrides: { windowSeconds?: number; maxBroadcastBytes?: number } = {}): WatchedBroadcast =>
	new WatchedBroadcast(overrides, LADDER_TRACKS, SIMULATED_LADDER);
const arrivalOf = (unit: AccessUnit): number => unit.decodeTimeTicks / unit.clockRate + delayOf(unit);

/** Start, duration and gap of every part, with the number of its segment. */
function partsOf(watched: WatchedBroadcast, trackId: TrackId): { key: string; isGap: boolean; seconds: number }[] {
	return watched.broadcast.rendition(trackId)!.segments.flatMap(({ mediaSequence, parts, timescale }) =>
		parts.map((part, index) => ({
			key: `${mediaSequence}.${index} ${part.startTicks} ${part.durationTicks}`,
			isGap: part.isGap,
			seconds: part.startTicks / timescale,
		})),
	);
}

function expectEqualBorders(watched: WatchedBroadcast, trackIds: readonly TrackId[] = PICTURE_RUNGS): void {
	const keysOf = (trackId: TrackId): string[] => partsOf(watched, trackId).map(({ key }) => key);
	for (const trackId of trackIds) {
		const keys = keysOf(trackId);
		expect(keys).toEqual(keysOf('video0').slice(-keys.length));
	}
}

describe('a ladder', () => {
	it.each([
		[60, 2, 0],
		[60, 2.1, 0],
		[30, 2, 2],
		[25, 1.3, 0],
		[24_000 / 1001, 2, 1],
	])(
		'publishes each part of a rung with its last picture: %f a second, GOP %f s, %d B-frames',
		(frameRate, gop, bFrames) => {
			const watched = watch();
			const source = simulateRun({
				startSeconds: 1000,
				durationSeconds: 12,
				video: { frameRate, gopFrames: Math.round(gop * frameRate), bFrames },
			});
			const rungs = new Map(PICTURE_RUNGS.map((id) => [id, simulateRung(source, id, SIMULATED_LADDER.get(id)!)]));
			const late: string[] = [];
			const counts = new Map<TrackId, number>();
			let writing: AccessUnit | undefined;
			watched.broadcast.on('partAdded', (trackId, part) => {
				const count = (counts.get(trackId) ?? 0) + part.sampleCount;
				counts.set(trackId, count);
				if (trackId !== 'video0' && part.sampleCount > 0 && writing !== rungs.get(trackId as 'video1')![count - 1]) {
					late.push(`${trackId} ${part.name}`);
				}
			});
			for (writing of inArrivalOrder([...source, ...[...rungs.values()].flat()], delayOf)) {
				watched.broadcast.write(writing);
			}
			expect(late).toEqual([]);
			expect(counts.get('video1')).toBeGreaterThan(10 * frameRate);
		},
	);

	it('waits for a leader that is encoded too, and comes later than its rungs', () => {
		const watched = watch();
		const units = ladderUnits(8);
		const early = inArrivalOrder(units, ({ trackId }) => (trackId === 'video0' ? 0.2 : trackId === 'video1' ? 0 : 0.1));
		watched.feed(early);
		watched.end();
		expect(watched.faults).toEqual([]);
		expectEqualBorders(watched);
		expect(watched.broadcast.counters.droppedUnits).toBe(0);
		expect(partsOf(watched, 'video1').some(({ isGap }) => isGap)).toBe(false);
	});

	it('is ready once all its rungs have a part, without those that are paused', async () => {
		const watched = watch();
		watched.broadcast.pauseTrack('video4');
		const readyAt: number[] = [];
		watched.broadcast.on('ready', () => readyAt.push(1));
		const units = ladderUnits(1).filter(({ trackId }) => trackId !== 'video4');
		for (const unit of units.filter(({ trackId }) => trackId !== 'video3')) {
			watched.broadcast.write(unit);
		}
		expect(readyAt).toEqual([]);
		for (const unit of units.filter(({ trackId }) => trackId === 'video3')) {
			watched.broadcast.write(unit);
		}
		expect(readyAt).toEqual([1]);
		await watched.broadcast.close('replaced');
	});

	it('has gaps for a paused rung at once, does not offer it, and has it back with a segment', () => {
		const watched = watch();
		const units = ladderUnits(20);
		const isPaused = (unit: AccessUnit): boolean =>
			unit.trackId === 'video2' && Math.abs(unit.decodeTimeTicks / 90_000 - 1008.5) < 2.25;
		let hasPaused = false;
		for (const unit of units.filter((entry) => !isPaused(entry))) {
			if (!hasPaused && arrivalOf(unit) >= 1006.4) {
				hasPaused = true;
				watched.broadcast.pauseTrack('video2');
				watched.check();
			}
			// The encoder begins with a key frame.
			const isFirst = unit.trackId === 'video2' && Math.abs(unit.decodeTimeTicks / 90_000 - 1010.75) < 0.02;
			watched.feed([isFirst ? { ...unit, isKeyFrame: true } : unit]);
			const [leader, rung] = [watched.broadcast.rendition('video0')!, watched.broadcast.rendition('video2')!];
			if (hasPaused && arrivalOf(unit) < 1010) {
				expect(rung.endSeconds).toBe(leader.endSeconds);
				expect(watched.multivariantText()).not.toContain('video2');
				expect(watched.text('video0')).not.toContain('../video2/');
				expect(watched.text('video2')).toContain('../video0/');
			}
		}
		watched.end();
		expect(watched.faults).toEqual([]);
		expectEqualBorders(watched);
		expect(watched.multivariantText()).toContain('video2');
		const gaps = partsOf(watched, 'video2').filter(({ isGap }) => isGap);
		// What has come of the part under way is shown. Segments are of two seconds: the pause ends in one, and the next
		// one is whole.
		expect(gaps.at(0)!.seconds).toBeCloseTo(1006.4, 1);
		expect(gaps.at(-1)!.seconds).toBeCloseTo(1011.8, 1);
		expect(
			watched.broadcast
				.rendition('video1')!
				.segments.flatMap(({ parts }) => parts)
				.some(({ isGap }) => isGap),
		).toBe(false);
	});

	it('gives up an encoder without output after 2.5 s', () => {
		const watched = watch();
		for (const unit of ladderUnits(12)) {
			if (unit.trackId !== 'video1' || unit.decodeTimeTicks / 90_000 < 1004) {
				watched.broadcast.write(unit);
				const [leader, rung] = [watched.broadcast.rendition('video0')!, watched.broadcast.rendition('video1')];
				expect(leader.endSeconds - Math.max(1000, rung?.endSeconds ?? 0)).toBeLessThan(2.8);
			}
		}
		expect(watched.broadcast.offered.map(({ trackId }) => trackId)).not.toContain('video1');
		watched.end();
		expect(watched.faults).toEqual([]);
		expectEqualBorders(watched);
	});

	it('has all pictures of a run that another one follows directly, although they come later', async () => {
		const watched = watch();
		const [first, second] = [ladderUnits(7.1), ladderUnits(6, 1007.1, 1)];
		const begin = second.find(({ trackId }) => trackId === 'video0')!;
		let isBegun = false;
		for (const unit of inArrivalOrder([...first, ...second], delayOf)) {
			if (unit === begin) {
				isBegun = true;
				watched.broadcast.beginRun(1, LADDER_TRACKS, SIMULATED_LADDER);
				watched.check();
			}
			// What comes now is of the new run by its number.
			watched.feed([isBegun ? { ...unit, run: 1 } : unit]);
		}
		watched.end();
		expect(watched.faults).toEqual([]);
		expectEqualBorders(watched);
		expect(new Set(watched.discontinuitySequences)).toEqual(new Set([1]));
		for (const trackId of PICTURE_RUNGS) {
			const { packets, faults } = await watched.media(trackId);
			expect(faults).toEqual([]);
			expect(packets).toHaveLength([...first, ...second].filter((unit) => unit.trackId === trackId).length);
		}
		expect(watched.broadcast.counters.droppedUnits).toBeLessThan(10);
	});

	it.each([
		['does not come', Infinity],
		['comes too late', 1.2],
	])('holds the last picture of a run where the rest %s', (_name, extraSeconds) => {
		const watched = watch();
		const [first, second] = [ladderUnits(7.1), ladderUnits(6, 1007.1, 1)];
		const isLate = (unit: AccessUnit): boolean => unit.run === 0 && arrivalOf(unit) > 1007.1;
		const begin = second.find(({ trackId }) => trackId === 'video0')!;
		let isBegun = false;
		for (const unit of inArrivalOrder([...first, ...second], delayOf)) {
			if (unit === begin) {
				isBegun = true;
				watched.broadcast.beginRun(1, LADDER_TRACKS, SIMULATED_LADDER);
			}
			const isMissing =
				isLate(unit) || (isBegun && unit.trackId !== 'video0' && arrivalOf(unit) < 1007.1 + extraSeconds);
			if (!isMissing || (extraSeconds === Infinity && unit.run === 1)) {
				watched.feed([{ ...unit, run: isBegun ? 1 : 0 }]);
			}
		}
		watched.end();
		expect(watched.faults.filter((fault) => !fault.startsWith('audio'))).toEqual([]);
		expectEqualBorders(watched);
	});

	it('holds the last picture of a run when the publisher is lost', () => {
		const watched = watch();
		const units = ladderUnits(7.1);
		const lostAt = Math.max(...units.filter(({ trackId }) => trackId === 'video0').map(arrivalOf));
		watched.feed(units.filter((unit) => arrivalOf(unit) <= lostAt));
		watched.broadcast.interrupt();
		watched.check();
		expectEqualBorders(watched);
		watched.broadcast.beginRun(1, LADDER_TRACKS, SIMULATED_LADDER);
		watched.feed(ladderUnits(6, 1008, 1));
		watched.end();
		expect(watched.faults).toEqual([]);
		expectEqualBorders(watched);
		expect(partsOf(watched, 'video1').filter(({ isGap }) => isGap)).toEqual([]);
	});

	it('continues with gaps while the publisher is away, all pictures alike', async () => {
		const watched = watch();
		watched.feed(ladderUnits(7.3));
		watched.broadcast.interrupt();
		for (let second = 0; second < 12; second++) {
			await watched.clock.advance(1000);
			watched.check();
		}
		expect(partsOf(watched, 'video3').filter(({ isGap }) => isGap).length).toBeGreaterThan(40);
		watched.broadcast.beginRun(1, LADDER_TRACKS, SIMULATED_LADDER);
		watched.feed(ladderUnits(8, 1020, 1));
		watched.end();
		expect(watched.faults).toEqual([]);
		expectEqualBorders(watched);
		expect(new Set(watched.discontinuitySequences)).toEqual(new Set([1]));
	});

	it('takes a rung that joins in a later run, and continues one that leaves, under the same numbers', () => {
		const first = new Map([...LADDER_TRACKS].filter(([trackId]) => !['video3', 'video4', 'audio1'].includes(trackId)));
		const second = new Map([...LADDER_TRACKS].filter(([trackId]) => trackId !== 'video1'));
		const watched = new WatchedBroadcast({}, first, SIMULATED_LADDER);
		watched.feed(ladderUnits(9).filter(({ trackId }) => first.has(trackId)));
		watched.broadcast.beginRun(1, second, SIMULATED_LADDER);
		watched.feed(ladderUnits(9, 1010, 1).filter(({ trackId }) => second.has(trackId)));
		expect(watched.broadcast.offered.map(({ trackId }) => trackId)).toEqual([
			'video0',
			'video2',
			'video3',
			'video4',
			'audio0',
			'audio1',
		]);
		expect(watched.broadcast.renditions.map(({ trackId }) => trackId)).toContain('video1');
		watched.end();
		expect(watched.faults).toEqual([]);
		expectEqualBorders(watched);
		expect(new Set(watched.discontinuitySequences)).toEqual(new Set([1]));
		const sound = watched.broadcast.rendition('audio0')!.segments.at(-1)!;
		expect(watched.broadcast.rendition('audio1')!.segments.at(-1)!.mediaSequence).toBe(sound.mediaSequence);
	});

	it('keeps its rungs in step through a run of sound alone, and one without the source’s picture', () => {
		const watched = watch();
		watched.feed(ladderUnits(6));
		const sound = new Map([...LADDER_TRACKS].filter(([, { kind }]) => kind === 'audio'));
		watched.broadcast.beginRun(1, sound, SIMULATED_LADDER);
		watched.feed(ladderUnits(5, 1010, 1).filter(({ trackId }) => sound.has(trackId)));
		const rungs = new Map([...LADDER_TRACKS].filter(([trackId]) => trackId !== 'video0'));
		watched.broadcast.beginRun(2, rungs, SIMULATED_LADDER);
		watched.feed(ladderUnits(6, 1020, 2).filter(({ trackId }) => rungs.has(trackId)));
		watched.broadcast.beginRun(3, LADDER_TRACKS, SIMULATED_LADDER);
		watched.feed(ladderUnits(6, 1030, 3));
		watched.end();
		expect(watched.faults).toEqual([]);
		expectEqualBorders(watched);
		expect(new Set(watched.discontinuitySequences)).toEqual(new Set([3]));
	});

	it('begins a run with the source’s first key frame, also when a rung or sound comes first', () => {
		const watched = watch();
		const units = ladderUnits(6).filter((unit) => unit.trackId !== 'video0' || unit.decodeTimeTicks >= 1001 * 90_000);
		watched.feed(units);
		const starts = watched.broadcast.renditions.map(
			({ rendition }) => rendition.segments[0]!.startTicks / rendition.segments[0]!.timescale,
		);
		for (const start of starts) {
			expect(Math.abs(start - 1002)).toBeLessThan(0.011);
		}
		expect(watched.faults).toEqual([]);
		expectEqualBorders(watched);
	});

	it('leaves a second camera its own borders, and rungs follow the first', () => {
		const camera = simulateRun({
			startSeconds: 1000,
			durationSeconds: 10,
			video: { frameRate: 25, gopFrames: 30 },
		}).map((unit): AccessUnit => ({ ...unit, trackId: 'video9' }));
		const tracks = new Map<TrackId, TrackConfig>([...LADDER_TRACKS, ['video9', SIMULATED_VIDEO]]);
		const watched = new WatchedBroadcast({}, tracks, SIMULATED_LADDER);
		for (const unit of inArrivalOrder([...ladderUnits(10), ...camera], delayOf)) {
			watched.broadcast.write(unit);
		}
		expectEqualBorders(watched);
		expect(watched.broadcast.counters.droppedUnits).toBe(0);
		expect(partsOf(watched, 'video9').length).toBeGreaterThan(45);
		expect(watched.multivariantText()).toMatch(/SCORE=6.*RESOLUTION=320x180.*\nvideo9/);
		watched.broadcast.interrupt();
		watched.broadcast.beginRun(1, LADDER_TRACKS, SIMULATED_LADDER);
		for (const unit of ladderUnits(5, 1011, 1)) {
			watched.broadcast.write(unit);
		}
		watched.broadcast.end();
		expectEqualBorders(watched);
		const ends = (['video0', 'video9'] as const).map((trackId) => watched.broadcast.rendition(trackId)!.endSeconds);
		expect(Math.abs(ends[0]! - ends[1]!)).toBeLessThan(0.3);
	});

	it('states that segments are independent only where no cut was forced', () => {
		const fine = watch();
		fine.feed(ladderUnits(9));
		expect(fine.multivariantText()).toContain('#EXT-X-INDEPENDENT-SEGMENTS');
		const forced = watch();
		forced.feed(ladderUnits(9, 1000, 0, 600));
		expect(forced.broadcast.counters.forcedCuts).toBe(2);
		expect(forced.multivariantText()).not.toContain('#EXT-X-INDEPENDENT-SEGMENTS');
		expect(forced.faults).toEqual([]);
		expectEqualBorders(forced);
		// A rung has key frames of its own.
		const { segments } = readMediaPlaylist(forced.text('video1'));
		expect(segments.flatMap(({ parts }) => parts).filter((part) => part.isIndependent).length).toBeGreaterThan(4);
	});

	it('keeps the memory bound over all its renditions, whose windows shrink alike', () => {
		const watched = watch({ windowSeconds: 60, maxBroadcastBytes: 16 * 2 ** 20 });
		const sizes: Record<string, number> = { video0: 4000, video1: 2000, video2: 1500, video3: 1000, video4: 400 };
		let most = 0;
		for (const unit of ladderUnits(80)) {
			const sizeBytes = sizes[unit.trackId];
			watched.broadcast.write(sizeBytes === undefined ? unit : { ...unit, bytes: new Uint8Array(sizeBytes) });
			most = Math.max(most, watched.broadcast.store.totalBytes);
		}
		expect(most).toBeLessThan(17.5 * 2 ** 20);
		expect(watched.broadcast.windowSeconds).toBeLessThan(25);
		expect(watched.broadcast.counters.earlyEvictions).toBe(0);
		const firsts = PICTURE_RUNGS.map((trackId) => watched.broadcast.rendition(trackId)!.mediaSequence);
		expect(new Set(firsts)).toEqual(new Set([watched.broadcast.rendition('video0')!.mediaSequence]));
	});
});

describe('two sounds', () => {
	const sounds = (sampleRate: number): Map<TrackId, TrackConfig> =>
		new Map<TrackId, TrackConfig>([
			['video0', SIMULATED_VIDEO],
			['audio0', simulatedAudio(sampleRate)],
			['audio1', simulatedAudio(sampleRate)],
		]);
	const LOW: ReadonlyMap<TrackId, Rung> = new Map([['audio1', { kind: 'audio', bitrateBps: 48_000 }]]);

	it.each([
		// An encoder's frames may lie between those of the source, and its clock is the source's.
		[44_100, 0, 0, 0],
		[48_000, 0.3, 2e-4, 0],
		[44_100, 0.5, 2e-4, 0.03],
		[48_000, 0.9, 0, 0.3],
		[44_100, 0.9, 2e-5, 1.2],
		[32_000, 0.5, 0, 0.04],
	])(
		'have the same parts and segments within a frame: %d Hz, frames %f apart, drift %f, a hole of %f s',
		(sampleRate, phase, drift, holeSeconds) => {
			const watched = new WatchedBroadcast({ windowSeconds: 120 }, sounds(sampleRate), LOW);
			const source = simulateRun({
				startSeconds: 1000,
				durationSeconds: 60,
				video: { frameRate: 30, gopFrames: 60 },
				audio: { sampleRate, isMilliseconds: true },
			}).filter(
				({ kind, decodeTimeTicks }) =>
					kind === 'video' || Math.abs(decodeTimeTicks / sampleRate - 1020) >= holeSeconds / 2,
			);
			const shifted = source.flatMap((unit): AccessUnit[] => {
				if (unit.kind === 'video') {
					return [unit];
				}
				const ticks = Math.round((unit.decodeTimeTicks - 1000 * sampleRate) * (1 + drift)) + 1000 * sampleRate;
				const lowTicks = ticks + Math.round(phase * 1024);
				return [
					{ ...unit, decodeTimeTicks: ticks, presentationTimeTicks: ticks },
					{ ...unit, trackId: 'audio1', decodeTimeTicks: lowTicks, presentationTimeTicks: lowTicks },
				];
			});
			for (const unit of inArrivalOrder(shifted, ({ trackId }) => (trackId === 'audio1' ? 0.1 : 0))) {
				watched.broadcast.write(unit);
			}
			const [own, low] = (['audio0', 'audio1'] as const).map((id) => watched.broadcast.rendition(id)!.segments);
			const count = Math.min(own!.length, low!.length) - 1;
			expect(count).toBeGreaterThan(25);
			for (let index = 0; index < count; index++) {
				const [parts, lowParts] = [own![index]!.parts, low![index]!.parts];
				expect(lowParts).toHaveLength(parts.length);
				const apart = parts.map((part, at) => Math.abs(part.startTicks - lowParts[at]!.startTicks));
				expect(Math.max(...apart)).toBeLessThanOrEqual(1024);
			}
		},
	);

	it('stay in step when the low one pauses', () => {
		const watched = new WatchedBroadcast({ windowSeconds: 120 }, sounds(48_000), LOW);
		const source = rtmpLike(20);
		const low = simulateRung(source, 'audio1', LOW.get('audio1')!);
		const isMissing = (unit: AccessUnit): boolean => Math.abs(unit.decodeTimeTicks / 48_000 - 1009) < 2;
		let hasPaused = false;
		for (const unit of inDecodeOrder([...source, ...low.filter((entry) => !isMissing(entry))])) {
			if (!hasPaused && unit.decodeTimeTicks / unit.clockRate > 1007.1) {
				hasPaused = true;
				watched.broadcast.pauseTrack('audio1');
				expect(watched.multivariantText()).not.toContain('audio1');
			}
			watched.feed([unit]);
		}
		expect(watched.multivariantText()).toContain('audio1');
		watched.end();
		expect(watched.faults).toEqual([]);
	});
});
