/** Encodes the pictures of a clip again that cannot be copied, with one FFmpeg process. */
import { availableParallelism } from 'node:os';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import { displaySize, spsFacts, type VideoTrackConfig } from '../../core/media/codecs.ts';
import { joinLengthPrefixed, NAL_TYPE, nalType, splitAnnexB, toAnnexB } from '../../core/media/h264.ts';
import { VIDEO_CLOCK_RATE } from '../../core/units.ts';
import { nutFrameHeader, nutStreamHeader } from '../../core/wire/nut/nut-writer.ts';
import { runPictures } from '../pictures/picture-process.ts';
import { COMMON_INPUT, COMMON_OUTPUT, words, type FfmpegArguments } from '../transcode/ffmpeg-arguments.ts';
import type { ClipPlan } from './clip-plan.ts';
import type { LoadedPicture } from './clip-source.ts';
import type { Spool, Stored } from './spool.ts';

/** An encoded picture. */
export type EncodedPicture = { stored: Stored; isIdr: boolean };

export type EncodedPictures = {
	/** By the index of the source's picture; without those that cannot be decoded. */
	pictures: ReadonlyMap<number, EncodedPicture>;
	config: VideoTrackConfig;
};

type EncodingOptions = {
	plan: ClipPlan;
	pictures: readonly LoadedPicture[];
	/** `fit`: all into the size and the shape of the first picture. `same`: they have one size already. */
	size: 'same' | 'fit';
	/** Of the new parameter sets. */
	parameterSetId: number;
	spool: Spool;
	signal: AbortSignal;
};

/** Encoded pictures have key frames so far apart, in pictures' own time. */
const KEY_FRAME_SECONDS = 2;
/** No difference is seen to pictures of any usual source. Everything encoded again is much, so it may be smaller. */
const QUALITY = { same: 16, fit: 20 };
/** No time is negative. */
const FIRST_RANK = 100;
const MAX_THREADS = 4;
/** FFmpeg starts, and takes so long at most for each second of pictures, at a low priority. */
const START_MS = 30_000;
const MS_PER_SECOND = 10_000;
const PROFILE_NAMES: Readonly<Record<number, string>> = { 66: 'baseline', 77: 'main', 88: 'main' };

/** Throws TRANSCODER_FAILED when FFmpeg fails, and CLIP_NOT_EXPORTED when it cannot decode what is needed. */
export async function encodePictures(clock: Clock, options: EncodingOptions): Promise<EncodedPictures> {
	const { plan, pictures, size, spool, signal } = options;
	const ranks = rankPictures(plan, pictures);
	const wanted = plan.pictures.filter(({ isEncoded }) => isEncoded).map(({ index }) => index);
	const byRank = new Map(wanted.map((index) => [ranks.get(index)!, index]));
	const first = pictures[wanted[0]!]!.config;
	const stored: Promise<[number, EncodedPicture]>[] = [];
	let config: VideoTrackConfig | undefined;
	await runPictures(clock, {
		arguments: clipArguments({
			ticks: { frame: plan.frameTicks, of: (rank) => rankTicks(rank, plan.frameTicks) },
			wantedRanks: [...byRank.keys()],
			keyRanks: chooseKeyFrames(plan, pictures).map((index) => ranks.get(index)!),
			first,
			size,
			parameterSetId: options.parameterSetId,
		}),
		input: feedPictures(options, ranks),
		onPicture: (bytes, seconds) => {
			const index = byRank.get(Math.round((seconds * VIDEO_CLOCK_RATE) / plan.frameTicks) - FIRST_RANK);
			const nals = splitAnnexB(bytes);
			config ??= encodedConfig(first, nals, size);
			const slices = nals.filter((nal) => [NAL_TYPE.IDR, NAL_TYPE.NON_IDR].some((type) => type === nalType(nal)));
			const isIdr = slices.some((nal) => nalType(nal) === NAL_TYPE.IDR);
			if (index !== undefined) {
				const append = spool.append(joinLengthPrefixed(slices));
				const entry = append.then((bytesIn): [number, EncodedPicture] => [index, { stored: bytesIn, isIdr }]);
				// Its failure is seen below.
				entry.catch(() => undefined);
				stored.push(entry);
			}
		},
		timeoutMs: START_MS + (ranks.size * plan.frameTicks * MS_PER_SECOND) / VIDEO_CLOCK_RATE,
		signal,
	});
	const encoded = new Map(await Promise.all(stored));
	if (config === undefined) {
		throw new SpillwayError('CLIP_NOT_EXPORTED', [`none of ${wanted.length} pictures can be decoded`]);
	}
	return { pictures: encoded, config };
}

/**
 * The place of each picture that is fed in the order in which the decoder puts them out: of each sequence from one IDR
 * picture to the next by time. FFmpeg gets the places as times, which then are even and do not jump.
 */
function rankPictures({ feeds }: ClipPlan, pictures: readonly LoadedPicture[]): Map<number, number> {
	const ranks = new Map<number, number>();
	const rankSequence = (sequence: number[]): void => {
		sequence
			.toSorted((one, other) => pictures[one]!.presentationTicks - pictures[other]!.presentationTicks)
			.forEach((index) => ranks.set(index, ranks.size));
	};
	for (const { first, end } of feeds) {
		let sequence: number[] = [];
		for (let index = first; index < end; index++) {
			if (pictures[index]!.isIdr) {
				rankSequence(sequence);
				sequence = [];
			}
			sequence.push(index);
		}
		rankSequence(sequence);
	}
	return ranks;
}

