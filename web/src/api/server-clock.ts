/** Estimates the server's clock from the browser's, as NTP does, so that latency needs no synchronized machines. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { sleep } from '../../../core/lifecycle/clock.ts';
import type { ServerTime } from '../../../core/protocol/api/server-time.ts';

type ClockExchange = { sentAtMs: number; receivedAtMs: number; serverMs: number };

/** `offsetMs`: from monotonic to the server's epoch milliseconds. `uncertaintyMs`: half the round trip. */
export type ClockEstimate = { offsetMs: number; uncertaintyMs: number; measuredAtMs: number };

/** Crystals differ by up to some 50 parts per million: the error of an estimate grows by this each second. */
const DRIFT_MS_PER_SECOND = 0.05;
/** Two correct estimates may differ by rounding. */
const CONTRADICTION_SLACK_MS = 2;
const EXCHANGE_COUNT = 6;
const EXCHANGE_SPACING_MS = 120;
const REFRESH_MS = 30_000;
/** The first round is during the busy start of a page, when answers wait for the browser: the second follows soon. */
const SECOND_ROUND_MS = 3000;
const REQUEST_TIMEOUT_MS = 5000;

/**
 * The server read its clock between our two readings; the middle is the best guess (RFC 5905 §8).
 * @internal for tests
 */
export function estimateFromExchange(exchange: ClockExchange): ClockEstimate {
	return {
		offsetMs: exchange.serverMs - (exchange.sentAtMs + exchange.receivedAtMs) / 2,
		uncertaintyMs: (exchange.receivedAtMs - exchange.sentAtMs) / 2,
		measuredAtMs: exchange.receivedAtMs,
	};
}

/** The estimate with the least error now, including its age. @internal for tests */
export function bestEstimate(estimates: readonly ClockEstimate[], nowMs: number): ClockEstimate | undefined {
	const errorMs = (estimate: ClockEstimate): number => estimate.uncertaintyMs + driftMs(estimate, nowMs);
	return estimates.toSorted((one, other) => errorMs(one) - errorMs(other))[0];
}

function driftMs({ measuredAtMs }: ClockEstimate, nowMs: number): number {
	return (Math.max(0, nowMs - measuredAtMs) / 1000) * DRIFT_MS_PER_SECOND;
}

/**
 * The estimate to keep after a fresh one. Two that exclude each other mean that one of the clocks was set; then the
 * fresh one is right, however good the old one was.
 * @internal for tests
 */
export function mergeEstimate(kept: ClockEstimate | undefined, fresh: ClockEstimate): ClockEstimate {
	if (kept === undefined) {
		return fresh;
	}
	const possibleMs =
		kept.uncertaintyMs + fresh.uncertaintyMs + driftMs(kept, fresh.measuredAtMs) + CONTRADICTION_SLACK_MS;
	return Math.abs(fresh.offsetMs - kept.offsetMs) > possibleMs
		? fresh
		: bestEstimate([kept, fresh], fresh.measuredAtMs)!;
}

/** From an exchange over the signaling socket, which has the server's times of the question and of the answer. */
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

type ServerClockDeps = {
	clock: Clock;
	/** The server's time; may reject, and is then called again in the next round. */
	fetchTime: (signal: AbortSignal) => Promise<ServerTime>;
};

/** Asks the server for its time in rounds, unless the signaling socket does; one per page. */
export class ServerClock {
	readonly #deps: ServerClockDeps;
	readonly #abort = new AbortController();
	#estimate: ClockEstimate | undefined;
	#isStarted = false;
	#isFed = false;

	constructor(deps: ServerClockDeps) {
		this.#deps = deps;
	}

	/** Asks until {@link stop}. Idempotent. */
	start(): void {
		if (!this.#isStarted) {
			this.#isStarted = true;
			void this.#run();
		}
	}

	stop(): void {
		this.#abort.abort();
	}

	/** The maximum error of the estimate; undefined before the first answer. */
	get uncertaintyMs(): number | undefined {
		return this.#estimate?.uncertaintyMs;
	}

	/** The server's epoch milliseconds at a monotonic time (`performance.now()`); undefined before the first answer. */
	toServerMs(monotonicMs: number): number | undefined {
		return this.#estimate === undefined ? undefined : monotonicMs + this.#estimate.offsetMs;
	}

	/** True while the signaling socket delivers estimates: then nothing is requested over HTTP. */
	setFed(isFed: boolean): void {
		this.#isFed = isFed;
	}

	/** Adds an estimate that was measured elsewhere. */
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
			// Without an estimate no latency can be shown, so ask again soon.
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
			// The server is away: the old estimate is good for minutes, and the next round asks again.
		}
	}
}
