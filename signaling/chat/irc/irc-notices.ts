/** Ids of notices that Twitch's clients know: what a refusal or a success is called there. */
import type { ErrorCode } from '../../../core/errors/errors.ts';
import type { ChatCommand } from '../moderation/chat-commands.ts';

const NOTICE_IDS: Partial<Record<ErrorCode, string>> = {
	CHAT_TOO_FAST: 'msg_ratelimit',
	CHAT_SLOW_MODE: 'msg_slowmode',
	CHAT_DUPLICATE: 'msg_duplicate',
	CHAT_WORD_BLOCKED: 'msg_rejected_mandatory',
	CHAT_BANNED: 'msg_banned',
	CHAT_TIMED_OUT: 'msg_timedout',
	CHAT_READ_ONLY: 'no_permission',
	CHAT_MODERATION_REFUSED: 'no_permission',
	CHAT_TARGET_UNKNOWN: 'invalid_user',
	CHAT_MESSAGE_INVALID: 'unrecognized_cmd',
};
const SUCCESS_IDS: Partial<Record<ChatCommand['kind'], string>> = {
	timeout: 'timeout_success',
	ban: 'ban_success',
	unban: 'unban_success',
	delete: 'delete_message_success',
};

/** For a refusal; undefined when Twitch has none like it. */
export function noticeIdOf(code: ErrorCode): string | undefined {
	return NOTICE_IDS[code];
}

/** For a command that was carried out; undefined for those that are answered otherwise. */
export function successIdOf(kind: ChatCommand['kind']): string | undefined {
	return SUCCESS_IDS[kind];
}
