/** What of viewers' statistics goes into the event log: every stall, and the latency now and then. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import type { ViewerId } from '../../../core/ids.ts';
import type { ViewerStatistics } from '../../../core/protocol/signaling/signaling-messages.ts';
import type { ViewerEventKind } from './viewer-event-log.ts';

/** Latency of one viewer goes into the log this often. */
const LATENCY_LOG_INTERVAL_MS = 60_000;

/** One per channel. */
export class StatisticsLog {
	readonly #clock: Clock;
	readonly #latencyLoggedAtMs = new Map<ViewerId, number>();

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** Takes a viewer's newest statistics and those before. */
	take(
		viewerId: ViewerId,
		{ tier, stallCount, stalledForMs, latencyMs }: ViewerStatistics,
		previous: ViewerStatistics | undefined,
		write: (kind: ViewerEventKind, payload: Record<string, string | number>) => void,
	): void {
		if (previous !== undefined && stallCount > previous.stallCount) {
			write('stall', { tier, count: stallCount - previous.stallCount, stalledForMs });
		}
		const nowMs = this.#clock.monotonicMs();
		const loggedAtMs = this.#latencyLoggedAtMs.get(viewerId) ?? -Infinity;
		if (latencyMs !== undefined && nowMs - loggedAtMs >= LATENCY_LOG_INTERVAL_MS) {
			this.#latencyLoggedAtMs.set(viewerId, nowMs);
			write('latency', { tier, latencyMs });
		}
	}

	/** The viewer is gone. */
	forget(viewerId: ViewerId): void {
		this.#latencyLoggedAtMs.delete(viewerId);
	}
}
