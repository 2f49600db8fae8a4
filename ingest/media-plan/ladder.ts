/** Chooses the rungs below a source: which are worth their bits, and which the machine can carry. Pure. */
import { leastIntervalSeconds, shortSide, type VideoRung } from '../../core/media/rung.ts';
import { RUNG_NAMES, type LadderChoice, type RungName } from '../../core/protocol/ladder-choice.ts';

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
export const RUNG_STEPS: Readonly<
	Record<RungName, { shortSidePixels: number; frameRate: number; maxBitrateBps: number }>
> = {
	'1080p60': { shortSidePixels: 1080, frameRate: 60, maxBitrateBps: 6_000_000 },
	'720p60': { shortSidePixels: 720, frameRate: 60, maxBitrateBps: 4_500_000 },
	'480p30': { shortSidePixels: 480, frameRate: 30, maxBitrateBps: 1_500_000 },
	'360p30': { shortSidePixels: 360, frameRate: 30, maxBitrateBps: 800_000 },
	// Over LL-HLS it fits into 350 kbit/s, with 48 for the sound and 110 for playlists and the headers of answers. A
	// pixel gets as many bits as in 720p60.
	'160p30': { shortSidePixels: 160, frameRate: 30, maxBitrateBps: 130_000 },
};

/** Of pictures of one kind, the bits needed grow with the pixels a second by this power. */
const BITS_BY_PIXELS_POWER = 0.75;
/** A rung whose bit rate is above this share of the next better one's is not worth its bits. */
const WORTH_SHARE = 0.75;
/** A rung may take so many times what is expected of it, which is less than a better one takes. */
const PEAK_SHARE = 1.5;
const BITRATE_STEP_BPS = 10_000;
/** And at least this, since a picture that stands still says nothing of the next one. */
const LEAST_PEAK_BPS = 100_000;
/** Rungs at half the rate take every second picture; slower sources keep all. */
const HALVING_FRAME_RATE = 40;
/** Until they are known. */
const ASSUMED = { frameRate: 30, bitsPerPixel: 0.09 } as const;
/** Decoding and splitting a picture, in pixels that are encoded in the same time. */
const DECODE_SHARE = 0.1;

/**
 * `size`: the source is no larger. `bits`: too close to the next better rung. `publisher`: a layer of its simulcast.
 * `load`: the encoder falls behind. `room`: the limit of the server's encoders.
 */
type LeftOutCause = 'size' | 'bits' | 'publisher' | 'load' | 'room';

/** A rung that was considered and is not sent, with the reason for the streamer. */
type LeftOutRung = { name: RungName; cause: LeftOutCause; reason: string };

export type RungSelection = {
	/** From the best down. */
	rungs: readonly VideoRung[];
	leftOut: readonly LeftOutRung[];
};

/** `reason`: why there are so many, in sentences for the streamer. */
export type LadderPlan = RungSelection & { reason: string };

/** Which rungs a broadcast may have, and whose setting that is. */
export type LadderSetting = { choice: LadderChoice; setBy: 'channel' | 'server' };

export function ladderSetting(ofChannel: LadderChoice | undefined, ofServer: LadderChoice): LadderSetting {
	return ofChannel === undefined ? { choice: ofServer, setBy: 'server' } : { choice: ofChannel, setBy: 'channel' };
}

/** What all encoders of the server may make. `coreCount`: the cores from which it follows; undefined: it is set. */
export type EncoderLimit = { pixelsPerSecond: number; coreCount: number | undefined };

const LEFT_OUT_REASONS: Readonly<Record<LeftOutCause, string>> = {
	size: 'The source is no larger.',
	bits: 'It would save too few bits against the next better picture.',
	publisher: 'The publisher sends it.',
	load: 'The encoder fell behind, so it makes fewer pictures for now.',
	room: 'The server has no room for it beside what it encodes already.',
};

function leftOutRung(name: RungName, cause: LeftOutCause): LeftOutRung {
	return { name, cause, reason: LEFT_OUT_REASONS[cause] };
}

