/** Ladders of all kinds of sources, for the test and the bench: which pictures and key frames come out of each rung. */
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { silentLogger } from '../../../core/logger.ts';
import type { AccessUnit } from '../../../core/media/access-unit.ts';
import { leastIntervalSeconds } from '../../../core/media/rung.ts';
import type { VideoEncoderOutput } from '../../../core/media/transcoder.ts';
import { VIDEO_CLOCK_RATE } from '../../../core/units.ts';
import { createTranscoderFactory } from '../transcoder-factory.ts';
import { runTranscoder } from './run-transcoder.ts';
import { makeTestVideo, type TestTrack } from './test-media.ts';
import type { VideoTrackConfig } from '../../../core/media/codecs.ts';

/** One kind of source. */
export type AlignmentCase = {
	/** Pictures a second, as a fraction. */
	frameRate: readonly [numerator: number, denominator: number];
	/** Seconds between key frames, or key frames on these pictures of each clip. */
	gop: number | readonly number[];
	bFrames: number;
	/** `ms`: whole milliseconds, as RTMP has them. The others: milliseconds of random difference from an even pace. */
	times: 'exact' | 'ms' | { jitterMs: number } | { stepsMs: readonly [least: number, most: number] };
	keyFrames: VideoEncoderOutput['keyFrames'];
	/** Pictures of two fields. */
	isInterlaced?: boolean;
};

/** Picture by picture, over all rungs. */
export type AlignmentResult = {
	sourceKeyFrames: number;
	/** Key frames that must be in each rung, over all rungs. */
	expectedKeyFrames: number;
	/** Of those, the ones that are not there, and those that are there and must not be. */
	differingKeyFrames: number;
	/** Pictures that the rungs must have, those that are missing, and those that are too many. */
	expectedPictures: number;
	differingPictures: number;
};

const ODD = [1, 31, 33, 97, 98, 155, 201, 203];

/** @internal for tests */
export const ALIGNMENT_CASES: readonly AlignmentCase[] = [
	{ frameRate: [24_000, 1001], gop: 2, bFrames: 0, times: 'exact', keyFrames: 'source' },
	{ frameRate: [24, 1], gop: 0.5, bFrames: 2, times: 'ms', keyFrames: 'source' },
	{ frameRate: [25, 1], gop: 10, bFrames: 0, times: 'exact', keyFrames: 'source' },
	{ frameRate: [30_000, 1001], gop: 4, bFrames: 2, times: 'exact', keyFrames: 'source' },
	{ frameRate: [30, 1], gop: 1, bFrames: 0, times: 'ms', keyFrames: 'source' },
	{ frameRate: [50, 1], gop: 2.5, bFrames: 2, times: 'ms', keyFrames: 'source' },
	{ frameRate: [60_000, 1001], gop: 2, bFrames: 0, times: 'ms', keyFrames: 'source' },
	{ frameRate: [60, 1], gop: 2, bFrames: 2, times: 'exact', keyFrames: 'source' },
	{ frameRate: [30, 1], gop: ODD, bFrames: 2, times: 'ms', keyFrames: 'source' },
	{ frameRate: [50, 1], gop: ODD, bFrames: 0, times: 'exact', keyFrames: 'source' },
	{ frameRate: [60_000, 1001], gop: ODD, bFrames: 2, times: 'exact', keyFrames: 'source' },
	{ frameRate: [60, 1], gop: ODD, bFrames: 0, times: 'ms', keyFrames: 'source' },
	{ frameRate: [60, 1], gop: ODD, bFrames: 0, times: { jitterMs: 3 }, keyFrames: 'source' },
	{ frameRate: [60, 1], gop: 1.5, bFrames: 2, times: { stepsMs: [8, 100] }, keyFrames: 'source' },
	{ frameRate: [50, 1], gop: ODD, bFrames: 0, times: 'exact', keyFrames: 'source', isInterlaced: true },
	{ frameRate: [60, 1], gop: ODD, bFrames: 2, times: 'ms', keyFrames: 'timeline' },
	{ frameRate: [60_000, 1001], gop: 4, bFrames: 0, times: 'exact', keyFrames: 'timeline' },
	{ frameRate: [60, 1], gop: 2, bFrames: 0, times: { stepsMs: [2, 70] }, keyFrames: 'timeline' },
];

