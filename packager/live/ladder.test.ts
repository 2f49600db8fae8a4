/** Broadcasts with a ladder: every rung has the borders of the source's picture, whatever source and encoders do. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AccessUnit, TrackId } from '../../core/media/access-unit.ts';
import {
	inArrivalOrder,
	seededRandom,
	SIMULATED_LADDER,
	simulateRun,
	simulateRung,
} from '../testing/simulated-source.ts';
import { CAPTURE_START_MS, LADDER_TRACKS, WatchedBroadcast } from '../testing/watched-broadcast.ts';

type Span = { fromSeconds: number; toSeconds: number };
type Scenario = {
	frameRate: number;
	gopSeconds: number;
	jitterMs: number;
	isMilliseconds: boolean;
	bFrames: number;
	durationSeconds: number;
	seed: number;
	/** Of the rungs, one after another. */
	delaysSeconds: readonly number[];
	/** The source sends no picture. */
	holes?: readonly Span[];
	/** The source sends pictures at a quarter of its rate. */
	slow?: readonly Span[];
	/** The encoder of this rung has no output, and begins with a key frame afterwards. */
	silences?: readonly (Span & { trackId: TrackId; isAnnounced: boolean })[];
	/** The publisher is gone for a second, with what the encoders still have of its pictures. */
	lostAtSeconds?: number | undefined;
	/** Another run follows directly. */
	changesAtSeconds?: number | undefined;
};

const RUNG_IDS = [...SIMULATED_LADDER.keys()];
const isIn = (spans: readonly Span[] | undefined, seconds: number): boolean =>
	spans?.some(({ fromSeconds, toSeconds }) => seconds >= fromSeconds && seconds < toSeconds) ?? false;
const secondsOf = (unit: AccessUnit): number => unit.presentationTimeTicks / unit.clockRate - 1000;
/** Seconds after its own time at which a unit of a rung comes. */
const delayOf = ({ delaysSeconds }: Scenario, trackId: TrackId): number =>
	delaysSeconds[RUNG_IDS.indexOf(trackId)] ?? 0;

function sourceOf(scenario: Scenario, run: number, startSeconds: number, durationSeconds: number): AccessUnit[] {
	const { frameRate, gopSeconds, jitterMs, isMilliseconds, bFrames, seed } = scenario;
	let pictureCount = 0;
	return simulateRun({
		run,
		startSeconds: 1000 + startSeconds,
		durationSeconds,
		captureTimeMs: CAPTURE_START_MS + startSeconds * 1000,
		video: { frameRate, gopFrames: Math.max(1, Math.round(gopSeconds * frameRate)), jitterMs, isMilliseconds, bFrames },
		audio: { sampleRate: 48_000, isMilliseconds },
		random: seededRandom(seed + run),
	}).filter((unit) => {
		if (unit.kind === 'audio' || secondsOf(unit) < startSeconds + 0.2) {
			return true;
		}
		// No picture of a run is shown after the next run begins.
		const endSeconds = startSeconds + durationSeconds;
		if (endSeconds < scenario.durationSeconds && secondsOf(unit) >= endSeconds) {
			return false;
		}
		const isSlow = isIn(scenario.slow, secondsOf(unit)) && !unit.isKeyFrame && pictureCount++ % 4 > 0;
		return !isSlow && !isIn(scenario.holes, secondsOf(unit));
	});
}

function rungOf(scenario: Scenario, source: readonly AccessUnit[], trackId: TrackId): AccessUnit[] {
	const silences = scenario.silences?.filter((silence) => silence.trackId === trackId);
	let isBroken = false;
	return simulateRung(source, trackId, SIMULATED_LADDER.get(trackId)!).flatMap((unit) => {
		if (isIn(silences, secondsOf(unit))) {
			isBroken = true;
			return [];
		}
		const isFirst = isBroken;
		isBroken = false;
		return isFirst ? [{ ...unit, isKeyFrame: true }] : [unit];
	});
}

