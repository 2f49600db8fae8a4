/** Admits the sockets of viewers and IRC clients, and chooses the one to displace when all places are taken. */
import { SenderGroups } from '../../../core/limits/address-key.ts';
import { SharePool } from '../../../core/limits/share-pool.ts';

/** @internal for tests */
export type SocketLimits = { maxSockets: number; maxSocketsPerAddress: number };

type SocketOwner = {
	/** The client's address, resolved behind trusted proxies. */
	address: string;
	/** Signed in: some places are reserved for them. */
	isKnown: boolean;
};

/** Part of the places reserved for signed-in users. */
const RESERVE_RATIO = 0.1;

type Place = { displace: () => void };

export class SocketAdmission {
	readonly #pool: SharePool<Place>;
	readonly #senders = new SenderGroups();

	constructor({ maxSockets, maxSocketsPerAddress }: SocketLimits) {
		const reserve = Math.floor(maxSockets * RESERVE_RATIO);
		this.#pool = new SharePool({ capacity: maxSockets, reserve, share: maxSocketsPerAddress }, 'refuse');
	}

	get count(): number {
		return this.#pool.size;
	}

	/** Whether one more is admitted now; counts nothing. */
	hasRoom({ address, isKnown }: SocketOwner): boolean {
		return this.#pool.hasRoom(this.#senders.groupOf(address), isKnown);
	}

	/**
	 * Counts one more and returns the function that releases its place; undefined when there is no room. `displace` must
	 * close the socket; it is called when an address group with fewer sockets needs the place.
	 */
	admit({ address, isKnown }: SocketOwner, displace: () => void): (() => void) | undefined {
		const place = { displace };
		const admission = this.#pool.admit(place, this.#senders.groupOf(address), isKnown);
		if (!admission.isAdmitted) {
			return undefined;
		}
		admission.displaced?.displace();
		return () => this.#pool.release(place);
	}
}
