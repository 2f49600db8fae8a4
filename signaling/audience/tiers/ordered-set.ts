/** A sorted set for a million viewers, made of sorted blocks, so that an insertion moves few references. */

/** A longer block is split. An insertion costs the length of a block, `rankOf` the number of blocks. */
const MAX_BLOCK_LENGTH = 1024;

/** Needs a total order; an element's place must not change while it is in the set. */
export class OrderedSet<Element> {
	readonly #compare: (a: Element, b: Element) => number;
	readonly #blocks: Element[][] = [];
	#size = 0;

	constructor(compare: (a: Element, b: Element) => number) {
		this.#compare = compare;
	}

	get size(): number {
		return this.#size;
	}

	/** The element must not be in the set. */
	add(element: Element): void {
		this.#size++;
		if (this.#blocks.length === 0) {
			this.#blocks.push([element]);
			return;
		}
		const blockIndex = Math.min(this.#blockOf(element), this.#blocks.length - 1);
		const block = this.#blocks[blockIndex]!;
		block.splice(this.#placeIn(block, element), 0, element);
		if (block.length > MAX_BLOCK_LENGTH) {
			this.#blocks.splice(blockIndex + 1, 0, block.splice(block.length >> 1));
		}
	}

	/** False when the element is not in the set. */
	delete(element: Element): boolean {
		const blockIndex = this.#blockOf(element);
		const block = this.#blocks[blockIndex];
		if (block === undefined) {
			return false;
		}
		const place = this.#placeIn(block, element);
		if (place >= block.length || this.#compare(block[place]!, element) !== 0) {
			return false;
		}
		block.splice(place, 1);
		if (block.length === 0) {
			this.#blocks.splice(blockIndex, 1);
		}
		this.#size--;
		return true;
	}

	/** How many elements precede this one, which need not be in the set. */
	rankOf(element: Element): number {
		const blockIndex = this.#blockOf(element);
		let rank = 0;
		for (let index = 0; index < blockIndex; index++) {
			rank += this.#blocks[index]!.length;
		}
		const block = this.#blocks[blockIndex];
		return block === undefined ? rank : rank + this.#placeIn(block, element);
	}

	/** First to last. The set must not change meanwhile. */
	*ascending(): Generator<Element, undefined> {
		for (const block of this.#blocks) {
			yield* block;
		}
	}

	/** Last to first. The set must not change meanwhile. */
	*descending(): Generator<Element, undefined> {
		for (let blockIndex = this.#blocks.length - 1; blockIndex >= 0; blockIndex--) {
			const block = this.#blocks[blockIndex]!;
			for (let index = block.length - 1; index >= 0; index--) {
				yield block[index]!;
			}
		}
	}

	// The first block whose last element does not precede this one; the number of blocks when there is none.
	#blockOf(element: Element): number {
		let low = 0;
		let high = this.#blocks.length;
		while (low < high) {
			const middle = (low + high) >> 1;
			if (this.#compare(this.#blocks[middle]!.at(-1)!, element) < 0) {
				low = middle + 1;
			} else {
				high = middle;
			}
		}
		return low;
	}

	#placeIn(block: readonly Element[], element: Element): number {
		let low = 0;
		let high = block.length;
		while (low < high) {
			const middle = (low + high) >> 1;
			if (this.#compare(block[middle]!, element) < 0) {
				low = middle + 1;
			} else {
				high = middle;
			}
		}
		return low;
	}
}
