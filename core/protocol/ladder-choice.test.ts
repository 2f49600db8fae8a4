/** Tests of the choice of rungs as a text of settings. */
import { expect, it } from 'vitest';
import fc from 'fast-check';
import { formatLadderChoice, LADDER_CHOICE_PATTERN, parseLadderChoice, RUNG_NAMES } from './ladder-choice.ts';

it('admits what is read', () => {
	const isChoice = (text: string): boolean => new RegExp(LADDER_CHOICE_PATTERN).test(text);
	expect(['automatic', 'off', ...RUNG_NAMES, '160p30,480p30'].every(isChoice)).toBe(true);
	expect(['', 'on', '720p', '480p30,', '480p30 360p30', 'off,480p30'].some(isChoice)).toBe(false);
	fc.assert(
		fc.property(fc.array(fc.constantFrom(...RUNG_NAMES), { minLength: 1, maxLength: 6 }), (names) => {
			expect(isChoice(names.join(','))).toBe(new Set(names).size === names.length);
		}),
	);
});

it.each([
	['automatic', 'automatic'],
	['off', 'off'],
	['160p30,480p30', ['480p30', '160p30']],
	// Another version may have other rungs.
	['4320p60,480p30', ['480p30']],
	['4320p60', undefined],
	['', undefined],
] as const)('reads "%s" as %j', (text, choice) => {
	expect(parseLadderChoice(text)).toEqual(choice);
});

it('writes what it reads', () => {
	for (const text of ['automatic', 'off', '480p30,160p30']) {
		expect(formatLadderChoice(parseLadderChoice(text)!)).toBe(text);
	}
});
