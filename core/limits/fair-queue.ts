/** A bounded queue in which groups take turns, and entries of a higher rank come first. */

type FairQueueLimits = {
	/** Entries in all. */
	maxEntries: number;
	/** Entries of one group. */
	maxPerGroup: number;
};

type Entry<Item> = { item: Item; group: string; rank: number };

/** Short: it is searched from end to end. */
export class FairQueue<Item> {
	readonly #limits: FairQueueLimits;
	// Oldest first.
	#entries: Entry<Item>[] = [];
	// The last turn of each waiting group; a group that had none comes before all others of its rank.
	readonly #lastTurns = new Map<string, number>();
	#turn = 0;

	constructor(limits: FairQueueLimits) {
		this.#limits = limits;
	}

	get size(): number {
		return this.#entries.length;
	}

	/**
	 * Adds an entry. When there is no room, it displaces an entry of a lower rank, or one of its own rank from a group
	 * with at least two entries more. Otherwise it is refused.
	 */
	add(item: Item, group: string, rank: number): { isAdded: true; displaced: Item | undefined } | { isAdded: false } {
		if (this.#countOf(group) >= this.#limits.maxPerGroup) {
			return { isAdded: false };
		}
		let displaced: Entry<Item> | undefined;
		if (this.#entries.length >= this.#limits.maxEntries) {
			displaced = this.#findRoom(group, rank);
			if (displaced === undefined) {
				return { isAdded: false };
			}
			this.#remove(displaced);
		}
		this.#entries.push({ item, group, rank });
		return { isAdded: true, displaced: displaced?.item };
	}

	/** Takes out the entry whose turn it is. */
	next(): Item | undefined {
		let next: Entry<Item> | undefined;
		for (const entry of this.#entries) {
			if (next === undefined || entry.rank > next.rank || this.#isBefore(entry, next)) {
				next = entry;
			}
		}
		if (next !== undefined) {
			this.#lastTurns.set(next.group, ++this.#turn);
			this.#remove(next);
		}
		return next?.item;
	}

	#isBefore(entry: Entry<Item>, other: Entry<Item>): boolean {
		const [turn, otherTurn] = [entry, other].map(({ group }) => this.#lastTurns.get(group) ?? 0);
		return entry.rank === other.rank && turn! < otherTurn!;
	}

	#findRoom(group: string, rank: number): Entry<Item> | undefined {
		const lowest = Math.min(...this.#entries.map((entry) => entry.rank));
		if (lowest > rank) {
			return undefined;
		}
		const candidates = this.#entries.filter((entry) => entry.rank === lowest);
		const largest = Math.max(...candidates.map((entry) => this.#countOf(entry.group)));
		if (lowest === rank && largest < this.#countOf(group) + 2) {
			return undefined;
		}
		// The newest of the largest group: its oldest is served next.
		return candidates.findLast((entry) => this.#countOf(entry.group) === largest);
	}

	#countOf(group: string): number {
		return this.#entries.reduce((count, entry) => count + (entry.group === group ? 1 : 0), 0);
	}

	#remove(entry: Entry<Item>): void {
		this.#entries = this.#entries.filter((other) => other !== entry);
		if (this.#countOf(entry.group) === 0) {
			this.#lastTurns.delete(entry.group);
		}
	}
}
