/** Estimates the server's clock from the browser's, as NTP does, so that latency needs no synchronised machines. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { sleep } from '../../../core/lifecycle/clock.ts';
import type { ServerTime } from '../../../core/protocol/api/server-time.ts';

/** One question and answer. */
type ClockExchange = { sentAtMs: number; receivedAtMs: number; serverMs: number };

/**
 * The offset that turns monotonic into the server's epoch milliseconds, and half the round trip: the most it can be
 * wrong.
 */
export type ClockEstimate = { offsetMs: number; uncertaintyMs: number; measuredAtMs: number };

/** Crystals differ by up to some 50 parts per million: an estimate loses this much each second. */
const DRIFT_MS_PER_SECOND = 0.05;
/** Two honest estimates may differ by rounding. */
const CONTRADICTION_SLACK_MS = 2;
const EXCHANGE_COUNT = 6;
const EXCHANGE_SPACING_MS = 120;
const REFRESH_MS = 30_000;
/** The first round falls into the busy start of a page, when answers wait for the browser: soon ask again. */
const SECOND_ROUND_MS = 3000;
const REQUEST_TIMEOUT_MS = 5000;

/**
 * The server read its clock somewhere between our two readings; halfway is the best guess (RFC 5905 §8).
 * @internal for tests
 */
export function estimateFromExchange(exchange: ClockExchange): ClockEstimate {
	return {
		offsetMs: exchange.serverMs - (exchange.sentAtMs + exchange.receivedAtMs) / 2,
		uncertaintyMs: (exchange.receivedAtMs - exchange.sentAtMs) / 2,
		measuredAtMs: exchange.receivedAtMs,
	};
}

/** The one that is least wrong now, counting its age. @internal for tests */
export function bestEstimate(estimates: readonly ClockEstimate[], nowMs: number): ClockEstimate | undefined {
	const doubt = (estimate: ClockEstimate): number =>
		estimate.uncertaintyMs + (Math.max(0, nowMs - estimate.measuredAtMs) / 1000) * DRIFT_MS_PER_SECOND;
	return estimates.toSorted((one, other) => doubt(one) - doubt(other))[0];
}

/**
 * The kept estimate after a fresh one. Two that exclude each other mean that one of the clocks was set; then the fresh
 * one is right, however good the old one was.
 * @internal for tests
 */
export function mergeEstimate(kept: ClockEstimate | undefined, fresh: ClockEstimate): ClockEstimate {
	if (kept === undefined) {
		return fresh;
	}
	const driftMs = (Math.max(0, fresh.measuredAtMs - kept.measuredAtMs) / 1000) * DRIFT_MS_PER_SECOND;
	const possibleMs = kept.uncertaintyMs + fresh.uncertaintyMs + driftMs + CONTRADICTION_SLACK_MS;
	return Math.abs(fresh.offsetMs - kept.offsetMs) > possibleMs
		? fresh
		: bestEstimate([kept, fresh], fresh.measuredAtMs)!;
}

/**
 * An exchange over the signaling socket, in which the server tells both when it read the question and when it answered.
 */
export function estimateFromSocket(exchange: {
	clientSentMs: number;
	clientReceivedMs: number;
	serverReceivedMs: number;
	serverSentMs: number;
}): ClockEstimate {
	const { clientSentMs, clientReceivedMs, serverReceivedMs, serverSentMs } = exchange;
	const serverTookMs = Math.max(0, serverSentMs - serverReceivedMs);
	return {
		offsetMs: (serverReceivedMs - clientSentMs + serverSentMs - clientReceivedMs) / 2,
		uncertaintyMs: Math.max(0, clientReceivedMs - clientSentMs - serverTookMs) / 2,
		measuredAtMs: clientReceivedMs,
	};
}

/** Asks the server for its time in rounds, unless the signaling socket does; one per page. */
export class ServerClock {
	readonly #deps: { clock: Clock; fetchTime: (signal: AbortSignal) => Promise<ServerTime> };
	readonly #abort = new AbortController();
	#estimate: ClockEstimate | undefined;
	#isStarted = false;
	#isFed = false;

	/** `fetchTime` answers with the server's time; it may reject, and is then asked again in the next round. */
	constructor(clock: Clock, fetchTime: (signal: AbortSignal) => Promise<ServerTime>) {
		this.#deps = { clock, fetchTime };
	}

	/** Begins asking, until {@link stop}. */
	start(): void {
		if (!this.#isStarted) {
			this.#isStarted = true;
			void this.#run();
		}
	}

	/** Ends for good. */
	stop(): void {
		this.#abort.abort();
	}

	/** How far the estimate may be wrong; undefined before the first answer. */
	get uncertaintyMs(): number | undefined {
		return this.#estimate?.uncertaintyMs;
	}

	/**
	 * The server's epoch milliseconds at a monotonic time of ours (`performance.now()`); undefined before the first
	 * answer.
	 */
	toServerMs(monotonicMs: number): number | undefined {
		return this.#estimate === undefined ? undefined : monotonicMs + this.#estimate.offsetMs;
	}

	/** True while the signaling socket brings estimates: then nothing is asked over HTTP. */
	setFed(isFed: boolean): void {
		this.#isFed = isFed;
	}

	/** Takes what was measured elsewhere. */
	add(estimate: ClockEstimate): void {
		this.#estimate = mergeEstimate(this.#estimate, estimate);
	}

	async #run(): Promise<void> {
		const { signal } = this.#abort;
		for (let round = 0; !signal.aborted; round++) {
			for (let index = 0; index < EXCHANGE_COUNT && !signal.aborted && !this.#isFed; index++) {
				await this.#exchange(signal);
				await sleep(this.#deps.clock, EXCHANGE_SPACING_MS, signal).catch(() => undefined);
			}
			// Until there is one, also ask again soon: without it no latency can be shown.
			const delayMs = round === 0 || this.#estimate === undefined ? SECOND_ROUND_MS : REFRESH_MS;
			await sleep(this.#deps.clock, delayMs, signal).catch(() => undefined);
		}
	}

	async #exchange(signal: AbortSignal): Promise<void> {
		const sentAtMs = this.#deps.clock.monotonicMs();
		try {
			const { nowMs } = await this.#deps.fetchTime(AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]));
			const receivedAtMs = this.#deps.clock.monotonicMs();
			this.add(estimateFromExchange({ sentAtMs, receivedAtMs, serverMs: nowMs }));
		} catch {
			// The server is away: the old estimate stays good for minutes, and the next round asks again.
		}
	}
}