/** Plays a scenario, and returns what each rung sent. */
function play(watched: WatchedBroadcast, scenario: Scenario): Map<TrackId, AccessUnit[]> {
	const { durationSeconds, lostAtSeconds, changesAtSeconds } = scenario;
	const endsAt = lostAtSeconds ?? changesAtSeconds ?? durationSeconds;
	const startsAt = lostAtSeconds === undefined ? endsAt : lostAtSeconds + 1;
	const sources = [sourceOf(scenario, 0, 0, endsAt)];
	if (startsAt < durationSeconds) {
		sources.push(sourceOf(scenario, 1, startsAt, durationSeconds - startsAt));
	}
	const sent = new Map(
		RUNG_IDS.map((trackId) => [trackId, sources.flatMap((source) => rungOf(scenario, source, trackId))]),
	);
	const units = inArrivalOrder([...sources.flat(), ...[...sent.values()].flat()], ({ trackId }) =>
		delayOf(scenario, trackId),
	);
	const pauses = [...(scenario.silences ?? [])].filter(({ isAnnounced }) => isAnnounced);
	let begun = 0;
	const early: AccessUnit[] = [];
	for (const unit of units) {
		const arrivesAt = secondsOf(unit) + delayOf(scenario, unit.trackId);
		for (const pause of [...pauses]) {
			if (unit.trackId === 'video0' && secondsOf(unit) >= pause.fromSeconds + delayOf(scenario, pause.trackId)) {
				pauses.splice(pauses.indexOf(pause), 1);
				watched.broadcast.pauseTrack(pause.trackId);
			}
		}
		if (lostAtSeconds !== undefined && arrivesAt > lostAtSeconds && watched.broadcast.state === 'live' && begun === 0) {
			watched.broadcast.interrupt();
			watched.check();
		}
		if (unit.run > begun && unit.trackId !== 'video0') {
			early.push(unit);
			continue;
		}
		if (unit.run > begun) {
			begun = unit.run;
			watched.broadcast.beginRun(begun, LADDER_TRACKS, SIMULATED_LADDER);
		}
		// Late units are of the run that is on, where that follows directly.
		watched.broadcast.write(changesAtSeconds === undefined ? unit : { ...unit, run: begun });
		if (begun > 0) {
			early.splice(0).forEach((held) => watched.broadcast.write(held));
		}
	}
	watched.broadcast.end();
	return sent;
}

/** What differs between a rung and the source's picture: parts, segments, numbers, dates. */
function borderFaults(watched: WatchedBroadcast): string[] {
	const bordersOf = (trackId: TrackId): unknown[] =>
		watched.broadcast.rendition(trackId)!.segments.map((segment) => ({
			...segment,
			name: '',
			initName: '',
			sizeBytes: 0,
			parts: segment.parts.map(({ startTicks, durationTicks }) => [startTicks, durationTicks]),
		}));
	const leader = bordersOf('video0');
	return watched.broadcast.renditions
		.filter(({ trackId, config }) => config.kind === 'video' && trackId !== 'video0')
		.flatMap(({ trackId }) => {
			const index = bordersOf(trackId).findIndex(
				(segment, at) => JSON.stringify(segment) !== JSON.stringify(leader[at]),
			);
			return index < 0 ? [] : [`${trackId}: segment ${index} differs`];
		});
}

/** Pictures that cannot be decoded, because one before them is missing. */
async function chainFaults(watched: WatchedBroadcast, trackId: TrackId): Promise<string[]> {
	const { packets, faults } = await watched.media(trackId);
	let last: number | undefined;
	for (const { bytes, isKey, timestampTicks } of packets) {
		const number = bytes.at(-1)!;
		if (!isKey && number !== ((last ?? NaN) + 1) % 256) {
			faults.push(`${trackId}: the picture at ${timestampTicks / 90_000} s follows a missing one`);
		}
		last = number;
	}
	return faults;
}

const PLAIN: Scenario = {
	frameRate: 60,
	gopSeconds: 2,
	jitterMs: 0,
	isMilliseconds: true,
	bFrames: 0,
	durationSeconds: 10,
	seed: 1,
	delaysSeconds: [0.03, 0.06, 0.12, 0.2, 0.05],
};

const scenarios = fc.record({
	frameRate: fc.constantFrom(24_000 / 1001, 25, 30_000 / 1001, 30, 48, 50, 60_000 / 1001, 60),
	gopSeconds: fc.double({ min: 0.5, max: 2.5, noNaN: true }),
	jitterMs: fc.constantFrom(0, 1, 3, 6),
	isMilliseconds: fc.boolean(),
	bFrames: fc.constantFrom(0, 0, 1, 2),
	durationSeconds: fc.constant(14),
	seed: fc.nat(10_000),
	delaysSeconds: fc.array(
		fc.integer({ min: -30, max: 500 }).map((ms) => ms / 1000),
		{ minLength: 5, maxLength: 5 },
	),
});
const span = (maxSeconds: number): fc.Arbitrary<Span> =>
	fc
		.tuple(fc.double({ min: 1, max: 11, noNaN: true }), fc.double({ min: 0.01, max: maxSeconds, noNaN: true }))
		.map(([fromSeconds, seconds]) => ({ fromSeconds, toSeconds: fromSeconds + seconds }));
const silences = fc.array(
	fc
		.tuple(span(5), fc.constantFrom(...RUNG_IDS.filter((id) => id.startsWith('video'))), fc.boolean())
		.map(([when, trackId, isAnnounced]) => ({ ...when, trackId, isAnnounced })),
	{ maxLength: 3 },
);

