/**
 * How many sockets are open, of viewers and of IRC clients alike, and which of them give way when all places are taken.
 */
import { SenderGroups } from '../../../core/limits/address-key.ts';
import { SharePool } from '../../../core/limits/share-pool.ts';

/** Bounds. @internal for tests */
export type SocketLimits = { maxSockets: number; maxSocketsPerAddress: number };

/** Whose socket it is. */
type SocketOwner = {
	/** As the request says; a proxy that is trusted has named the viewer. */
	address: string;
	/** Signed in: some places are kept for them. */
	isKnown: boolean;
};

/** Part of the places that only people who are signed in may take. */
const RESERVE_RATIO = 0.1;

type Place = { displace: () => void };

/** Counts sockets by address group. */
export class SocketAdmission {
	readonly #pool: SharePool<Place>;
	readonly #senders = new SenderGroups();

	constructor({ maxSockets, maxSocketsPerAddress }: SocketLimits) {
		const reserve = Math.floor(maxSockets * RESERVE_RATIO);
		this.#pool = new SharePool({ capacity: maxSockets, reserve, share: maxSocketsPerAddress }, 'refuse');
	}

	/** Sockets that are open now. */
	get count(): number {
		return this.#pool.size;
	}

	/** Whether one more is let in now; counts nothing. */
	hasRoom({ address, isKnown }: SocketOwner): boolean {
		return this.#pool.hasRoom(this.#senders.groupOf(address), isKnown);
	}

	/**
	 * Counts one more and returns the function that gives its place back; undefined when there is no room. `displace` is
	 * called when the place is needed for somebody whose address group holds fewer; it has to close the socket.
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
