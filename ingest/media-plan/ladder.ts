/** Chooses the rungs below a source: which are worth their bits, and which the machine can carry. Pure. */
import { RUNG_NAMES, type LadderChoice, type RungName, type VideoRung } from '../../core/media/rung.ts';

/** What the source sends, measured. */
export type SourcePicture = {
	/** Size on the screen. */
	widthPixels: number;
	heightPixels: number;
	/** Pictures a second; 0 while unknown. */
	frameRate: number;
	/** 0 while unknown. */
	bitrateBps: number;
};

/** The whole ladder: the shorter side, pictures a second at most, and a ceiling of the bit rate, each. */
const STEPS: Readonly<Record<RungName, { shortSidePixels: number; frameRate: number; maxBitrateBps: number }>> = {
	'1080p60': { shortSidePixels: 1080, frameRate: 60, maxBitrateBps: 6_000_000 },
	'720p60': { shortSidePixels: 720, frameRate: 60, maxBitrateBps: 4_500_000 },
	'480p30': { shortSidePixels: 480, frameRate: 30, maxBitrateBps: 1_500_000 },
	'360p30': { shortSidePixels: 360, frameRate: 30, maxBitrateBps: 800_000 },
	// With its sound of 48 kbit/s and all overhead it fits into 350 kbit/s.
	'160p30': { shortSidePixels: 160, frameRate: 30, maxBitrateBps: 240_000 },
};

/** Of pictures of one kind, the bits needed grow with the pixels a second by this power. */
const BITS_BY_PIXELS_POWER = 0.75;
/** A rung whose bit rate is above this share of the next better one's is not worth its bits. */
const WORTH_SHARE = 0.75;
/** Rungs at half the rate take every second picture; slower sources keep all. */
const HALVING_FRAME_RATE = 40;
/** Until they are known. */
const ASSUMED = { frameRate: 30, bitsPerPixel: 0.09 } as const;
/** Decoding and splitting a picture, in pixels that are encoded in the same time. */
const DECODE_SHARE = 0.1;

/** A rung that was considered and is not sent, with the reason for the streamer. */
export type LeftOutRung = { name: RungName; reason: string };

export type LadderPlan = {
	/** From the best down. */
	rungs: readonly VideoRung[];
	leftOut: readonly LeftOutRung[];
};

/**
 * The part of a ladder that can be made, the lowest rungs of it. `fits`: whether the machine carries a ladder of so
 * many pixels a second. `highestCount`: how many rungs the encoder carries.
 */
export function limitLadder(
	plan: LadderPlan,
	source: SourcePicture,
	{ fits, highestCount }: { fits: (pixelsPerSecond: number) => boolean; highestCount: number },
): LadderPlan {
	const rungs = [...plan.rungs];
	const leftOut = [...plan.leftOut];
	while (rungs.length > highestCount) {
		leftOut.push({ name: rungs.shift()!.name, reason: 'The encoder fell behind, so it makes fewer pictures for now.' });
	}
	while (rungs.length > 0 && !fits(ladderPixelsPerSecond(source, rungs))) {
		leftOut.push({
			name: rungs.shift()!.name,
			reason: 'The server has no room for it beside what it encodes already.',
		});
	}
	return { rungs, leftOut };
}

/** What a ladder costs, in pixels of encoded picture a second. */
export function ladderPixelsPerSecond(source: SourcePicture, rungs: readonly VideoRung[]): number {
	const decoded = source.widthPixels * source.heightPixels * rateOf(source, Infinity);
	return rungs.reduce(
		(sum, rung) => sum + pixelsOf(source, rung) * rateOf(source, rung.frameRate),
		DECODE_SHARE * decoded,
	);
}

/** The rungs that are worth their bits for this source, from the best down. What is asked for by name is worth it. */
export function worthyRungs(source: SourcePicture, choice: LadderChoice): LadderPlan {
	const leftOut: LeftOutRung[] = [];
	const rungs: VideoRung[] = [];
	if (choice === 'off') {
		return { rungs, leftOut };
	}
	let betterBps = source.bitrateBps > 0 ? source.bitrateBps : assumedBps(source);
	const sourceBps = betterBps;
	for (const name of RUNG_NAMES) {
		const isAsked = choice === 'automatic' || choice.includes(name);
		const step = STEPS[name];
		if (!isAsked || step.shortSidePixels >= shortSide(source)) {
			continue;
		}
		const rung = rungOf(source, name);
		const share =
			(pixelsOf(source, rung) * rateOf(source, rung.frameRate)) / (pixelsOf(source) * rateOf(source, Infinity));
		const expectedBps = Math.min(step.maxBitrateBps, sourceBps * share ** BITS_BY_PIXELS_POWER);
		if (choice === 'automatic' && expectedBps > betterBps * WORTH_SHARE) {
			leftOut.push({ name, reason: 'It would save too few bits against the next better picture.' });
			continue;
		}
		betterBps = expectedBps;
		rungs.push(rung);
	}
	return { rungs, leftOut };
}

function rungOf(source: SourcePicture, name: RungName): VideoRung {
	const { shortSidePixels, frameRate, maxBitrateBps } = STEPS[name];
	const isUpright = source.heightPixels > source.widthPixels;
	const heightPixels = isUpright ? (shortSidePixels * source.heightPixels) / source.widthPixels : shortSidePixels;
	const isHalved = frameRate < 60 && rateOf(source, Infinity) > HALVING_FRAME_RATE;
	return {
		kind: 'video',
		name,
		heightPixels: 2 * Math.round(heightPixels / 2),
		frameRate: isHalved ? frameRate : 60,
		maxBitrateBps,
	};
}

function pixelsOf(source: SourcePicture, rung?: VideoRung): number {
	const scale = (rung?.heightPixels ?? source.heightPixels) / source.heightPixels;
	return source.widthPixels * source.heightPixels * scale * scale;
}

function rateOf({ frameRate }: SourcePicture, mostFrameRate: number): number {
	return Math.min(frameRate > 0 ? frameRate : ASSUMED.frameRate, mostFrameRate);
}

function shortSide({ widthPixels, heightPixels }: SourcePicture): number {
	return Math.min(widthPixels, heightPixels);
}

function assumedBps(source: SourcePicture): number {
	return pixelsOf(source) * rateOf(source, Infinity) * ASSUMED.bitsPerPixel;
}
