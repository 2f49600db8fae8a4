/** Ids of requirements in tests and comments, such as W-15: docs/requirements.md has exactly one row for each. */
import { describe, expect, it } from 'vitest';
import { readProjectFile, SOURCE_FILES } from './project-files.ts';

/** An id, but not CRC-32, UTF-8 or P-256, nor a table of a specification. */
const ID = /(?<![\w-]|table )(?:A|F|FF|GC|H|L|OBS|R|RF|RG|RO|RX|S|W)-\d{1,2}(?![\w-])/g;
const ROW = /^\| ([A-Z]+-\d+) \| ([^|]+) \| ([^|]+) \|$/;
const MAX_WORDS = 25;

const sources = SOURCE_FILES.filter((name) => name !== 'core/testing/requirements.test.ts');
const named = new Set(sources.flatMap((name) => readProjectFile(name).match(ID) ?? []));
const rows = readProjectFile('docs/requirements.md')
	.split('\n')
	.filter((line) => /^\| [A-Z]/.test(line))
	.map((line) => ROW.exec(line) ?? [line, line, '', '']);

describe('docs/requirements.md', () => {
	it('has exactly one row for every id that the sources name, and no other rows', () => {
		expect(rows.map(([, id]) => id!).toSorted()).toEqual([...named].toSorted());
	});

	it(`has in each row a requirement, in at most ${MAX_WORDS} words a sentence, and its source`, () => {
		const isShort = (text: string): boolean =>
			text.split(/[.;] /).every((sentence) => sentence.trim().split(/\s+/).length <= MAX_WORDS);
		const isGood = (text: string, source: string): boolean => text.endsWith('.') && source !== '' && isShort(text);
		expect(rows.filter(([, , text, source]) => !isGood(text!, source!)).map(([line]) => line)).toEqual([]);
	});

	it('matches ids only', () => {
		expect('W-15, RX-1 to RX-6 (R-10)'.match(ID)).toEqual(['W-15', 'RX-1', 'RX-6', 'R-10']);
		expect('CRC-32 UTF-8 P-256 AC-3 SHA-256 H-264 table A-1 FNV-1a HMAC-SHA-256'.match(ID)).toBeNull();
	});
});
