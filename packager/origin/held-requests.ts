/** Bounds how many requests are held per broadcast and per client, and detects clients that ask too often. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import { TokenBuckets } from '../../core/limits/token-bucket.ts';
import type { PackagerConfig } from '../config/packager-config.ts';

type HeldRequestLimits = Pick<PackagerConfig, 'maxHeldRequests' | 'maxHeldRequestsPerAddress'>;

/** Above this share of a broadcast's room only clients that hold few are admitted: greedy ones cannot fill it. */
const OPEN_SHARE = 0.75;
/** Held requests of a household: a player holds two at a time, picture and sound, and a hinted part each. */
const FEW_REQUESTS = 16;
const RETRY_AFTER_SECONDS = 1;
/** Rate of one client before it waits for its turn: twenty viewers request 400 playlists and parts a second. */
const FREE_RATE = { perSecond: 400, burst: 200 };
const MAX_CLIENTS = 10_000;

type HeldPlace = {
	/** Idempotent. */
	leave: () => void;
	/** Its client holds many requests, so others are answered first. */
	isOfCrowd: boolean;
};

/** Counts what is held in one process. Every step costs the same however many requests are held. */
export class HeldRequests {
	readonly #limits: HeldRequestLimits;
	readonly #byPlace = new Map<string, number>();
	readonly #byClient = new Map<string, number>();
	readonly #rates: TokenBuckets;

	constructor(clock: Clock, limits: HeldRequestLimits) {
		this.#limits = limits;
		this.#rates = new TokenBuckets(clock, FREE_RATE, MAX_CLIENTS);
	}

	/** `place`: a broadcast, or a channel that starts. Without a client only it counts. Throws HELD_REQUESTS_FULL. */
	enter(place: string, client: string | undefined): HeldPlace {
		const { maxHeldRequests, maxHeldRequestsPerAddress } = this.#limits;
		const atPlace = this.#byPlace.get(place) ?? 0;
		const ofClient = client === undefined ? 0 : (this.#byClient.get(client) ?? 0);
		if (atPlace >= maxHeldRequests) {
			throw full('too many viewers of this channel wait for its next part');
		}
		if (ofClient >= maxHeldRequestsPerAddress) {
			throw full('too many requests of your network wait already');
		}
		if (atPlace >= maxHeldRequests * OPEN_SHARE && ofClient >= FEW_REQUESTS) {
			throw full('this channel is nearly full, and many requests of your network wait already');
		}
		this.#byPlace.set(place, atPlace + 1);
		if (client !== undefined) {
			this.#byClient.set(client, ofClient + 1);
		}
		let isHeld = true;
		const leave = (): void => {
			if (isHeld) {
				isHeld = false;
				countDown(this.#byPlace, place);
				if (client !== undefined) {
					countDown(this.#byClient, client);
				}
			}
		};
		return { leave, isOfCrowd: ofClient >= FEW_REQUESTS };
	}

	/** Counts a request. True when its client asks so often that others are answered first. */
	isBusy(client: string | undefined): boolean {
		return client !== undefined && this.#rates.take(client) > 0;
	}

	/** Places and clients that hold anything now. */
	get keyCount(): number {
		return this.#byPlace.size + this.#byClient.size;
	}
}

function countDown(counts: Map<string, number>, key: string): void {
	const count = counts.get(key)! - 1;
	if (count === 0) {
		counts.delete(key);
	} else {
		counts.set(key, count);
	}
}

function full(reason: string): SpillwayError {
	return new SpillwayError('HELD_REQUESTS_FULL', [reason], { retryAfterSeconds: RETRY_AFTER_SECONDS });
}
