/** How a server stops without cutting anybody off: first it is not ready, then broadcasts end, then answers are waited for. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { OpenRequests } from './open-requests.ts';

/** Longest wait for answers that are under way once all broadcasts have ended. */
const ANSWERS_TIMEOUT_MS = 1500;
/** Players that held a request learn from its answer that the stream has ended, and then fetch what is left of it. */
const LAST_FETCHES_MS = 400;

/** The steps of one stop. */
export class Drain {
	readonly #clock: Clock;
	readonly #requests: OpenRequests;
	readonly #hurry = new AbortController();
	#hasBegun = false;

	constructor(clock: Clock, requests: OpenRequests) {
		this.#clock = clock;
		this.#requests = requests;
	}

	/** True from begin() on: the server says that it is not ready. */
	get hasBegun(): boolean {
		return this.#hasBegun;
	}

	/** From now on the server is not ready. Resolves after the time in which balancers are to notice that. */
	async begin(drainMs: number): Promise<void> {
		this.#hasBegun = true;
		await this.#wait(drainMs);
	}

	/** Ends all waits of this stop. */
	hurry(): void {
		this.#hurry.abort();
	}

	/** To be called when all broadcasts have ended: waits for answers under way, and for what players fetch at the end. */
	async finishAnswers(hadBroadcasts: boolean): Promise<void> {
		if (this.#hasBegun && hadBroadcasts) {
			await this.#wait(LAST_FETCHES_MS);
		}
		await this.#requests.whenNone(ANSWERS_TIMEOUT_MS, this.#hurry.signal);
	}

	#wait(ms: number): Promise<void> {
		const { signal } = this.#hurry;
		if (ms <= 0 || signal.aborted) {
			return Promise.resolve();
		}
		return new Promise((resolve) => {
			const finish = (): void => {
				cancel();
				signal.removeEventListener('abort', finish);
				resolve();
			};
			const cancel = this.#clock.setTimeout(finish, ms);
			signal.addEventListener('abort', finish, { once: true });
		});
	}
}