const GOP_SECONDS = 1;
/** Somewhere in a broadcast, on no border of anything. */
const START_TICKS = 100_000 * VIDEO_CLOCK_RATE + 4711;
/** A clip is repeated for as long as needed. Its pictures end on a whole tick at every rate. */
const CLIP_PICTURES = 320;
const RUNG_SIZES = [
	{ trackId: 'video1', heightPixels: 90, maxFrameRate: 60 },
	{ trackId: 'video2', heightPixels: 72, maxFrameRate: 30 },
	{ trackId: 'video3', heightPixels: 54, maxFrameRate: 30 },
] as const;
const HALF_TICK = 0.5;

export function describeCase({ frameRate, gop, bFrames, times, keyFrames, isInterlaced }: AlignmentCase): string {
	const rate = Math.round((frameRate[0] / frameRate[1]) * 1000) / 1000;
	const timing =
		typeof times === 'string'
			? { exact: 'exact times', ms: 'whole milliseconds' }[times]
			: 'jitterMs' in times
				? `jitter of ${times.jitterMs} ms`
				: `${times.stepsMs.join(' to ')} ms between pictures`;
	return [
		`${rate} fps`,
		typeof gop === 'number' ? `GOP ${gop} s` : 'key frames on odd pictures',
		`${bFrames} B-frames`,
		timing,
		...(isInterlaced === true ? ['interlaced'] : []),
		keyFrames === 'source' ? "the source's key frames" : "the timeline's key frames",
	].join(', ');
}

/** Encodes a source of this kind to three rungs, as fast as it can, and compares every picture. */
export async function runAlignment(kind: AlignmentCase, durationSeconds: number): Promise<AlignmentResult> {
	const rate = kind.frameRate[0] / kind.frameRate[1];
	const { config, units } = makeSource(kind, rate, durationSeconds);
	const outputs = RUNG_SIZES.map((size): VideoEncoderOutput => ({
		...size,
		codec: 'h264',
		keyFrames: kind.keyFrames,
		gopDurationSeconds: GOP_SECONDS,
		maxBitrateBps: 300_000,
		frameRate: rate,
	}));
	const factory = createTranscoderFactory({ clock: systemClock });
	const transcoder = factory.createVideo({ input: config, outputs, run: 0, logger: silentLogger });
	const result = await runTranscoder(transcoder, units, 'as-encoded');
	const pictures = units
		.map(({ presentationTimeTicks, isKeyFrame }) => ({ ticks: presentationTimeTicks, isKeyFrame }))
		.toSorted((one, other) => one.ticks - other.ticks);
	const sum: AlignmentResult = {
		sourceKeyFrames: pictures.filter(({ isKeyFrame }) => isKeyFrame).length,
		expectedKeyFrames: 0,
		differingKeyFrames: 0,
		expectedPictures: 0,
		differingPictures: 0,
	};
	for (const output of outputs) {
		const expected = expectPictures(pictures, output, rate);
		const actual = result.units.filter(({ trackId }) => trackId === output.trackId);
		const keyFrames = expected.filter(({ isKeyFrame }) => isKeyFrame);
		sum.expectedPictures += expected.length;
		sum.differingPictures += countDifferences(
			expected.map(({ ticks }) => ticks),
			actual.map((unit) => unit.presentationTimeTicks),
		);
		sum.expectedKeyFrames += keyFrames.length;
		sum.differingKeyFrames += countDifferences(
			keyFrames.map(({ ticks }) => ticks),
			actual.filter(({ isKeyFrame }) => isKeyFrame).map((unit) => unit.presentationTimeTicks),
		);
	}
	return sum;
}

type Picture = { ticks: number; isKeyFrame: boolean };