describe('a ladder', () => {
	it.each([15, 20, 24_000 / 1001, 25, 30_000 / 1001, 30, 48, 50, 60_000 / 1001, 60])(
		'has every picture of its rungs at the time of the source, %f a second',
		async (frameRate) => {
			for (const [gopSeconds, bFrames] of [
				[2, 0],
				[1.3, 0],
				[2.1, 2],
			] as const) {
				const watched = new WatchedBroadcast({}, LADDER_TRACKS, SIMULATED_LADDER);
				const sent = play(watched, { ...PLAIN, frameRate, gopSeconds, bFrames });
				expect(borderFaults(watched)).toEqual([]);
				const { packets: pictures } = await watched.media('video0');
				const times = new Set(pictures.map(({ timestampTicks }) => timestampTicks));
				for (const trackId of RUNG_IDS.filter((id) => id.startsWith('video'))) {
					const { packets, faults } = await watched.media(trackId);
					expect(faults).toEqual([]);
					expect(packets).toHaveLength(sent.get(trackId)!.length);
					expect(packets.filter(({ timestampTicks }) => !times.has(timestampTicks))).toEqual([]);
				}
				expect(watched.broadcast.counters.forcedCuts).toBe(0);
			}
		},
	);

	it('keeps every rule in every playlist', () => {
		for (const [frameRate, bFrames] of [
			[60, 0],
			[25, 2],
		] as const) {
			const watched = new WatchedBroadcast({ windowSeconds: 18 }, LADDER_TRACKS, SIMULATED_LADDER);
			const scenario = { ...PLAIN, frameRate, bFrames, jitterMs: 2, durationSeconds: 30 };
			const source = sourceOf(scenario, 0, 0, 30);
			const rungs = RUNG_IDS.flatMap((trackId) => rungOf(scenario, source, trackId));
			watched.feed(inArrivalOrder([...source, ...rungs], ({ trackId }) => delayOf(scenario, trackId)));
			watched.end();
			expect([...new Set(watched.faults)]).toEqual([]);
		}
	});

	it('has equal borders and nothing undecodable under jitter, holes, slow pictures and a publisher that is lost', async () => {
		await fc.assert(
			fc.asyncProperty(
				scenarios,
				fc.array(span(4), { maxLength: 2 }),
				fc.array(span(3), { maxLength: 2 }),
				fc.option(fc.double({ min: 2, max: 11, noNaN: true }), { nil: undefined }),
				fc.boolean(),
				async (scenario, holes, slow, endsAtSeconds, isDirect) => {
					const watched = new WatchedBroadcast({}, LADDER_TRACKS, SIMULATED_LADDER);
					const end = { [isDirect ? 'changesAtSeconds' : 'lostAtSeconds']: endsAtSeconds };
					const sent = play(watched, { ...scenario, holes, slow, ...end });
					watched.check();
					expect([...new Set(watched.faults)]).toEqual([]);
					expect(borderFaults(watched)).toEqual([]);
					const { packets: pictures } = await watched.media('video0');
					const times = new Set(pictures.map(({ timestampTicks }) => timestampTicks));
					for (const trackId of ['video1', 'video2'] as const) {
						expect(await chainFaults(watched, trackId)).toEqual([]);
						const { packets } = await watched.media(trackId);
						// An encoder with B-frames has other decode times after a hole, and at an end, than these.
						const isWhole = holes.length + slow.length === 0 && endsAtSeconds === undefined;
						const isExact = scenario.bFrames === 0 || isWhole;
						expect(isExact ? packets.filter(({ timestampTicks }) => !times.has(timestampTicks)) : []).toEqual([]);
						if (isDirect || endsAtSeconds === undefined) {
							expect(packets).toHaveLength(sent.get(trackId)!.length);
						}
					}
				},
			),
			{ numRuns: 40 },
		);
	});

	it('has equal borders and nothing undecodable when encoders stop, with and without notice', async () => {
		await fc.assert(
			fc.asyncProperty(scenarios, silences, fc.array(span(2), { maxLength: 1 }), async (scenario, stops, holes) => {
				const watched = new WatchedBroadcast({}, LADDER_TRACKS, SIMULATED_LADDER);
				play(watched, { ...scenario, silences: stops, holes });
				watched.check();
				expect([...new Set(watched.faults)]).toEqual([]);
				expect(borderFaults(watched)).toEqual([]);
				for (const trackId of new Set(stops.map((stop) => stop.trackId))) {
					expect(await chainFaults(watched, trackId)).toEqual([]);
				}
			}),
			{ numRuns: 40 },
		);
	});
});
