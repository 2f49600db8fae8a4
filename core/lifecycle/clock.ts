/** Time and timers as an interface, so that tests own them. Nothing else calls Date.now() or setTimeout() directly. */

/** Stops a timer. Harmless when it has fired. */
export type CancelTimer = () => void;

/** Where every object of ours gets time from. */
export interface Clock {
	/**
	 * Epoch milliseconds, fractional; steps when the operator sets the machine's clock. For what people and wires see.
	 */
	nowMs(): number;
	/** Milliseconds since some start, fractional; never steps back. For every interval and deadline. */
	monotonicMs(): number;
	/** Calls back once. The timer does not keep the process alive. */
	setTimeout(callback: () => void, delayMs: number): CancelTimer;
	/** Calls back again and again. The timer does not keep the process alive. */
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

// performance.now() has the resolution that capture times need but does not follow the wall clock's slewing; Date.now()
// follows it but counts whole milliseconds. Once a second we move the first onto the second when they differ by more
// than the resolution.
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

/** Settles as the promise does, or rejects with what `onTimeout` returns once the time is up. */
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
