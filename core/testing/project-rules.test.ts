/** Rules of the whole project: direction of imports, first lines, sizes, plain English, documents equal to the code. */
import { hostname, userInfo } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { SERVER_CONFIG_SCHEMA } from '../../signaling/server/server-config.ts';
import { listConfigFields } from '../config/config-schema.ts';
import { ERROR_CODES } from '../errors/errors.ts';
import { SIGNALING_CLOSE_CODES } from '../protocol/signaling/signaling-constants.ts';
import { clientMessageSchema, serverMessageSchema } from '../protocol/signaling/signaling-messages.ts';
import { ROOM_ORDER } from './room-order.ts';
import { findTable, renderConfigurationTable, renderErrorTable } from './docs-tables.ts';
import {
	isTesting,
	PROJECT_FILES as files,
	readProjectFile as read,
	SOURCE_FILES as sources,
} from './project-files.ts';
import { TIER_REASONS } from '../protocol/tiers.ts';

/** Folder → folders it may import from, besides itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
	core: [],
	sfu: ['core'],
	ingest: ['core', 'sfu'],
	packager: ['core'],
	signaling: ['core', 'sfu', 'ingest', 'packager'],
	web: ['core'],
	loadtest: ['core'],
	// Runs before anything is installed.
	setup: [],
};

/** Files that compare the documents with the code, and so import from all folders. */
const LOOKS_EVERYWHERE = ['core/testing/project-rules.test.ts', 'core/testing/write-docs-tables.ts'];
/** The start builds the web pages when their sources changed; the build program is not part of the pages. */
const EXCEPTIONS: Readonly<Record<string, readonly string[]>> = { 'signaling/main.ts': ['web/build.ts'] };
const INTEGRATION_TEST = /\.(integration|e2e)\.test\.(ts|mjs)$/;

