/** Texts that people give channels: made uniform, bounded, and free of what would play tricks on others' screens. */
import { SpillwayError } from '../../core/errors.ts';

/** Longest title, in characters as people count them. */
export const MAX_TITLE_LENGTH = 140;
/** Longest category. */
export const MAX_CATEGORY_LENGTH = 40;
/** Longest name of a stream key. */
export const MAX_KEY_NAME_LENGTH = 60;
/** Longest text that can be searched for. */
export const MAX_QUERY_LENGTH = 100;

// Control characters, separators of lines and paragraphs, halves of surrogate pairs, and marks that turn the direction of
// text and could make a title read as something else.
const FORBIDDEN = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/u;

/**
 * Trims and composes a text. Markup stays what it is, text; whoever shows it escapes it. Throws REQUEST_INVALID, naming `what`,
 * for a text that is too long or holds what cannot be seen.
 */
export function normalizeText(text: string, what: string, maxLength: number): string {
	const normalized = text.normalize('NFC').trim();
	if (FORBIDDEN.test(normalized)) {
		throw new SpillwayError('REQUEST_INVALID', [`${what} must not have control characters or line breaks`]);
	}
	if ([...normalized].length > maxLength) {
		throw new SpillwayError('REQUEST_INVALID', [`${what} has at most ${maxLength} characters`]);
	}
	return normalized;
}

/** A category; undefined for none, which an empty text means as well. */
export function normalizeCategory(text: string | null): string | undefined {
	const category = text === null ? '' : normalizeText(text, 'a category', MAX_CATEGORY_LENGTH);
	return category === '' ? undefined : category;
}
