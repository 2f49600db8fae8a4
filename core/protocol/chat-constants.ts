/** Limits and built-in emotes of chat, for server and pages. Without schemas, which are too large for the pages. */

/** Characters of one chat message. */
export const MAX_CHAT_TEXT_LENGTH = 500;
/** Paused and banned people in the list for a channel's moderators, newest first. */
export const MAX_LISTED_RESTRICTIONS = 200;

/**
 * Typed name → the nearest Unicode sign, which is shown where emotes cannot be drawn. The drawings are
 * `web/src/features/chat/emotes/<name>.svg`.
 */
export const CHAT_EMOTES = {
	SpillHi: '👋',
	SpillLove: '❤️',
	SpillLol: '😂',
	SpillSad: '😢',
	SpillWow: '😮',
	SpillCool: '😎',
	SpillHype: '🔥',
	SpillGG: '🏆',
	SpillThink: '🤔',
	SpillClap: '👏',
	SpillWave: '🌊',
	SpillLag: '🐌',
} as const satisfies Record<string, string>;
