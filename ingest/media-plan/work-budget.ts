/** Limits of the server's work: which broadcasts it admits, how much picture it re-encodes, how much it receives. */
import { SpillwayError } from '../../core/errors/errors.ts';
import type { EncoderLimit } from './ladder.ts';

export type WorkLimits = {
	/** Broadcasts at once, interrupted ones included. */
	maxBroadcasts: number;
	/** Of them, those of one owner. Administrators are exempt. */
	maxBroadcastsPerOwner: number;
	/** Pixels of re-encoded picture a second, over all broadcasts. Pictures that pass through are not counted. */
	maxEncoderPixelsPerSecond: number;
	/** Bits a second of one publisher, sound and picture together. */
	maxPublisherBitrateBps: number;
	/** The machine's cores, where the limit of encoded pixels follows from them. */
	encoderCoreCount?: number;
};

/** The owner of a broadcast's channel. */
export type BroadcastOwner = {
	/** Undefined: the channel has no owner, and only the limit of the whole server applies. */
	id: string | undefined;
	/** An administrator, or approved by one: some capacity is reserved for known owners. */
	isKnown: boolean;
	isAdministrator: boolean;
};

/** A core carries some twenty passed-through broadcasts; four leave room for viewers and encoders. */
const BROADCASTS_PER_CORE = 4;
/** One 1080p60 picture costs a little more than a core (docs/decisions.md), and each core serves viewers as well. */
const ENCODER_PIXELS_PER_SECOND_AND_CORE = (1920 * 1080 * 60) / 2;
/** Broadcasts beyond the limit that only known owners may begin. */
const RESERVED_BROADCASTS = 2;
/** Pixels that only known owners may use beyond the limit, as a share of it. */
const RESERVED_PIXEL_SHARE = 0.5;
/** Broadcasts end at any moment. */
const RETRY_AFTER_SECONDS = 30;
/** Pictures a second until the rate is known. */
const ASSUMED_FRAME_RATE = 30;
/** The encoder drops pictures beyond this rate. */
const MAX_FRAME_RATE = 60;

/** The configured limits; those that are 0 follow the number of cores. */
export function workLimits(configured: Omit<WorkLimits, 'encoderCoreCount'>, coreCount: number): WorkLimits {
	const { maxBroadcasts, maxBroadcastsPerOwner, maxEncoderPixelsPerSecond, maxPublisherBitrateBps } = configured;
	return {
		maxBroadcasts: maxBroadcasts || coreCount * BROADCASTS_PER_CORE,
		maxBroadcastsPerOwner,
		maxEncoderPixelsPerSecond: maxEncoderPixelsPerSecond || coreCount * ENCODER_PIXELS_PER_SECOND_AND_CORE,
		maxPublisherBitrateBps,
		...(maxEncoderPixelsPerSecond === 0 ? { encoderCoreCount: coreCount } : {}),
	};
}

/**
 * Throws when one more broadcast of this owner is too many: LIMIT_REACHED when the owner has as many as allowed,
 * BROADCASTS_FULL when the server has.
 */
export function admitBroadcast(
	limits: Pick<WorkLimits, 'maxBroadcasts' | 'maxBroadcastsPerOwner'>,
	running: readonly Pick<BroadcastOwner, 'id'>[],
	newcomer: BroadcastOwner,
): void {
	const ownCount = newcomer.id === undefined ? 0 : running.filter(({ id }) => id === newcomer.id).length;
	if (!newcomer.isAdministrator && ownCount >= limits.maxBroadcastsPerOwner) {
		throw new SpillwayError('LIMIT_REACHED', [
			`this account is on air ${ownCount === 1 ? 'once' : `${ownCount} times`} already, which is all that one account may be here. End the other broadcast first`,
		]);
	}
	if (running.length >= limits.maxBroadcasts + (newcomer.isKnown ? RESERVED_BROADCASTS : 0)) {
		throw new SpillwayError('BROADCASTS_FULL', [limits.maxBroadcasts], { retryAfterSeconds: RETRY_AFTER_SECONDS });
	}
}

/** Cost of re-encoding a picture of this size. A frame rate of 0 is unknown. */
export function pixelsPerSecond(picture: { widthPixels: number; heightPixels: number }, frameRate: number): number {
	const rate = frameRate > 0 ? Math.min(frameRate, MAX_FRAME_RATE) : ASSUMED_FRAME_RATE;
	return picture.widthPixels * picture.heightPixels * rate;
}