/**
 * The part of a ladder that can be made, the lowest rungs of it. `fits`: whether the machine carries a ladder of so
 * many pixels a second. `highestCount`: how many rungs the encoder carries.
 */
export function limitLadder(
	worthy: RungSelection,
	source: SourcePicture,
	{ fits, highestCount }: { fits: (pixelsPerSecond: number) => boolean; highestCount: number },
): RungSelection {
	const rungs = [...worthy.rungs];
	const leftOut = [...worthy.leftOut];
	while (rungs.length > highestCount) {
		leftOut.push(leftOutRung(rungs.shift()!.name, 'load'));
	}
	while (rungs.length > 0 && !fits(ladderPixelsPerSecond(source, rungs))) {
		leftOut.push(leftOutRung(rungs.shift()!.name, 'room'));
	}
	return { rungs, leftOut };
}

/** The rungs that are left for an encoder beside those of the publisher. */
export function besidePublisher(worthy: RungSelection, own: readonly VideoRung[]): RungSelection {
	const isSent = ({ name }: { name: RungName }): boolean => own.some((rung) => rung.name === name);
	const sent = worthy.rungs.filter(isSent).map(({ name }) => leftOutRung(name, 'publisher'));
	return {
		rungs: worthy.rungs.filter((rung) => !isSent(rung)),
		leftOut: [...worthy.leftOut.filter((rung) => !isSent(rung)), ...sent],
	};
}

/** The encoder's ladder and the publisher's rungs. */
export function withPublisher(plan: LadderPlan, own: readonly VideoRung[]): LadderPlan {
	if (own.length === 0) {
		return plan;
	}
	const rank = ({ name }: VideoRung): number => RUNG_NAMES.indexOf(name);
	const rungs = [...plan.rungs, ...own].toSorted((one, other) => rank(one) - rank(other));
	return { ...plan, rungs };
}

/** A ladder without encoded rungs, because there is no room to re-encode the source's own picture. */
export function withoutRungs(plan: LadderPlan): LadderPlan {
	const encoded = plan.rungs.filter(({ layer }) => layer === undefined);
	return encoded.length === 0
		? plan
		: {
				rungs: plan.rungs.filter(({ layer }) => layer !== undefined),
				leftOut: [...plan.leftOut, ...encoded.map(({ name }) => leftOutRung(name, 'room'))],
				reason: 'The server has no room to re-encode the source’s own picture, so there is none for smaller ones.',
			};
}

/**
 * Why a ladder has so many rungs, in sentences for the streamer. They have no measured figures, so they stay. `own`:
 * the rungs that the publisher sends.
 */
export function explainLadder(
	{ rungs, leftOut }: RungSelection,
	{ choice, setBy }: LadderSetting,
	limit: EncoderLimit,
	own: readonly VideoRung[] = [],
): string {
	const whose = setBy === 'channel' ? 'this channel' : 'the server';
	const sent = own.length === 0 ? [] : [`The publisher sends ${enumerate(own.map(({ name }) => name))}.`];
	if (choice === 'off') {
		const which = own.length === 0 ? 'Smaller pictures are' : 'More smaller pictures are';
		return [...sent, `${which} switched off in the settings of ${whose}.`].join(' ');
	}
	const sentences: string[] = [...sent];
	if (choice !== 'automatic') {
		sentences.push(`The settings of ${whose} ask for ${enumerate(choice)}.`);
	}
	const namesOf = (cause: LeftOutCause): RungName[] =>
		leftOut.filter((rung) => rung.cause === cause).map(({ name }) => name);
	const [dropped, withoutRoom] = [namesOf('load'), namesOf('room')];
	if (dropped.length > 0) {
		const verb = dropped.length === 1 ? 'waits' : 'wait';
		sentences.push(`The encoder fell behind, so ${enumerate(dropped)} ${verb} until it has kept up for a while.`);
	}
	if (withoutRoom.length > 0) {
		const cores = limit.coreCount === undefined ? '' : ` on ${countCores(limit.coreCount)}`;
		const megapixels = Math.round(limit.pixelsPerSecond / 1e6);
		sentences.push(
			`The server encodes at most ${megapixels} million pixels a second${cores}, which leaves no room for ${enumerate(withoutRoom)}.`,
		);
	}
	if (dropped.length + withoutRoom.length === 0 && (rungs.length > 0 || own.length === 0)) {
		sentences.push(explainWhole(rungs.length, choice, limit));
	}
	return sentences.join(' ');
}

