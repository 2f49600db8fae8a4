/** Counts requests that have no whole answer yet, so that a server that stops can wait for them. */
import type { FastifyInstance } from 'fastify';
import { sleep, type Clock } from '../../core/lifecycle/clock.ts';

const POLL_INTERVAL_MS = 20;

/** Requests of one server; sockets are not among them, which are told by themselves. */
export class OpenRequests {
	readonly #clock: Clock;
	#count = 0;

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** How many there are. */
	get count(): number {
		return this.#count;
	}

	/** Begins to count. Call it before any route is registered. */
	watch(app: FastifyInstance): void {
		app.addHook('onRequest', (request, reply, done) => {
			if (request.headers.upgrade === undefined) {
				this.#count++;
				// Comes once, whether the answer was sent or the client has left.
				reply.raw.once('close', () => this.#count--);
			}
			done();
		});
	}

	/** Resolves when there is none, after the time, or when the signal aborts. */
	async whenNone(timeoutMs: number, signal: AbortSignal): Promise<void> {
		const endMs = this.#clock.monotonicMs() + timeoutMs;
		while (this.#count > 0 && this.#clock.monotonicMs() < endMs && !signal.aborted) {
			await sleep(this.#clock, POLL_INTERVAL_MS);
		}
	}
}
