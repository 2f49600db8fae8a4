/** Whether to try again, and after which delay. Pure; chance is passed in. */

/** A policy as data. Attempts are counted from 1. */
export type RetryPolicy = {
	/** Attempts after which to give up; Infinity for never. */
	maxAttempts: number;
	firstDelayMs: number;
	maxDelayMs: number;
	/** Share of the delay that chance may take away, 0–1: viewers of a restarted server must not return all at once. */
	jitterRatio: number;
};

/**
 * A viewer's connection in either tier. Never gives up: a page left open overnight must play in the morning. First
 * 400 ms, because most losses are short; at most 8 s, because a person who looks at the page does not wait longer.
 */
export const RECONNECT_POLICY: RetryPolicy = {
	maxAttempts: Infinity,
	firstDelayMs: 400,
	maxDelayMs: 8000,
	jitterRatio: 0.5,
};

/** Failed attempts in a row after which the page shows an error instead of "connecting". */
export const ATTEMPTS_BEFORE_ERROR = 3;

/**
 * Milliseconds to wait before the given attempt (1 is the first one after a failure), doubling each time; undefined
 * when the policy gives up. `chance` is in [0, 1). `retryAfterSeconds` is the minimum, up to the policy's maximum.
 */
export function retryDelayMs(
	policy: RetryPolicy,
	attempt: number,
	chance: number,
	retryAfterSeconds = 0,
): number | undefined {
	if (attempt > policy.maxAttempts) {
		return undefined;
	}
	// 2 ** 30 is far above any maximum; without the bound many attempts overflow to Infinity.
	const fullMs = Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** Math.min(30, Math.max(0, attempt - 1)));
	return Math.max(fullMs * (1 - policy.jitterRatio * chance), Math.min(retryAfterSeconds * 1000, policy.maxDelayMs));
}

/** A number in [0, 1) for {@link retryDelayMs}. */
export function chance(): number {
	return crypto.getRandomValues(new Uint32Array(1))[0]! / 2 ** 32;
}