/** Capacity for one encoder. */
export interface EncoderLease {
	/** The picture's size or rate has changed. Running encoders continue; only new ones are refused. */
	resize(pixelsPerSecond: number): void;
	/** Idempotent. */
	release(): void;
}

/** Capacity for the rungs of one broadcast: what re-encoding leaves. It is taken back when re-encoding needs it. */
export interface LadderLease {
	/** Whether a ladder of so many pixels a second fits beside all else now. */
	fits(pixelsPerSecond: number): boolean;
	/** The ladder has this size from now on, and a smaller one should follow when it no longer fits. */
	resize(pixelsPerSecond: number): void;
	/** The encoder of the ladder fell behind and loses a rung. */
	recordDrop(): void;
	/** The limit of all encoders, for messages to the streamer. */
	readonly limit: EncoderLimit;
	/** Idempotent. */
	release(): void;
}

/** A broadcast's access to encoder capacity. */
export interface EncoderGrants {
	/** A lease of no pixels yet. */
	ladder(): LadderLease;
	/** Undefined: there is no capacity. */
	acquire(pixelsPerSecond: number): EncoderLease | undefined;
	/** The limit, for messages to the streamer. */
	readonly maxPixelsPerSecond: number;
}

/** Counts re-encoded pixels. */
export class EncoderBudget {
	readonly #maxPixelsPerSecond: number;
	readonly #coreCount: number | undefined;
	#usedPixelsPerSecond = 0;
	#ladderPixelsPerSecond = 0;
	#droppedRungCount = 0;

	/** `coreCount`: the cores from which the limit follows. */
	constructor(maxPixelsPerSecond: number, coreCount?: number) {
		this.#maxPixelsPerSecond = maxPixelsPerSecond;
		this.#coreCount = coreCount;
	}

	get usedPixelsPerSecond(): number {
		return this.#usedPixelsPerSecond;
	}

	/** Granted pixels of rungs a second. */
	get ladderPixelsPerSecond(): number {
		return this.#ladderPixelsPerSecond;
	}

	/** Rungs that were dropped because an encoder fell behind. */
	get droppedRungCount(): number {
		return this.#droppedRungCount;
	}

	/** For one broadcast. */
	grantsFor({ isKnown }: Pick<BroadcastOwner, 'isKnown'>): EncoderGrants {
		const maxPixelsPerSecond = this.#maxPixelsPerSecond * (isKnown ? 1 + RESERVED_PIXEL_SHARE : 1);
		return {
			maxPixelsPerSecond,
			acquire: (wanted) => this.#acquire(wanted, maxPixelsPerSecond),
			ladder: () => this.#leaseLadder(),
		};
	}

	#acquire(wantedPixelsPerSecond: number, maxPixelsPerSecond: number): EncoderLease | undefined {
		if (this.#usedPixelsPerSecond + wantedPixelsPerSecond > maxPixelsPerSecond) {
			return undefined;
		}
		const resize = heldAmount((change) => (this.#usedPixelsPerSecond += change));
		resize(wantedPixelsPerSecond);
		return { resize, release: () => resize(0, true) };
	}

	#leaseLadder(): LadderLease {
		let heldPixelsPerSecond = 0;
		const resize = heldAmount((change) => {
			heldPixelsPerSecond += change;
			this.#ladderPixelsPerSecond += change;
		});
		return {
			fits: (pixels) => {
				const others = this.#usedPixelsPerSecond + this.#ladderPixelsPerSecond - heldPixelsPerSecond;
				return others + pixels <= this.#maxPixelsPerSecond;
			},
			resize,
			recordDrop: () => this.#droppedRungCount++,
			limit: { pixelsPerSecond: this.#maxPixelsPerSecond, coreCount: this.#coreCount },
			release: () => resize(0, true),
		};
	}
}

/** An amount that may change until it is given back. `apply` gets each change. */
function heldAmount(apply: (change: number) => void): (amount: number, isLast?: boolean) => void {
	let held = 0;
	let isReleased = false;
	return (amount, isLast = false) => {
		if (!isReleased) {
			apply(amount - held);
			held = amount;
			isReleased = isLast;
		}
	};
}
