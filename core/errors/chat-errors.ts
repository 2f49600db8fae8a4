/** Errors of chat. */
import type { ErrorTable } from './error-table.ts';

export const CHAT_ERRORS = {
	CHAT_READ_ONLY: { httpStatus: 403, message: 'You can read here, but not write: %s.' },
	CHAT_BANNED: { httpStatus: 403, message: 'You are banned from this chat.' },
	CHAT_TIMED_OUT: { httpStatus: 403, message: 'A moderator has given you a timeout. You can write again in %s s.' },
	CHAT_TOO_FAST: { httpStatus: 429, message: 'That was too fast. Try again in %s s.' },
	CHAT_SLOW_MODE: { httpStatus: 429, message: 'Slow mode: one message every %s s. Try again in %s s.' },
	CHAT_DUPLICATE: { httpStatus: 429, message: 'That was just said. Change it, or try again in %s s.' },
	CHAT_WORD_BLOCKED: { httpStatus: 422, message: 'The message holds a word that this channel does not allow.' },
	CHAT_MESSAGE_INVALID: { httpStatus: 400, message: 'The message cannot be sent: %s.' },
	CHAT_MODERATION_REFUSED: { httpStatus: 403, message: 'That was not done: %s.' },
	CHAT_TARGET_UNKNOWN: { httpStatus: 404, message: 'There is no %s in this chat.' },
} as const satisfies ErrorTable;
