/** Texts that people give channels: made uniform, bounded, and free of what would play tricks on others' screens. */
import { SpillwayError } from '../../core/errors/errors.ts';

/** Longest title, in characters as people count them. */
export const MAX_TITLE_LENGTH = 140;
/** Longest category. */
const MAX_CATEGORY_LENGTH = 40;
/** Longest name of a stream key. */
export const MAX_KEY_NAME_LENGTH = 60;
/** Longest text that can be searched for. */
export const MAX_QUERY_LENGTH = 100;

// Control characters, separators of lines and paragraphs, halves of surrogate pairs.
const UNREADABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u;
// Embeddings, overrides and isolates turn the direction of all that follows, also of what is not theirs. The marks
// U+200E, U+200F and U+061C are on Hebrew and Arabic keyboards, and work like an unseen letter (UAX #9 §2.6): they
// stay.
const TURNING = /[\u202A-\u202E\u2066-\u2069]/u;
/** The largest emoji have ten code points. More for each character that people see is there to break a page. */
const MAX_CODE_POINTS_PER_CHARACTER = 10;

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/**
 * Trims and composes a text. Markup stays what it is, text; whoever shows it escapes it. Throws REQUEST_INVALID, naming
 * `what`, for a text that is too long or holds what cannot be seen.
 */
export function normalizeText(text: string, what: string, maxLength: number): string {
	const normalized = text.normalize('NFC').trim();
	if (UNREADABLE.test(normalized)) {
		throw new SpillwayError('REQUEST_INVALID', [`${what} must not have control characters or line breaks`]);
	}
	if (TURNING.test(normalized)) {
		throw new SpillwayError('REQUEST_INVALID', [
			`${what} must not have signs that turn the direction of text; single right-to-left marks are fine`,
		]);
	}
	const codePointCount = [...normalized].length;
	if (codePointCount > maxLength * MAX_CODE_POINTS_PER_CHARACTER || countCharacters(normalized) > maxLength) {
		throw new SpillwayError('REQUEST_INVALID', [`${what} has at most ${maxLength} characters`]);
	}
	return normalized;
}

/** Characters as people count them: a family emoji is one (UAX #29 §3). */
function countCharacters(text: string): number {
	return [...graphemes.segment(text)].length;
}

/** A category; undefined for none, which an empty text means as well. */
export function normalizeCategory(text: string | null): string | undefined {
	const category = text === null ? '' : normalizeText(text, 'a category', MAX_CATEGORY_LENGTH);
	return category === '' ? undefined : category;
}
