/** Why a message was refused, as the chat panel shows it. Pure. */

export type ChatRefusal = { text: string; retryAfterMs: number };

const WAIT_SENTENCE = / (?:Try|You can write|Change it, or try) again in [\d.]+ s\.$/;

/** Reads the error that `send` was rejected with. */
export function readChatRefusal(error: unknown): ChatRefusal {
	const { message, retryAfterMs, retryAfterSeconds } = (error ?? {}) as Record<string, unknown>;
	const waitMs =
		typeof retryAfterMs === 'number'
			? retryAfterMs
			: typeof retryAfterSeconds === 'number'
				? retryAfterSeconds * 1000
				: 0;
	const text = typeof message === 'string' && message !== '' ? message : 'The message was not sent.';
	const boundedMs = Number.isFinite(waitMs) ? Math.max(0, waitMs) : 0;
	// The page counts down: a fixed number in the text soon is wrong.
	return { text: boundedMs > 0 ? text.replace(WAIT_SENTENCE, '') : text, retryAfterMs: boundedMs };
}

/** `3 s`, `2 min 05 s`; rounded up, so that it shows 0 only when the wait is over. */
export function formatCountdown(ms: number): string {
	const seconds = Math.max(0, Math.ceil(ms / 1000));
	return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}
