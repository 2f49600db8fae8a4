/** Which packets are lost or overtaken: by chance, from a seed, so that a run can be repeated. Pure. */
import type { Line } from './line.ts';

/** Numbers in [0, 1) from a seed (mulberry32). */
export function seededChance(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
}

/** @internal for tests */
export type PacketFate = 'passes' | 'lost' | 'overtaken';

export class LossModel {
	readonly #chance: () => number;
	/** Packets of the present burst that are still to be lost. */
	#leftOfBurst = 0;

	constructor(chance: () => number) {
		this.#chance = chance;
	}

	/** Of the next packet. */
	next({ lossRatio, lossBurst, reorderRatio }: Pick<Line, 'lossRatio' | 'lossBurst' | 'reorderRatio'>): PacketFate {
		if (lossRatio === 0) {
			this.#leftOfBurst = 0;
		}
		if (this.#leftOfBurst > 0) {
			this.#leftOfBurst--;
			return 'lost';
		}
		// So that the packets of all bursts together are the ratio of all packets.
		const startRatio = lossRatio / (lossBurst - lossRatio * (lossBurst - 1));
		if (this.#chance() < startRatio) {
			this.#leftOfBurst = lossBurst - 1;
			return 'lost';
		}
		return reorderRatio > 0 && this.#chance() < reorderRatio ? 'overtaken' : 'passes';
	}
}