/** What a rung must have, by the rule alone: which pictures, and which of them are key frames. */
function expectPictures(source: readonly Picture[], output: VideoEncoderOutput, rate: number): Picture[] {
	const leastTicks = leastIntervalSeconds(output.maxFrameRate!) * VIDEO_CLOCK_RATE;
	const gopNumber = (ticks: number): number => Math.floor((ticks + HALF_TICK) / (GOP_SECONDS * VIDEO_CLOCK_RATE));
	const gopPictures = Math.round((rate / Math.max(1, Math.ceil((rate * leastTicks) / VIDEO_CLOCK_RATE))) * GOP_SECONDS);
	const kept: Picture[] = [];
	let sinceKeyFrame = 0;
	source.forEach(({ ticks, isKeyFrame }, index) => {
		const before = source[index - 1];
		const isForced =
			before === undefined || (output.keyFrames === 'source' ? isKeyFrame : gopNumber(ticks) > gopNumber(before.ticks));
		if (!isForced && ticks - kept.at(-1)!.ticks < leastTicks) {
			return;
		}
		sinceKeyFrame++;
		const isOwn = output.keyFrames === 'source' && sinceKeyFrame > gopPictures;
		sinceKeyFrame = isForced || isOwn ? 1 : sinceKeyFrame;
		kept.push({ ticks, isKeyFrame: isForced || isOwn });
	});
	return kept;
}

function countDifferences(one: readonly number[], other: readonly number[]): number {
	const [ones, others] = [new Set(one), new Set(other)];
	return one.filter((value) => !others.has(value)).length + other.filter((value) => !ones.has(value)).length;
}

function makeSource(kind: AlignmentCase, rate: number, durationSeconds: number): TestTrack<VideoTrackConfig> {
	const { gop, bFrames, times, frameRate } = kind;
	const keyFrames =
		typeof gop === 'number'
			? []
			: ['-force_key_frames', `expr:${gop.map((picture) => `eq(n,${picture})`).join('+')}`, '-forced-idr', '1'];
	const interlaced = kind.isInterlaced === true ? ['-flags', '+ilme+ildct', '-x264-params', 'tff=1'] : [];
	const clip = makeTestVideo({
		durationSeconds: (CLIP_PICTURES - 0.5) / rate,
		widthPixels: 160,
		heightPixels: kind.isInterlaced === true ? 96 : 90,
		source: `testsrc2=s=160x${kind.isInterlaced === true ? 96 : 90}:r=${frameRate.join('/')}`,
		gopFrames: typeof gop === 'number' ? Math.round(gop * rate) : CLIP_PICTURES,
		bFrames,
		extraArguments: [...keyFrames, ...interlaced],
	});
	const clipTicks = Math.round((CLIP_PICTURES * VIDEO_CLOCK_RATE) / rate);
	const clipCount = Math.ceil((durationSeconds * rate) / CLIP_PICTURES);
	const repeated = Array.from({ length: clipCount }, (_, index) =>
		clip.units.map((unit) => moveUnit(unit, START_TICKS + index * clipTicks)),
	).flat();
	const units = repeated.slice(0, Math.round(durationSeconds * rate));
	return { config: clip.config, units: retime(units, times, VIDEO_CLOCK_RATE / rate) };
}

function moveUnit(unit: AccessUnit, byTicks: number): AccessUnit {
	return {
		...unit,
		decodeTimeTicks: unit.decodeTimeTicks + byTicks,
		presentationTimeTicks: unit.presentationTimeTicks + byTicks,
	};
}

/** New presentation times in the same order; decode times, which only have to increase, stay. */
function retime(units: readonly AccessUnit[], times: AlignmentCase['times'], stepTicks: number): AccessUnit[] {
	if (times === 'exact') {
		return [...units];
	}
	const order = units.map((unit) => unit.presentationTimeTicks).toSorted((one, other) => one - other);
	const random = seededRandom(order.length);
	let ticks = order[0]!;
	const newTicks = order.map((old) => {
		if (times === 'ms') {
			return Math.round(old / 90) * 90;
		}
		const between =
			'jitterMs' in times
				? stepTicks + (random() - 0.5) * 2 * times.jitterMs * 90
				: (times.stepsMs[0] + random() * (times.stepsMs[1] - times.stepsMs[0])) * 90;
		ticks += Math.round(between);
		return ticks;
	});
	const byOld = new Map(order.map((old, index) => [old, newTicks[index]!]));
	return units.map((unit) => ({ ...unit, presentationTimeTicks: byOld.get(unit.presentationTimeTicks)! }));
}

/** The same numbers in every run (a linear congruential generator). */
function seededRandom(seed: number): () => number {
	let state = seed;
	return () => {
		state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
		return state / 2 ** 31;
	};
}
