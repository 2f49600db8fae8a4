/** When a failed encoder is started again, and when it is given up. Pure. */

/** Delays double from the first to the longest. */
export type RestartPolicy = {
	firstDelayMs: number;
	maxDelayMs: number;
	/** Restarts in a row before giving up. */
	maxAttempts: number;
	/** An encoder that worked this long counts as healthy: the next failure begins with the first delay again. */
	healthyAfterMs: number;
};

/** 0.5, 1, 2, 4, 8, 10 s, then given up: half a minute, in which a machine out of memory may have recovered. */
export const DEFAULT_RESTART_POLICY: RestartPolicy = {
	firstDelayMs: 500,
	maxDelayMs: 10_000,
	maxAttempts: 6,
	healthyAfterMs: 30_000,
};

/** Milliseconds before restart number `attempt` (1, 2 …), or undefined when it is time to give up. */
export function restartDelayMs(policy: RestartPolicy, attempt: number): number | undefined {
	return attempt > policy.maxAttempts
		? undefined
		: Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** (attempt - 1));
}
