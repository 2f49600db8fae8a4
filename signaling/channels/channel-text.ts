/** Normalises texts that users write about channels: bounded, visible, and without effect on the text around them. */
import { SpillwayError } from '../../core/errors/errors.ts';

/** Grapheme clusters, which readers see as one character. */
export const MAX_TITLE_LENGTH = 140;
const MAX_CATEGORY_LENGTH = 40;
export const MAX_KEY_NAME_LENGTH = 60;
export const MAX_QUERY_LENGTH = 100;

// Control characters, separators of lines and paragraphs, halves of surrogate pairs.
const UNREADABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u;
// Embeddings, overrides and isolates change the direction of all that follows, even outside the text. The marks U+200E,
// U+200F and U+061C are allowed: Hebrew and Arabic keyboards have them, and they act like letters (UAX #9 §2.6).
const TURNING = /[\u202A-\u202E\u2066-\u2069]/u;
/** Nothing but joiners, marks of direction and spaces. */
const INVISIBLE = /^[\p{Cf}\p{Z}\u115F\u1160\u3164\uFFA0\u2800\p{Variation_Selector}]+$/u;
/** The largest emoji have ten code points; more code points per character serve only to break a page. */
const MAX_CODE_POINTS_PER_CHARACTER = 10;

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/**
 * Trims and composes a text. Markup stays; the page that shows it escapes it. Throws REQUEST_INVALID, naming `what`,
 * for a text that is too long or holds invisible characters.
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
	if (normalized !== '' && INVISIBLE.test(normalized)) {
		throw new SpillwayError('REQUEST_INVALID', [`${what} must have signs that can be seen`]);
	}
	const codePointCount = [...normalized].length;
	if (codePointCount > maxLength * MAX_CODE_POINTS_PER_CHARACTER || countCharacters(normalized) > maxLength) {
		throw new SpillwayError('REQUEST_INVALID', [`${what} has at most ${maxLength} characters`]);
	}
	return normalized;
}

/** Counts grapheme clusters: a family emoji is one (UAX #29 §3). */
function countCharacters(text: string): number {
	return [...graphemes.segment(text)].length;
}

/** Undefined for null and for an empty text: no category. */
export function normalizeCategory(text: string | null): string | undefined {
	const category = text === null ? '' : normalizeText(text, 'a category', MAX_CATEGORY_LENGTH);
	return category === '' ? undefined : category;
}
