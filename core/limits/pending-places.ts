/**
 * Places for what takes a while to come about, such as a connection that is being set up: the oldest gives way to the
 * newcomer.
 */
import { SpillwayError } from '../errors/errors.ts';
import { SharePool, type SharePoolLimits } from './share-pool.ts';

/** When to come again after all places were taken by those who are known. */
const FULL_WAIT_SECONDS = 5;

/** A place of somebody who is on the way. */
export type PendingPlace = {
	/** What has to be ended when the place is needed for somebody else; at once, when it was needed already. */
	holdFor(end: () => void): void;
	/** It has come about, or is over. */
	release(): void;
};

/** Hands out places. Holds no resources. */
export class PendingPlaces {
	readonly #pool: SharePool<{ displace: () => void }>;

	constructor(limits: SharePoolLimits) {
		this.#pool = new SharePool(limits, 'displace-oldest');
	}

	/** How many are on the way. */
	get count(): number {
		return this.#pool.size;
	}

	/** Throws RATE_LIMITED when there is nobody who could give way. */
	take(group: string, isKnown: boolean): PendingPlace {
		let isDisplaced = false;
		let end: (() => void) | undefined;
		const member = {
			displace: () => {
				isDisplaced = true;
				end?.();
			},
		};
		const admission = this.#pool.admit(member, group, isKnown);
		if (!admission.isAdmitted) {
			throw new SpillwayError('RATE_LIMITED', [FULL_WAIT_SECONDS], { retryAfterSeconds: FULL_WAIT_SECONDS });
		}
		admission.displaced?.displace();
		return {
			holdFor: (callback) => {
				end = callback;
				if (isDisplaced) {
					callback();
				}
			},
			release: () => {
				end = undefined;
				this.#pool.release(member);
			},
		};
	}
}
