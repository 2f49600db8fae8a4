/** Shares a running promise between callers. Keeps no result: a call after it has settled starts the work again. */

export class SingleFlight<T> {
	#running: Promise<T> | undefined;

	get isRunning(): boolean {
		return this.#running !== undefined;
	}

	/** Starts the work unless it is running. Rejects as the work does, for every caller. */
	run(work: () => Promise<T>): Promise<T> {
		if (this.#running === undefined) {
			const running = work().finally(() => (this.#running = undefined));
			this.#running = running;
		}
		return this.#running;
	}
}
