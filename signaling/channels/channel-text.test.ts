/** Tests of channel texts: bounded, composed, without invisible characters; markup stays text. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SpillwayError } from '../../core/errors/errors.ts';
import { normalizeCategory, normalizeText } from './channel-text.ts';

describe('normalizeText', () => {
	it('trims, composes, and leaves markup as it is', () => {
		expect(normalizeText('  Cafe\u0301 <b>&amp;</b> ', 'a title', 50)).toBe('Café <b>&amp;</b>');
		expect(normalizeText('🎬'.repeat(5), 'a title', 5)).toBe('🎬🎬🎬🎬🎬');
		expect([normalizeCategory(null), normalizeCategory('  '), normalizeCategory(' Music ')]).toEqual([
			undefined,
			undefined,
			'Music',
		]);
	});

	it('accepts the marks of right-to-left keyboards, and counts grapheme clusters', () => {
		expect(normalizeText('שלום\u200f!', 'a title', 10)).toBe('שלום\u200f!');
		const family = '👨‍👩‍👧‍👦';
		expect(normalizeText(family.repeat(20), 'a title', 20)).toBe(family.repeat(20));
		expect(() => normalizeText(family.repeat(21), 'a title', 20)).toThrow('at most 20 characters');
		expect(() => normalizeText(`a${'\u0301'.repeat(500)}`, 'a title', 20)).toThrow('at most 20 characters');
		expect(() => normalizeText('a\u202eb', 'a title', 20)).toThrow('direction of text');
	});

	it('refuses texts without a sign that can be seen', () => {
		for (const text of ['\u200b', '\u200d \u2060', '\u3164', '\u2800\ufe0f']) {
			expect(() => normalizeText(text, 'a title', 20)).toThrow('a title must have signs that can be seen');
		}
		expect(normalizeText('', 'a title', 20)).toBe('');
	});

	it('refuses texts that are too long or hold invisible characters', () => {
		for (const text of [
			'a\u0000',
			'a\nb',
			'a\u202eb',
			'a\u2067b',
			'\ud800',
			'a\u2028b',
			'x'.repeat(21),
			'🎬'.repeat(21),
		]) {
			expect(() => normalizeText(text, 'a title', 20)).toThrow(SpillwayError);
		}
	});

	it('refuses any text or normalises it to a fixed point', () => {
		fc.assert(
			fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
				let normalized: string;
				try {
					normalized = normalizeText(text, 'a title', 20);
				} catch (error) {
					expect(error).toMatchObject({ code: 'REQUEST_INVALID' });
					return;
				}
				expect(normalizeText(normalized, 'a title', 20)).toBe(normalized);
				expect(normalized.isWellFormed() && !/[\p{Cc}\u202a-\u202e]/u.test(normalized)).toBe(true);
			}),
			{ numRuns: 1000 },
		);
	});
});
