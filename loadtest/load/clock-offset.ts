/** How far the server's clock is ahead of this machine's, measured over its API as NTP does. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { ServerTime } from '../../core/protocol/api/server-time.ts';

const ATTEMPTS = 8;
const DEADLINE_MS = 3000;

/** The offset in milliseconds and half the best round trip, which bounds the error. */
export type ClockOffset = { offsetMs: number; errorMs: number };

/** Undefined where the server does not report its time; its clock then counts as this machine's. */
export async function measureClockOffset(clock: Clock, httpUrl: string): Promise<ClockOffset | undefined> {
	let best: ClockOffset | undefined;
	for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
		try {
			const sentMs = clock.nowMs();
			const response = await fetch(new URL('/api/v1/time', httpUrl), { signal: AbortSignal.timeout(DEADLINE_MS) });
			const { nowMs } = (await response.json()) as Partial<ServerTime>;
			const receivedMs = clock.nowMs();
			if (typeof nowMs !== 'number') {
				return undefined;
			}
			const errorMs = (receivedMs - sentMs) / 2;
			if (best === undefined || errorMs < best.errorMs) {
				best = { offsetMs: nowMs - (sentMs + receivedMs) / 2, errorMs };
			}
		} catch {
			// No such address, or no JSON: a server of another kind.
			return undefined;
		}
	}
	return best;
}
