/** A real SFU on loopback for integration tests: free ports, few workers, waits with deadlines. */
import { sleep, systemClock, type Clock } from '../../core/lifecycle/clock.ts';
import type { BroadcastId } from '../../core/ids.ts';
import { createId } from '../../core/ids.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { createSfu, type Sfu } from '../create-sfu.ts';
import type { SfuConfig } from '../workers/sfu-config.ts';

/** Any free port, loopback, the worker that set-up has built. */
export function testSfuConfig(workerCount = 1): SfuConfig {
	return {
		rtcPort: 0,
		announcedAddresses: ['127.0.0.1'],
		workerCount,
		plainPortMin: 40_000,
		plainPortMax: 49_999,
		workerBin: process.env['MEDIASOUP_WORKER_BIN'],
	};
}

/** The machine's clock, which a test may set ahead, and whose longest timers it may shorten. */
export class AdjustableClock implements Clock {
	/** Added to the monotonic clock. */
	aheadMs = 0;
	/** While set, the monotonic clock stays there. */
	frozenAtMs: number | undefined;
	/** Longer timers fire at once: waits of minutes in production. */
	longestTimerMs = Infinity;

	nowMs(): number {
		return systemClock.nowMs();
	}

	monotonicMs(): number {
		return (this.frozenAtMs ?? systemClock.monotonicMs()) + this.aheadMs;
	}

	setTimeout(callback: () => void, delayMs: number): () => void {
		return systemClock.setTimeout(callback, delayMs > this.longestTimerMs ? 1 : delayMs);
	}

	setInterval(callback: () => void, intervalMs: number): () => void {
		return systemClock.setInterval(callback, intervalMs);
	}
}

/** An SFU with its clock and its log; closed by `await using`. */
export class SfuBench implements AsyncDisposable {
	readonly clock: AdjustableClock;
	readonly logger: RecordingLogger;
	readonly sfu: Sfu;

	private constructor(sfu: Sfu, clock: AdjustableClock, logger: RecordingLogger) {
		this.sfu = sfu;
		this.clock = clock;
		this.logger = logger;
	}

	static async start(workerCount = 1): Promise<SfuBench> {
		const clock = new AdjustableClock();
		const logger = new RecordingLogger();
		const sfu = await createSfu({ clock, logger }, testSfuConfig(workerCount));
		await sfu.pool.startAll();
		return new SfuBench(sfu, clock, logger);
	}

	/** An id that no other broadcast has. */
	newBroadcastId(): BroadcastId {
		return createId<BroadcastId>(this.clock.nowMs());
	}

	[Symbol.asyncDispose](): Promise<void> {
		return this.sfu.close();
	}
}

/** Waits until something is true; rejects with `what` when it is not in time. */
export async function waitUntil(isTrue: () => boolean, what: string, timeoutMs = 10_000): Promise<void> {
	const deadlineMs = systemClock.monotonicMs() + timeoutMs;
	while (!isTrue()) {
		if (systemClock.monotonicMs() > deadlineMs) {
			throw new Error(`Not within ${timeoutMs} ms: ${what}.`);
		}
		await sleep(systemClock, 5);
	}
}
