/** Work that runs one round at a time: all requests during a round share the next one. The work must not reject. */
export class Rounds {
	readonly #work: () => Promise<void>;
	#running: Promise<void> | undefined;
	#isAskedAgain = false;

	constructor(work: () => Promise<void>) {
		this.#work = work;
	}

	/** Resolves after a round that started after this call. */
	ask(): Promise<void> {
		this.#isAskedAgain = this.#running !== undefined;
		this.#running ??= this.#run();
		return this.#running;
	}

	async #run(): Promise<void> {
		do {
			this.#isAskedAgain = false;
			await this.#work();
		} while (this.#isAskedAgain);
		this.#running = undefined;
	}
}