const COMMENT_START = /^(\/\*\*?|\/\/|<!--|--|#)\s*\S/;
/** A longer file has the reason at its top. */
const MAX_LINES = 500;
const MAX_LINES_WITH_REASON = 700;

/**
 * Words that comments, texts and names do not use, each group with a reason or a replacement. Capitals are allowed,
 * because SHALL is a word of specifications and HE-AAC a profile.
 */
const UNWANTED_WORDS: ReadonlyArray<readonly [reason: string, words: string]> = [
	['people are they', 'he|his|him|himself'],
	['rewrite: "the user who", "a client that"', 'whom|whoever|whosoever'],
	['notify, report, pass, send; distinguish; know', 'tells?|told|telling|says so|(?:is|are|was|were) said|said of'],
	['follow, apply; must; ask', 'obey\\w*|shall|ought|bids?|bidden'],
	['continue', '(?:go|goes|going|went) on'],
	['fix, correct, repair', 'mend(?:s|ed|ing)?'],
	['again; without end', 'anew|afresh|once more|(?:come|comes|came|coming) again|for ever'],
	['present tense with the condition: is, becomes', 'would be'],
	['so, therefore, so that, although', 'hence|thus|thereby|lest|albeit|in so far as|as it were|to wit'],
	[
		'in, of, from, at once, near, before',
		'amid|therein|thereof|thereupon|wherein|whence|hither|forthwith|nigh|ere|betimes',
	],
	['nothing, without success, except, for lack of', 'naught|nought|aught|in vain|save for|for want of|unbeknown\\w*'],
	['literary; write it plainly', 'the like|stead|foremost|take for granted|at its word|made out'],
];
const UNWANTED_PATTERNS = UNWANTED_WORDS.map(([reason, words]) => ({
	reason,
	pattern: new RegExp(`\\b(?:${words})\\b`, 'gi'),
}));
/** The same verbs inside names, such as `isTold` and `tellViewer`. */
const UNWANTED_NAME = /[a-z](?:Told|Tells?|Obey(?:ed)?)(?:[A-Z]|\b)|\b(?:tell|told|obey)[A-Z]/g;

function findUnwantedWords(line: string): string[] {
	const inProse = UNWANTED_PATTERNS.flatMap(({ reason, pattern }) =>
		[...line.matchAll(pattern)]
			.filter(([word]) => word !== word.toUpperCase())
			.map(([word]) => `"${word}" (${reason})`),
	);
	return [...inProse, ...[...line.matchAll(UNWANTED_NAME)].map(([name]) => `"${name}" in a name`)];
}

const documents = files.filter((name) => /^(README|docs\/[\w-]+)\.md$/.test(name));

/** Matches of a pattern for relative imports, as paths from the root. */
function findSpecifiers(name: string, pattern: RegExp): string[] {
	const directory = path.posix.dirname(name);
	return [...read(name).matchAll(pattern)].map(([, specifier]) => path.posix.join(directory, specifier!));
}

/** Static and dynamic imports. */
function findImports(name: string): string[] {
	return findSpecifiers(name, /(?:\bfrom|\bimport)\s*\(?\s*['"](\.{1,2}\/[^'"]+)['"]/g);
}

/** Imports that remain at run time: not `import type`, which the compiler erases. */
function findValueImports(name: string): string[] {
	return findSpecifiers(name, /^(?:import|export)\s+(?!type\b)[^'";]*?['"](\.{1,2}\/[^'"]+)['"]/gm);
}

function mayImport(name: string, target: string): boolean {
	const [folder, targetFolder] = [name.split('/')[0]!, target.split('/')[0]!];
	if (EXCEPTIONS[name]?.includes(target) === true || LOOKS_EVERYWHERE.includes(name)) {
		return true;
	}
	if (targetFolder === folder || MAY_IMPORT[folder]!.includes(targetFolder)) {
		return true;
	}
	// Integration tests of the product use the load tester's clients, and those of set-up the parts that it installs.
	return INTEGRATION_TEST.test(name) && (folder === 'signaling' || folder === 'setup' || folder === 'loadtest');
}

describe('project rules', () => {
	it.each(Object.keys(MAY_IMPORT))('%s/ imports only from the folders below it', (folder) => {
		const violations = sources
			.filter((name) => name.startsWith(`${folder}/`))
			.flatMap((name) => findImports(name).map((target) => ({ name, target })))
			.filter(({ name, target }) => !mayImport(name, target))
			.map(({ name, target }) => `${name} -> ${target}`);
		expect(violations).toEqual([]);
	});

	it.each(Object.entries(ROOM_ORDER))('%s/: a room imports only from the rooms below it', (folder, rooms) => {
		const roomOf = (name: string): string => path.posix.dirname(path.posix.relative(folder, name));
		const isProduct = (name: string): boolean => name.startsWith(`${folder}/`) && !isTesting(name);
		const product = sources.filter((name) => isProduct(name) && /\.(ts|vue)$/.test(name));
		expect([...new Set(product.map(roomOf))].toSorted()).toEqual([...rooms].toSorted());
		const violations = product.flatMap((name) =>
			findImports(name)
				.filter((target) => isProduct(target) && rooms.indexOf(roomOf(target)) > rooms.indexOf(roomOf(name)))
				.map((target) => `${name} -> ${target}`),
		);
		expect(violations).toEqual([]);
	});

	it('the players are imported through their create- files only, and do not use a framework', () => {
		const faces = [
			'web/src/player/create-player.ts',
			'web/src/player/video/create-video-player.ts',
			// Values that both players share; from one of them, a page loads all of it.
			'web/src/player/playback/quality.ts',
		];
		const isPlayer = (name: string): boolean => name.startsWith('web/src/player/');
		const web = sources.filter((name) => name.startsWith('web/') && /\.(ts|vue)$/.test(name));
		const deepImports = web
			.filter((name) => !isPlayer(name))
			.flatMap((name) => findImports(name).map((target) => ({ name, target })))
			.filter(({ target }) => isPlayer(target) && !faces.includes(target))
			.map(({ name, target }) => `${name} -> ${target}`);
		expect(deepImports).toEqual([]);
		const product = web.filter((name) => isPlayer(name) && !isTesting(name));
		expect(product.filter((name) => name.endsWith('.vue') || /from 'vue/.test(read(name)))).toEqual([]);
	});

	it('no files import each other in a circle', () => {
		const known = new Set(sources);
		const importsOf = new Map(
			sources.map((name) => [name, findValueImports(name).filter((target) => known.has(target))]),
		);
		const done = new Set<string>();
		const cycles: string[] = [];
		const visit = (name: string, path: readonly string[]): void => {
			if (path.includes(name)) {
				cycles.push([...path.slice(path.indexOf(name)), name].join(' -> '));
				return;
			}
			if (!done.has(name)) {
				for (const target of importsOf.get(name)!) {
					visit(target, [...path, name]);
				}
				done.add(name);
			}
		};
		for (const name of sources) {
			visit(name, []);
		}
		expect(cycles).toEqual([]);
	});

	it('only tests import tests and their aids', () => {
		const violations = sources
			.filter((name) => !isTesting(name) && !name.startsWith('loadtest/'))
			.flatMap((name) =>
				findImports(name)
					.filter(isTesting)
					.map((target) => `${name} -> ${target}`),
			);
		expect(violations).toEqual([]);
	});

	it('every source file describes itself in its first line', () => {
		// A page must begin with its doctype.
		const described = sources.filter((name) => !name.endsWith('.html'));
		const violations = described.filter((name) => {
			const [first, second] = read(name).split('\n', 2);
			const line = first!.startsWith('#!') ? second! : first!;
			// The text of a block comment may begin in its second line.
			return !COMMENT_START.test(line === '/**' || line === '/*' ? `${line} ${second}` : line);
		});
		expect(violations).toEqual([]);
	});

	it(`no source file has more than ${MAX_LINES} lines, or up to ${MAX_LINES_WITH_REASON} with a reason`, () => {
		const violations = sources.filter((name) => {
			const lines = read(name).split('\n');
			const hasReason = lines.slice(0, 6).join(' ').includes('Long because');
			return lines.length - 1 > (hasReason ? MAX_LINES_WITH_REASON : MAX_LINES);
		});
		expect(violations).toEqual([]);
	});

	it('speaks plain English', () => {
		// This file has the list. Checksums of the others are kept: cached builds of the worker, applied migrations.
		const excluded =
			/^(core\/testing\/project-rules\.test\.ts|(setup\/build-worker\/subprojects|signaling\/platform\/database\/migrations)\/.*)$/;
		const texts = files.filter((name) => (sources.includes(name) || name.endsWith('.md')) && !excluded.test(name));
		const places = texts.flatMap((name) =>
			read(name)
				.split('\n')
				.flatMap((line, index) => findUnwantedWords(line).map((word) => `${name}:${index + 1} ${word}`)),
		);
		expect(places).toEqual([]);
	});

	it('recognises the words that are not plain English, and no others', () => {
		const unwanted = `He waits|for his key|whom it serves|Whoever asks|tells them|was told|is said|It obeys|shall be|
			goes on|a mended key|begins anew|once more|would be late|Hence|lest it|the like|in vain|isTold|tellViewer|mustObey`;
		const plain = `HE-AAC|The receiver SHALL|this|instead|amended|recommends|intelligent|shallow|would become|there|
			bidirectional|where|goes once|says that|TOLD|retell|satellite|the head`;
		expect(unwanted.split('|').filter((text) => findUnwantedWords(text).length !== 1)).toEqual([]);
		expect(plain.split('|').flatMap(findUnwantedWords)).toEqual([]);
	});

	it('no file is a place for everything', () => {
		expect(sources.filter((name) => /(^|\/)(utils?|helpers?|common|misc)(\/|\.|-)/.test(name))).toEqual([]);
	});

	it('no file has a path or the name of the machine or person that wrote it', () => {
		// Home folders and work folders of machines; the system provides temporary folders.
		const places = [/\/(?:root|work)\/\w/, /\/(?:home|Users)\/[a-z]\w*\//, /\/tmp\/\w/, /[A-Z]:\\\\?Users\\/];
		const names = [hostname(), userInfo().username].filter((name) => name.length > 5 && name !== 'localhost');
		const texts = files.filter((name) => sources.includes(name) || /\.(md|json|yml|build|wrap)$/.test(name));
		const violations = texts
			.filter((name) => name !== 'package-lock.json')
			.filter((name) => {
				const text = read(name);
				return places.some((pattern) => pattern.test(text)) || names.some((word) => text.includes(word));
			});
		expect(violations).toEqual([]);
	});

	it.each([
		['errors', renderErrorTable(ERROR_CODES)],
		['configuration', renderConfigurationTable(listConfigFields(SERVER_CONFIG_SCHEMA))],
	] as const)('the table in docs/%s.md is that of the code', (name, table) => {
		expect(findTable(read(`docs/${name}.md`), name), 'run: npm run docs:tables').toBe(table);
	});

	it('links between documents have a target', () => {
		const headings = (name: string): string[] =>
			[...read(name).matchAll(/^#+ (.+)$/gm)].map(([, text]) =>
				text!
					.toLowerCase()
					.replace(/[^\p{L}\p{N} -]/gu, '')
					.replaceAll(' ', '-'),
			);
		const broken = documents.flatMap((name) =>
			[...read(name).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)]
				.map(([, target, anchor]) => ({
					target: target === '' ? name : path.posix.join(path.posix.dirname(name), target!),
					anchor,
				}))
				.filter(
					({ target, anchor }) =>
						!files.includes(target) || (anchor !== undefined && !headings(target).includes(anchor)),
				)
				.map(({ target, anchor }) => `${name} -> ${target}${anchor === undefined ? '' : `#${anchor}`}`),
		);
		expect(documents.length).toBeGreaterThan(8);
		expect(broken).toEqual([]);
	});

	it('files and folders that documents name exist', () => {
		const named = /`((?:core|sfu|ingest|packager|signaling|web|loadtest|setup|docs)\/[\w./-]*)`/g;
		const exists = (name: string): boolean =>
			files.includes(name) || files.some((file) => file.startsWith(`${name.replace(/\/$/, '')}/`));
		const missing = documents.flatMap((name) =>
			[...read(name).matchAll(named)]
				.filter(([, target]) => !exists(target!))
				.map(([, target]) => `${name} -> ${target}`),
		);
		expect(missing).toEqual([]);
	});

	it('the README fits on two screens', () => {
		expect(read('README.md').split('\n').length).toBeLessThanOrEqual(121);
	});

	it('the signaling document names each message, reason and close code', () => {
		const text = read('docs/signaling.md');
		const types = [clientMessageSchema, serverMessageSchema].flatMap((schema) =>
			schema.anyOf.map((message) => message.properties.type.const),
		);
		const names = [...types, ...TIER_REASONS].map((name) => `\`${name}\``);
		const closes = Object.entries(SIGNALING_CLOSE_CODES).map(
			([name, { code, reconnects }]) =>
				new RegExp(`^\\| ${code} \\| ${name}\\b.*\\| ${reconnects ? 'yes' : 'no'}\\b`, 'm'),
		);
		expect(types.length).toBeGreaterThan(15);
		expect(names.filter((name) => !text.includes(name))).toEqual([]);
		expect(closes.filter((close) => !close.test(text))).toEqual([]);
	});

	it('no address is counted, only its address group (core/limits/address-key.ts)', () => {
		const counted =
			/(?:\.(?:get|set|has|delete|add|take|begin)|keyGenerator: \([^)]*\) =>)\s*\(?(?:\w+\.)*(?:ip|#?remoteAddress)\b/;
		const violations = sources
			.filter((name) => !/\.test\./.test(name) && !name.startsWith('loadtest/'))
			.filter((name) => counted.test(read(name)));
		expect(violations).toEqual([]);
		expect(counted.test('this.#counts.get(request.ip)')).toBe(true);
		expect(counted.test('keyGenerator: (request) => request.ip')).toBe(true);
		expect(counted.test('keyGenerator: (request) => addressKey(request.ip)')).toBe(false);
	});

	it('only plainAddress() writes IPv4-mapped IPv6 addresses as IPv4', () => {
		const names = sources.filter((name) => !/\.test\./.test(name) && /\^::ffff/.test(read(name)));
		expect(names).toEqual([]);
	});

	it('no page reads the wall clock of its machine, which may be hours off; server-time.ts has that of the server', () => {
		const wallClock = /Date\.now\(|new Date\(\)|\bnowMs\(\)/;
		const pages = sources.filter((name) => name.startsWith('web/src/') && !/\.test\./.test(name));
		expect(pages.length).toBeGreaterThan(50);
		expect(pages.filter((name) => wallClock.test(read(name)))).toEqual([]);
	});

	it('every error code is thrown somewhere', () => {
		const text = sources
			.filter((name) => name !== 'core/errors/errors.ts' && !/\.test\./.test(name))
			.map(read)
			.join('\n');
		expect(Object.keys(ERROR_CODES).filter((code) => !text.includes(`'${code}'`))).toEqual([]);
	});
});
