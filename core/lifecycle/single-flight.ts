/** One piece of work at a time: whoever asks while it is under way gets the result of the one that runs. */

/** Shares a running promise between callers. Keeps no result: the next call after it has settled begins anew. */
export class SingleFlight<T> {
	#running: Promise<T> | undefined;

	/** True until the work has settled. */
	get isRunning(): boolean {
		return this.#running !== undefined;
	}

	/** Begins the work, unless it is under way. Rejects as the work does, for everybody who waits for it. */
	run(work: () => Promise<T>): Promise<T> {
		if (this.#running === undefined) {
			const running = work().finally(() => (this.#running = undefined));
			this.#running = running;
		}
		return this.#running;
	}
}
