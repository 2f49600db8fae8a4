/** Time and timers as an interface, so that tests own them. Nothing else calls Date.now() or setTimeout() directly. */

/** Stops a timer. Harmless when it has fired. */
export type CancelTimer = () => void;

/** The source of time for every object. */
export interface Clock {
	/** Epoch milliseconds, fractional; steps when the machine's clock is set. For times that people or peers see. */
	nowMs(): number;
	/** Milliseconds since an arbitrary start, fractional; never steps back. For every interval and deadline. */
	monotonicMs(): number;
	/** Calls back once. The timer does not keep the process alive. */
	setTimeout(callback: () => void, delayMs: number): CancelTimer;
	/** Calls back repeatedly. The timer does not keep the process alive. */
	setInterval(callback: () => void, intervalMs: number): CancelTimer;
}

type NodeTimer = { unref?: () => void };

/** The machine's clock. */
export const systemClock: Clock = {
	nowMs: () => performance.timeOrigin + performance.now() + wallCorrectionMs(),
	monotonicMs: () => performance.now(),
	setTimeout(callback, delayMs) {
		const timer = setTimeout(callback, delayMs);
		(timer as unknown as NodeTimer).unref?.();
		return () => clearTimeout(timer);
	},
	setInterval(callback, intervalMs) {
		const timer = setInterval(callback, intervalMs);
		(timer as unknown as NodeTimer).unref?.();
		return () => clearInterval(timer);
	},
};

let correctionMs = 0;
let correctedAtMs = -Infinity;

// performance.now() has the resolution that capture times need, but does not follow the slewing of the wall clock.
// Date.now() follows it in whole milliseconds. So once a second a difference above that resolution is corrected.
function wallCorrectionMs(): number {
	const monotonic = performance.now();
	if (monotonic - correctedAtMs > 1000) {
		correctedAtMs = monotonic;
		const difference = Date.now() + 0.5 - (performance.timeOrigin + monotonic + correctionMs);
		if (Math.abs(difference) > 1) {
			correctionMs += difference;
		}
	}
	return correctionMs;
}

/** Resolves after the delay, or rejects with the signal's reason as soon as it aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
	return new Promise((resolve, reject) => {
		if (signal?.aborted) {
			reject(signal.reason as Error);
			return;
		}
		const cancel = clock.setTimeout(() => {
			signal?.removeEventListener('abort', onAbort);
			resolve();
		}, delayMs);
		const onAbort = (): void => {
			cancel();
			reject(signal!.reason as Error);
		};
		signal?.addEventListener('abort', onAbort, { once: true });
	});
}

/** Settles as the promise does, or rejects with the error that `onTimeout` returns when the time is up. */
export function withDeadline<T>(
	clock: Clock,
	promise: Promise<T>,
	timeoutMs: number,
	onTimeout: () => Error,
): Promise<T> {
	return new Promise((resolve, reject) => {
		const cancel = clock.setTimeout(() => reject(onTimeout()), timeoutMs);
		promise.then(
			(value) => {
				cancel();
				resolve(value);
			},
			(error: unknown) => {
				cancel();
				reject(error as Error);
			},
		);
	});
}
