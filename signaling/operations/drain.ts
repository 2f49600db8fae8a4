/** Stops a server gracefully: it reports not ready, then ends broadcasts, then waits for open answers. */
import type { FastifyInstance } from 'fastify';
import { sleep, type Clock } from '../../core/lifecycle/clock.ts';

/** Longest wait for answers that are under way once all broadcasts have ended. */
const ANSWERS_TIMEOUT_MS = 1500;
/** Time for players to fetch the last parts, after the answer to a held request ended the playlist. */
const LAST_FETCHES_MS = 400;

const POLL_INTERVAL_MS = 20;

/** Counts the open requests of one server; sockets are notified separately. @internal for tests */
export class OpenRequests {
	readonly #clock: Clock;
	#count = 0;

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	get count(): number {
		return this.#count;
	}

	/** Call it before any route is registered. */
	watch(app: FastifyInstance): void {
		app.addHook('onRequest', (request, reply, done) => {
			if (request.headers.upgrade === undefined) {
				this.#count++;
				// Emitted once, whether the answer was sent or the client has left.
				reply.raw.once('close', () => this.#count--);
			}
			done();
		});
	}

	/** Resolves when no request is open, after the timeout, or when the signal aborts. */
	async whenNone(timeoutMs: number, signal: AbortSignal): Promise<void> {
		const endMs = this.#clock.monotonicMs() + timeoutMs;
		while (this.#count > 0 && this.#clock.monotonicMs() < endMs && !signal.aborted) {
			await sleep(this.#clock, POLL_INTERVAL_MS);
		}
	}
}

type Broadcasts = { readonly broadcasts: readonly unknown[]; close(): Promise<void> };
/** The ingest of publishers. */
type Door = { close(reason: 'server-shutdown'): Promise<unknown> };

export class Drain {
	readonly #clock: Clock;
	readonly #requests: OpenRequests;
	readonly #hurry = new AbortController();
	#hasBegun = false;

	constructor(clock: Clock, requests = new OpenRequests(clock)) {
		this.#clock = clock;
		this.#requests = requests;
	}

	/** True from begin() on. */
	get hasBegun(): boolean {
		return this.#hasBegun;
	}

	/** Call it before any route is registered. */
	watch(app: FastifyInstance): void {
		this.#requests.watch(app);
	}

	/** The server is not ready from now on. Resolves after the time that load balancers have to notice. */
	async begin(drainMs: number): Promise<void> {
		this.#hasBegun = true;
		await this.#wait(drainMs);
	}

	hurry(): void {
		this.#hurry.abort();
	}

	/** Ends all broadcasts while the port is open, so that held requests are answered with the end of the playlist. */
	async endBroadcasts(registry: Broadcasts, door: Door): Promise<void> {
		const hadBroadcasts = registry.broadcasts.length > 0;
		await Promise.all([door.close('server-shutdown'), registry.close()]);
		await this.finishAnswers(hadBroadcasts);
	}

	/** Call it when all broadcasts have ended: waits for open answers, and for the last fetches of players. */
	async finishAnswers(hadBroadcasts: boolean): Promise<void> {
		if (this.#hasBegun && hadBroadcasts) {
			await this.#wait(LAST_FETCHES_MS);
		}
		await this.#requests.whenNone(ANSWERS_TIMEOUT_MS, this.#hurry.signal);
	}

	// hurry() ends the wait early.
	async #wait(ms: number): Promise<void> {
		if (ms > 0) {
			await sleep(this.#clock, ms, this.#hurry.signal).catch(() => undefined);
		}
	}
}