/** The first of each stretch, and one every two seconds. */
function chooseKeyFrames(plan: ClipPlan, pictures: readonly LoadedPicture[]): number[] {
	const keys: number[] = [];
	let dueTicks = -Infinity;
	for (const { index, isEncoded } of plan.pictures) {
		const { presentationTicks } = pictures[index]!;
		if (!isEncoded) {
			dueTicks = -Infinity;
		} else if (presentationTicks >= dueTicks) {
			keys.push(index);
			dueTicks = presentationTicks + KEY_FRAME_SECONDS * VIDEO_CLOCK_RATE;
		}
	}
	return keys;
}

function rankTicks(rank: number, frameTicks: number): number {
	return Math.round((rank + FIRST_RANK) * frameTicks);
}

async function* feedPictures(
	{ plan, pictures, spool }: EncodingOptions,
	ranks: ReadonlyMap<number, number>,
): AsyncGenerator<Uint8Array, void> {
	const startCode = Uint8Array.of(0, 0, 0, 1);
	const { frameTicks, feeds } = plan;
	yield nutStreamHeader(pictures[feeds[0]!.first]!.config, VIDEO_CLOCK_RATE / frameTicks);
	for (const { first, end } of feeds) {
		for (let index = first; index < end; index++) {
			const { stored, config, isIdr } = pictures[index]!;
			// The size may change, and each decoder begins with what is in front of it.
			const sets = isIdr ? [...config.sps, ...config.pps].flatMap((nal) => [startCode, nal]) : [];
			const bytes = Buffer.concat([...sets, toAnnexB(await spool.read(stored))]);
			yield Buffer.concat([nutFrameHeader(rankTicks(ranks.get(index)!, frameTicks), isIdr, bytes.length), bytes]);
		}
	}
}

function encodedConfig(first: VideoTrackConfig, nals: readonly Uint8Array[], size: 'same' | 'fit'): VideoTrackConfig {
	const of = (type: number): Uint8Array[] => nals.filter((nal) => nalType(nal) === type).map((nal) => nal.slice());
	const shape = size === 'same' ? first : fittedSize(first);
	return { ...first, ...shape, sps: of(NAL_TYPE.SPS), pps: of(NAL_TYPE.PPS) };
}

/** As the first picture is shown, in even numbers of square pixels. */
function fittedSize(first: VideoTrackConfig): { widthPixels: number; heightPixels: number } {
	const { widthPixels, heightPixels } = displaySize(first);
	return { widthPixels: Math.ceil(widthPixels / 2) * 2, heightPixels: Math.ceil(heightPixels / 2) * 2 };
}

type ArgumentOptions = Pick<EncodingOptions, 'size' | 'parameterSetId'> & {
	ticks: { frame: number; of: (rank: number) => number };
	/** In order. */
	wantedRanks: readonly number[];
	keyRanks: readonly number[];
	first: VideoTrackConfig;
};

function clipArguments({
	ticks,
	wantedRanks,
	keyRanks,
	first,
	size,
	parameterSetId,
}: ArgumentOptions): FfmpegArguments {
	const threads = `-threads ${Math.min(MAX_THREADS, availableParallelism())}`;
	const seconds = (ofTicks: number): string => (ofTicks / VIDEO_CLOCK_RATE).toFixed(6);
	// Half a picture from each border, so that rounding decides nothing.
	const selection = stretchesOf(wantedRanks)
		.map(([from, to]) => `between(t,${seconds(ticks.of(from - 0.5))},${seconds(ticks.of(to + 0.5))})`)
		.join('+');
	const keyFrames = keyRanks.map((rank) => seconds(ticks.of(rank - 0.5))).join(',');
	const profile = (size === 'same' && PROFILE_NAMES[spsFacts(first)?.profileIdc ?? 0]) || 'high';
	return {
		// Strict: the decoder waits for as many pictures as the stream may reorder. Else it finds out by mistakes.
		input: words(COMMON_INPUT, threads, '-strict strict -f nut'),
		filters: [],
		outputs: [
			[
				...words('-map 0:v:0 -vf'),
				[`select='${selection}'`, ...(size === 'same' ? [] : fitFilters(fittedSize(first)))].join(','),
				...words(
					'-fps_mode passthrough -enc_time_base 1:90000 -c:v libx264 -preset veryfast',
					`-profile:v ${profile} -crf ${QUALITY[size]} -bf 0 -g 100000 -sc_threshold 0 -forced-idr 1 ${threads}`,
					`-force_key_frames ${keyFrames}`,
					// Parameter sets in the pictures, with numbers that the source does not use.
					`-flags -global_header -x264-params sps-id=${parameterSetId}`,
					COMMON_OUTPUT,
				),
			],
		],
	};
}

function fitFilters({ widthPixels, heightPixels }: { widthPixels: number; heightPixels: number }): string[] {
	// `dar` is the shape on the screen, also where pixels are not square.
	const width = `trunc(min(${widthPixels},${heightPixels}*dar)/2+0.5)*2`;
	const height = `trunc(min(${heightPixels},${widthPixels}/dar)/2+0.5)*2`;
	return [
		`scale=w='max(2,min(${widthPixels},${width}))':h='max(2,min(${heightPixels},${height}))'`,
		'setsar=1',
		`pad=${widthPixels}:${heightPixels}:(ow-iw)/2:(oh-ih)/2`,
		'format=yuv420p',
	];
}

/** Runs of numbers that follow one another. */
function stretchesOf(ranks: readonly number[]): [from: number, to: number][] {
	const stretches: [number, number][] = [];
	for (const rank of ranks.toSorted((one, other) => one - other)) {
		const last = stretches.at(-1);
		if (last !== undefined && last[1] === rank - 1) {
			last[1] = rank;
		} else {
			stretches.push([rank, rank]);
		}
	}
	return stretches;
}
