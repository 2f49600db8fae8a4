/** The built-in emotes: names that the server marks in messages, and what is shown where they cannot be drawn. */

/** Name as it is typed → the nearest Unicode sign. The drawings are `web/src/features/chat/emotes/<name>.svg`. */
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
