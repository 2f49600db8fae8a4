/**
 * How a server stops without cutting anybody off: first it is not ready, then broadcasts end, then answers are waited
 * for.
 */
import type { FastifyInstance } from 'fastify';
import { sleep, type Clock } from '../../core/lifecycle/clock.ts';

/** Longest wait for answers that are under way once all broadcasts have ended. */
const ANSWERS_TIMEOUT_MS = 1500;
/** Players that held a request learn from its answer that the stream has ended, and then fetch what is left of it. */
const LAST_FETCHES_MS = 400;

const POLL_INTERVAL_MS = 20;

/** Requests of one server; sockets are not among them, which are told by themselves. @internal for tests */
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

/** What ends all broadcasts, and whether there are any. */
type Broadcasts = { readonly broadcasts: readonly unknown[]; close(): Promise<void> };
/** Where publishers come in. */
type Door = { close(reason: 'server-shutdown'): Promise<unknown> };

/** The steps of one stop. */
export class Drain {
	readonly #clock: Clock;
	readonly #requests: OpenRequests;
	readonly #hurry = new AbortController();
	#hasBegun = false;

	constructor(clock: Clock, requests = new OpenRequests(clock)) {
		this.#clock = clock;
		this.#requests = requests;
	}

	/** True from begin() on: the server says that it is not ready. */
	get hasBegun(): boolean {
		return this.#hasBegun;
	}

	/** Begins to count requests. Call it before any route is registered. */
	watch(app: FastifyInstance): void {
		this.#requests.watch(app);
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

	/** Ends all broadcasts while the port is open, so that what players hold is answered with the end of the playlist. */
	async endBroadcasts(registry: Broadcasts, door: Door): Promise<void> {
		const hadBroadcasts = registry.broadcasts.length > 0;
		await Promise.all([door.close('server-shutdown'), registry.close()]);
		await this.finishAnswers(hadBroadcasts);
	}

	/**
	 * To be called when all broadcasts have ended: waits for answers under way, and for what players fetch at the end.
	 */
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
