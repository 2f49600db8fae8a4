/** A binary heap of deadlines, the nearest first. The caller recognises outdated entries. */

type Deadline<Subject> = { atMs: number; subject: Subject };

/** A subject may have several deadlines. */
export class DeadlineQueue<Subject> {
	readonly #heap: Deadline<Subject>[] = [];

	/** Includes outdated entries. */
	get size(): number {
		return this.#heap.length;
	}

	add(atMs: number, subject: Subject): void {
		const heap = this.#heap;
		const entry = { atMs, subject };
		let index = heap.push(entry) - 1;
		while (index > 0) {
			const parent = (index - 1) >> 1;
			if (heap[parent]!.atMs <= atMs) {
				break;
			}
			heap[index] = heap[parent]!;
			index = parent;
		}
		heap[index] = entry;
	}

	/** Removes and returns the nearest deadline if it is due. */
	takeDue(nowMs: number): Deadline<Subject> | undefined {
		const heap = this.#heap;
		const first = heap[0];
		if (first === undefined || first.atMs > nowMs) {
			return undefined;
		}
		const last = heap.pop()!;
		if (heap.length > 0) {
			this.#sinkFromTop(last);
		}
		return first;
	}

	#sinkFromTop(entry: Deadline<Subject>): void {
		const heap = this.#heap;
		let index = 0;
		for (;;) {
			let child = 2 * index + 1;
			if (child >= heap.length) {
				break;
			}
			if (child + 1 < heap.length && heap[child + 1]!.atMs < heap[child]!.atMs) {
				child++;
			}
			if (heap[child]!.atMs >= entry.atMs) {
				break;
			}
			heap[index] = heap[child]!;
			index = child;
		}
		heap[index] = entry;
	}
}
