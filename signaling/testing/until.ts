/** Polls until a condition holds, for tests of real processes. */
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';

const DEADLINE_MS = 30_000;
const POLL_INTERVAL_MS = 50;

/** Rejects after 30 s; `what` names the condition. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
	const endMs = systemClock.monotonicMs() + DEADLINE_MS;
	while (!(await condition())) {
		if (systemClock.monotonicMs() > endMs) {
			throw new Error(`Not within ${DEADLINE_MS} ms: ${what}`);
		}
		await sleep(systemClock, POLL_INTERVAL_MS);
	}
}
