/** How many sockets are open, by address and in all, and how many there may be. */

/** Bounds. */
export type SocketLimits = { maxSockets: number; maxSocketsPerAddress: number };

/** Counts sockets. */
export class SocketAdmission {
	readonly #limits: SocketLimits;
	readonly #byAddress = new Map<string, number>();
	#count = 0;

	constructor(limits: SocketLimits) {
		this.#limits = limits;
	}

	/** Sockets that are open now. */
	get count(): number {
		return this.#count;
	}

	/** Counts one more and returns the function that gives it back; or says which bound was reached. */
	admit(address: string): { release: () => void } | { refusal: 'server-full' | 'address-full' } {
		const held = this.#byAddress.get(address) ?? 0;
		if (this.#count >= this.#limits.maxSockets) {
			return { refusal: 'server-full' };
		}
		// Behind a proxy on this machine everybody has a loopback address.
		if (held >= this.#limits.maxSocketsPerAddress && !isLoopback(address)) {
			return { refusal: 'address-full' };
		}
		this.#count++;
		this.#byAddress.set(address, held + 1);
		let isReleased = false;
		return {
			release: () => {
				if (!isReleased) {
					isReleased = true;
					this.#release(address);
				}
			},
		};
	}

	#release(address: string): void {
		this.#count--;
		const left = (this.#byAddress.get(address) ?? 1) - 1;
		if (left === 0) {
			this.#byAddress.delete(address);
		} else {
			this.#byAddress.set(address, left);
		}
	}
}

/** True for addresses of this machine itself, also in their IPv6 form. */
export function isLoopback(address: string): boolean {
	return address === '::1' || /^(::ffff:)?127\./i.test(address);
}
