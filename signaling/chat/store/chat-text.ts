/** Cleans untrusted chat texts: bounded, one line, without characters that hide or reorder other text. */
import { CHAT_EMOTES } from '../../../core/protocol/signaling/chat-emotes.ts';
import type { ChatMessage } from '../../../core/protocol/signaling/signaling-messages.ts';
import { MAX_CHAT_TEXT_LENGTH } from '../../../core/protocol/signaling/signaling-constants.ts';

/** Marks on one letter: languages need about three; dozens cover the lines above and below. */
const MAX_MARKS = 4;
/** As in the message's schema. */
const MAX_EMOTES = 100;

// Control characters (C0, C1), among them IRC's and the terminal's.
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]+/gu;
// Signs that change the direction of the text, even of other lines; line and paragraph separators; invisible tags and
// interlinear annotations; byte order mark. Joiners stay: scripts and emoji need them.
const INVISIBLE =
	/[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\u206a-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e001f}]+/gu;
// Tags are invisible, except after a black flag, where they spell regional flags (UTS #51, emoji tag sequences).
const LONE_TAGS = /(?<!\u{1f3f4}[\u{e0020}-\u{e007e}]*)[\u{e0020}-\u{e007f}]+/gu;
const STACKED_MARKS = new RegExp(`(\\p{M}{${MAX_MARKS}})\\p{M}+`, 'gu');
/** Signs without a visible glyph. */
const ONLY_BLANK =
	/^[\s\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2064\u2800\u3164\uffa0\p{M}]*$/u;

/** Returns the text that members get; undefined when nothing visible is left or it is too long. */
export function cleanChatText(text: string): string | undefined {
	if (text.length > MAX_CHAT_TEXT_LENGTH) {
		return undefined;
	}
	const clean = text
		.toWellFormed()
		.normalize('NFC')
		.replace(CONTROLS, ' ')
		.replace(INVISIBLE, '')
		.replace(LONE_TAGS, '')
		.replace(STACKED_MARKS, '$1')
		.trim();
	return clean.length > MAX_CHAT_TEXT_LENGTH || ONLY_BLANK.test(clean) ? undefined : clean;
}

/** Finds the built-in emotes: whole words only, as on other platforms. */
export function findEmotes(text: string): ChatMessage['emotes'] {
	const found: ChatMessage['emotes'] = [];
	for (const match of text.matchAll(/\S+/gu)) {
		if (Object.hasOwn(CHAT_EMOTES, match[0]) && found.length < MAX_EMOTES) {
			found.push({ name: match[0], from: match.index, to: match.index + match[0].length });
		}
	}
	return found;
}