function explainWhole(count: number, choice: LadderChoice, { coreCount }: EncoderLimit): string {
	if (count === 0) {
		return choice === 'automatic'
			? 'No smaller picture is worth its bits for this source.'
			: 'The source is no larger.';
	}
	const verb = coreCount === 1 ? 'has' : 'have';
	const subject = coreCount === undefined ? 'The server has' : `The server’s ${countCores(coreCount)} ${verb}`;
	const which =
		choice === 'automatic' ? 'every size below the source that saves enough bits' : 'those below the source';
	return `${subject} room for ${which}.`;
}

function countCores(count: number): string {
	return count === 1 ? '1 core' : `${count} cores`;
}

function enumerate(names: readonly string[]): string {
	return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

/** The size and the rate that a rung of this source has. The rate is 0 while the source's is unknown. */
export function rungPicture(
	source: Pick<SourcePicture, 'widthPixels' | 'heightPixels' | 'frameRate'>,
	rung: Pick<VideoRung, 'heightPixels' | 'frameRate'>,
): { widthPixels: number; heightPixels: number; frameRate: number } {
	const widthPixels = 2 * Math.max(1, Math.round((source.widthPixels * rung.heightPixels) / source.heightPixels / 2));
	const everyNth = Math.max(1, Math.ceil(leastIntervalSeconds(rung.frameRate) * source.frameRate));
	return { widthPixels, heightPixels: rung.heightPixels, frameRate: source.frameRate / everyNth };
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
export function worthyRungs(source: SourcePicture, choice: LadderChoice): RungSelection {
	const leftOut: LeftOutRung[] = [];
	const rungs: VideoRung[] = [];
	if (choice === 'off') {
		return { rungs, leftOut };
	}
	let betterBps = source.bitrateBps > 0 ? source.bitrateBps : assumedBps(source);
	const sourceBps = betterBps;
	for (const name of RUNG_NAMES) {
		const isAsked = choice === 'automatic' || choice.includes(name);
		const step = RUNG_STEPS[name];
		if (isAsked && choice !== 'automatic' && step.shortSidePixels >= shortSide(source)) {
			leftOut.push(leftOutRung(name, 'size'));
		}
		if (!isAsked || step.shortSidePixels >= shortSide(source)) {
			continue;
		}
		const rung = rungOf(source, name);
		const share =
			(pixelsOf(source, rung) * rateOf(source, rung.frameRate)) / (pixelsOf(source) * rateOf(source, Infinity));
		const expectedBps = Math.min(step.maxBitrateBps, sourceBps * share ** BITS_BY_PIXELS_POWER);
		if (choice === 'automatic' && expectedBps > betterBps * WORTH_SHARE) {
			leftOut.push(leftOutRung(name, 'bits'));
			continue;
		}
		betterBps = expectedBps;
		const peakBps = Math.ceil((expectedBps * PEAK_SHARE) / BITRATE_STEP_BPS) * BITRATE_STEP_BPS;
		rungs.push({ ...rung, maxBitrateBps: Math.min(step.maxBitrateBps, Math.max(LEAST_PEAK_BPS, peakBps)) });
	}
	return { rungs, leftOut };
}

function rungOf(source: SourcePicture, name: RungName): VideoRung {
	const { shortSidePixels, frameRate, maxBitrateBps } = RUNG_STEPS[name];
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

function assumedBps(source: SourcePicture): number {
	return pixelsOf(source) * rateOf(source, Infinity) * ASSUMED.bitsPerPixel;
}
