/** Numbers from form fields. */
import { expect, it } from 'vitest';
import { readWholeNumber } from './whole-number.ts';

it('reads whole numbers within the bounds, and distinguishes empty from invalid', () => {
	expect(readWholeNumber(' 20 ', 0, 30)).toBe(20);
	expect(readWholeNumber('', 0, 30)).toBeNull();
	expect(['31', '-1', '2.5', '1e1', 'x', '9'.repeat(30)].map((text) => readWholeNumber(text, 0, 30))).toEqual(
		Array.from({ length: 6 }, () => undefined),
	);
});
