/** Places for what is pending, such as a connection during set-up: a new member displaces the oldest. */
import { SpillwayError } from '../errors/errors.ts';
import { SharePool, type SharePoolLimits } from './share-pool.ts';

/** Wait after a refusal, when known members hold all places. */
const FULL_WAIT_SECONDS = 5;

/** The place of one pending member. */
export type PendingPlace = {
	/** `end` is called when the place is needed for another member; at once, when it is needed already. */
	holdFor(end: () => void): void;
	/** The member is established, or has ended. */
	release(): void;
};

export class PendingPlaces {
	readonly #pool: SharePool<{ displace: () => void }>;

	constructor(limits: SharePoolLimits) {
		this.#pool = new SharePool(limits, 'displace-oldest');
	}

	get count(): number {
		return this.#pool.size;
	}

	/** Throws RATE_LIMITED when no member can be displaced. */
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
