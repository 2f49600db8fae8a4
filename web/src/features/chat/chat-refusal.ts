/** Why a message was refused, as the chat panel shows it. Pure. */
import { ApiError } from '../../api/request.ts';

export type ChatRefusal = { text: string; retryAfterMs: number };

const WAIT_SENTENCE = / (?:Try|You can write|Change it, or try) again in [\d.]+ s\.$/;

/** Reads the error that `send` was rejected with. */
export function readChatRefusal(error: unknown): ChatRefusal {
	if (!(error instanceof ApiError)) {
		return { text: 'The message was not sent.', retryAfterMs: 0 };
	}
	const { message, retryAfterSeconds } = error;
	// The page counts down: a fixed number in the text soon is wrong.
	const text = retryAfterSeconds > 0 ? message.replace(WAIT_SENTENCE, '') : message;
	return { text, retryAfterMs: retryAfterSeconds * 1000 };
}

/** `3 s`, `2 min 05 s`; rounded up, so that it shows 0 only when the wait is over. */
export function formatCountdown(ms: number): string {
	const seconds = Math.max(0, Math.ceil(ms / 1000));
	return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}
