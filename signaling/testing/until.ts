/** Polls until a condition holds, for tests of real processes. */
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';

const DEADLINE_MS = 30_000;
const POLL_INTERVAL_MS = 50;

/** Rejects after the deadline; `what` names the condition. */
export async function until(
	condition: () => boolean | Promise<boolean>,
	what: string,
	deadlineMs = DEADLINE_MS,
): Promise<void> {
	const endMs = systemClock.monotonicMs() + deadlineMs;
	while (!(await condition())) {
		if (systemClock.monotonicMs() > endMs) {
			throw new Error(`Not within ${deadlineMs} ms: ${what}`);
		}
		await sleep(systemClock, POLL_INTERVAL_MS);
	}
}
