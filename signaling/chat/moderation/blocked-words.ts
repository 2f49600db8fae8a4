/** Finds blocked words, even disguised ones. Compares whole words: a harmless word that contains one is allowed. */

/** Digits that replace letters, and letters of other alphabets and languages that look like plain ones. */
const LOOK_ALIKES: Readonly<Record<string, string>> = {
	'0': 'o', '1': 'i', '3': 'e', '4': 'a', '5': 's', '7': 't', '8': 'b',
	а: 'a', в: 'b', е: 'e', к: 'k', м: 'm', н: 'h', о: 'o', р: 'p', с: 'c', т: 't', у: 'y', х: 'x', і: 'i', ѕ: 's', ј: 'j',
	α: 'a', β: 'b', ε: 'e', ι: 'i', κ: 'k', ν: 'v', ο: 'o', ρ: 'p', τ: 't', υ: 'u', χ: 'x', ß: 'ss', ł: 'l', ø: 'o', đ: 'd',
}; // prettier-ignore

/** Signs that can replace letters: a text is checked with and without the replacement. */
const SIGNS: Readonly<Record<string, string>> = { '!': 'i', '|': 'i', '@': 'a', $: 's' };

const MAX_BLOCKED_WORDS = 500;
const MAX_BLOCKED_WORD_LENGTH = 60;

/**
 * Makes the test for a channel's list. A word matches in any case, with accents, look-alikes, repeated or spaced
 * letters. `word*` matches all words that begin with it; several words match in their order.
 */
export function createWordFilter(blockedWords: readonly string[]): (text: string) => boolean {
	const exact: string[] = [];
	const beginnings: string[] = [];
	const spelled: string[] = [];
	for (const word of blockedWords.slice(0, MAX_BLOCKED_WORDS)) {
		const folded = foldWords(word.slice(0, MAX_BLOCKED_WORD_LENGTH).replace(/\*$/, ''), true).join(' ');
		if (folded === '') {
			continue;
		}
		(word.endsWith('*') ? beginnings : exact).push(toPattern(folded));
		if (folded.length > 2) {
			spelled.push(toPattern(folded.replaceAll(' ', '')));
		}
	}
	const patterns = [
		...(exact.length === 0 ? [] : [new RegExp(` (?:${exact.join('|')}) `, 'u')]),
		...(beginnings.length === 0 ? [] : [new RegExp(` (?:${beginnings.join('|')})`, 'u')]),
	];
	// Spelled words have no borders: `such a b a d one`.
	const spelledPattern = spelled.length === 0 ? undefined : new RegExp(spelled.join('|'), 'u');
	return (text) =>
		[foldWords(text, false), foldWords(text, true)].some(
			(words) =>
				patterns.some((pattern) => pattern.test(` ${words.join(' ')} `)) ||
				joinSpelled(words).some((run) => spelledPattern?.test(run) === true),
		);
}

// Letters can be repeated, but not left out: "baaad" matches "bad", while "as" does not match "ass". Folded words hold
// only letters and digits, so nothing needs escaping. Neighbouring runs differ, so the match takes linear time.
function toPattern(folded: string): string {
	return folded.replace(/(.)\1*/gu, (run, character: string) =>
		character === ' ' ? ' ' : `${character}{${[...run].length},}`,
	);
}

/** Returns one form for all ways to write a text, to compare texts. */
export function foldText(text: string): string {
	return foldWords(text, false)
		.join(' ')
		.replace(/(.)\1+/gu, '$1');
}

function foldWords(text: string, hasSignsAsLetters: boolean): string[] {
	const plain = text
		.normalize('NFKD')
		.replace(/[\p{M}\p{Cf}]/gu, '')
		.toLowerCase();
	const signed = hasSignsAsLetters ? plain.replace(/[!|@$](?=[!|@$]*[\p{L}\p{N}])/gu, (sign) => SIGNS[sign]!) : plain;
	const letters = Array.from(signed, (character) => LOOK_ALIKES[character] ?? character).join('');
	return (
		letters
			// Inside a word these signs disguise it; between words they come with spaces.
			.replace(/(?<=[\p{L}\p{N}])[.\-_*'’](?=[\p{L}\p{N}])/gu, '')
			.split(/[^\p{L}\p{N}]+/u)
			.filter((word) => word !== '')
	);
}

/** `such a b a d one` → `abad`. */
function joinSpelled(words: readonly string[]): string[] {
	const runs: string[] = [];
	let spelled = '';
	for (const word of [...words, '']) {
		if ([...word].length === 1) {
			spelled += word;
		} else if (spelled !== '') {
			runs.push(spelled);
			spelled = '';
		}
	}
	return runs;
}
