/**
 * Finds words that a channel does not allow, also when they are disguised. Compares whole words, so that places keep
 * their names.
 */

/** Digits that stand for letters, and letters of other alphabets and languages that look like plain ones. */
const LOOK_ALIKES: Readonly<Record<string, string>> = {
	'0': 'o', '1': 'i', '3': 'e', '4': 'a', '5': 's', '7': 't', '8': 'b',
	а: 'a', в: 'b', е: 'e', к: 'k', м: 'm', н: 'h', о: 'o', р: 'p', с: 'c', т: 't', у: 'y', х: 'x', і: 'i', ѕ: 's', ј: 'j',
	α: 'a', β: 'b', ε: 'e', ι: 'i', κ: 'k', ν: 'v', ο: 'o', ρ: 'p', τ: 't', υ: 'u', χ: 'x', ß: 'ss', ł: 'l', ø: 'o', đ: 'd',
}; // prettier-ignore

/** Signs that stand for letters, or for themselves: a text is read both ways. */
const SIGNS: Readonly<Record<string, string>> = { '!': 'i', '|': 'i', '@': 'a', $: 's' };

/** Words that a channel may block. */
const MAX_BLOCKED_WORDS = 500;
/** Characters of one of them. */
const MAX_BLOCKED_WORD_LENGTH = 60;

/**
 * Makes the test for a channel's list. A word matches itself in any case, with accents, look-alikes, repeated or spaced
 * letters; `word*` matches what begins so; several words match in that order.
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
	// Spelled words have no borders of their own: `such a b a d one`.
	const spelledPattern = spelled.length === 0 ? undefined : new RegExp(spelled.join('|'), 'u');
	return (text) =>
		[foldWords(text, false), foldWords(text, true)].some(
			(words) =>
				patterns.some((pattern) => pattern.test(` ${words.join(' ')} `)) ||
				joinSpelled(words).some((run) => spelledPattern?.test(run) === true),
		);
}

// Letters may be repeated, but not left out: "baaad" is "bad", while "as" is not "ass". Folded words hold only letters
// and digits, so nothing needs escaping, and neighbouring runs differ, so the match takes linear time.
function toPattern(folded: string): string {
	return folded.replace(/(.)\1*/gu, (run, character: string) =>
		character === ' ' ? ' ' : `${character}{${[...run].length},}`,
	);
}

/** One form for all ways to write a text, for comparing. */
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
			// A dot, a dash or an underscore inside a word hides it; between words there are spaces too.
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
