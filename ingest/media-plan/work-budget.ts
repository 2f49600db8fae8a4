/**
 * How much work the server takes on: which broadcasts it admits, how much picture it re-encodes, how much it receives.
 */
import { SpillwayError } from '../../core/errors/errors.ts';

/** The limits of one server. */
export type WorkLimits = {
	/** Broadcasts at once, interrupted ones included. */
	maxBroadcasts: number;
	/** Of them, those of one owner. Administrators are exempt. */
	maxBroadcastsPerOwner: number;
	/**
	 * Pixels of re-encoded picture a second, over all broadcasts. What passes through costs next to nothing and is not
	 * counted.
	 */
	maxEncoderPixelsPerSecond: number;
	/** Bits a second of one publisher, sound and picture together. */
	maxPublisherBitrateBps: number;
};

/** Whom a broadcast belongs to. */
export type BroadcastOwner = {
	/** Undefined: the channel belongs to nobody, and only the limit of the whole server counts. */
	id: string | undefined;
	/**
	 * Somebody whom an administrator has approved, or an administrator: there is some room that strangers cannot fill.
	 */
	isKnown: boolean;
	isAdministrator: boolean;
};

/**
 * A core carries some twenty passed-through broadcasts; four leave room for the viewers, the sound encoders and a
 * re-encoded picture.
 */
const BROADCASTS_PER_CORE = 4;
/**
 * One 1080p60 picture costs a little more than a core (docs/decisions.md), and each core has its viewers to serve
 * besides.
 */
const ENCODER_PIXELS_PER_SECOND_AND_CORE = (1920 * 1080 * 60) / 2;
/** Broadcasts beyond the limit that only known owners may begin. */
const RESERVED_BROADCASTS = 2;
/** The same for pictures: what known owners may use beyond the limit, as a share of it. */
const RESERVED_PIXEL_SHARE = 0.5;
/** When trying again makes sense: broadcasts end at any moment. */
const RETRY_AFTER_SECONDS = 30;
/** Pictures a second that a stream is taken to have until it is known. */
const ASSUMED_FRAME_RATE = 30;
/** The encoder leaves out what is beyond. */
const MAX_FRAME_RATE = 60;

/** The limits for a machine with so many cores, where the configuration says nothing (0). */
export function workLimits(
	configured: {
		maxBroadcasts: number;
		maxBroadcastsPerOwner: number;
		maxEncoderPixelsPerSecond: number;
		maxPublisherBitrateBps: number;
	},
	coreCount: number,
): WorkLimits {
	return {
		maxBroadcasts: configured.maxBroadcasts || coreCount * BROADCASTS_PER_CORE,
		maxBroadcastsPerOwner: configured.maxBroadcastsPerOwner,
		maxEncoderPixelsPerSecond: configured.maxEncoderPixelsPerSecond || coreCount * ENCODER_PIXELS_PER_SECOND_AND_CORE,
		maxPublisherBitrateBps: configured.maxPublisherBitrateBps,
	};
}

/**
 * Throws when one more broadcast of this owner is too many beside those that run: LIMIT_REACHED when the owner has as
 * many as allowed, BROADCASTS_FULL when the server has.
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

/** What re-encoding a picture of this size costs. A frame rate of 0 is one that is not known yet. */
export function pixelsPerSecond(picture: { widthPixels: number; heightPixels: number }, frameRate: number): number {
	const rate = frameRate > 0 ? Math.min(frameRate, MAX_FRAME_RATE) : ASSUMED_FRAME_RATE;
	return picture.widthPixels * picture.heightPixels * rate;
}

/** Room that was taken for one encoder. */
export interface EncoderLease {
	/** The picture has turned out to be larger or smaller. What runs already goes on; only newcomers are refused. */
	resize(pixelsPerSecond: number): void;
	/** Gives the room back. Idempotent. */
	release(): void;
}

/** What a broadcast asks before it re-encodes. */
export interface EncoderGrants {
	/** Undefined: there is no room. */
	take(pixelsPerSecond: number): EncoderLease | undefined;
	/** The limit, for the words to the streamer. */
	readonly maxPixelsPerSecond: number;
}

/** Counts the pictures that are being re-encoded. */
export class EncoderBudget {
	readonly #maxPixelsPerSecond: number;
	#usedPixelsPerSecond = 0;

	constructor(maxPixelsPerSecond: number) {
		this.#maxPixelsPerSecond = maxPixelsPerSecond;
	}

	/** Pixels a second that have been granted. */
	get usedPixelsPerSecond(): number {
		return this.#usedPixelsPerSecond;
	}

	/** For one broadcast. Known owners have some room that strangers cannot fill. */
	grantsFor({ isKnown }: Pick<BroadcastOwner, 'isKnown'>): EncoderGrants {
		const maxPixelsPerSecond = this.#maxPixelsPerSecond * (isKnown ? 1 + RESERVED_PIXEL_SHARE : 1);
		return { maxPixelsPerSecond, take: (wanted) => this.#take(wanted, maxPixelsPerSecond) };
	}

	#take(wantedPixelsPerSecond: number, maxPixelsPerSecond: number): EncoderLease | undefined {
		if (this.#usedPixelsPerSecond + wantedPixelsPerSecond > maxPixelsPerSecond) {
			return undefined;
		}
		let held = wantedPixelsPerSecond;
		let isReleased = false;
		this.#usedPixelsPerSecond += held;
		return {
			resize: (pixels) => {
				if (!isReleased) {
					this.#usedPixelsPerSecond += pixels - held;
					held = pixels;
				}
			},
			release: () => {
				if (!isReleased) {
					isReleased = true;
					this.#usedPixelsPerSecond -= held;
				}
			},
		};
	}
}
