/**
 * Rules that hold for the whole project: direction of imports, first lines, sizes, no traces of machines, documents =
 * code.
 */
import { readdirSync, readFileSync } from 'node:fs';
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
import { TIER_REASONS } from '../protocol/tiers.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');

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

/** Files that compare the documents with the code, and so look at everything. No part of the product imports them. */
const LOOKS_EVERYWHERE = ['core/testing/project-rules.test.ts', 'core/testing/write-docs-tables.ts'];
/** The start builds the web pages when their sources changed; the build program is no part of the pages. */
const EXCEPTIONS: Readonly<Record<string, readonly string[]>> = { 'signaling/main.ts': ['web/build.ts'] };
const INTEGRATION_TEST = /\.(integration|e2e)\.test\.(ts|mjs)$/;

const SKIPPED_FOLDERS = new Set(['node_modules', 'dist', '.git', 'data', '.spillway']);
const SOURCE = /\.(ts|mjs|js|vue|css|sql|h|c|cpp|html|sh)$/;
const COMMENT_START = /^(\/\*\*?|\/\/|<!--|--|#)\s*\S/;
/** Beyond the first a file says at its top why it is long; beyond the second it is split. */
const MAX_LINES = 500;
const MAX_LINES_WITH_REASON = 700;

function listFiles(folder: string): string[] {
	return readdirSync(path.join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
		const name = folder === '' ? entry.name : `${folder}/${entry.name}`;
		if (entry.isDirectory()) {
			return SKIPPED_FOLDERS.has(entry.name) ? [] : listFiles(name);
		}
		return [name];
	});
}

const files = listFiles('');
const sources = files.filter((name) => SOURCE.test(name));
const read = (name: string): string => readFileSync(path.join(ROOT, name), 'utf8');

/** Whether a file is a test or an aid of tests. */
function isTesting(name: string): boolean {
	return /(^|\/)testing\//.test(name) || /\.(test|bench)\.(ts|mjs)$/.test(name) || name.endsWith('-contract.ts');
}

/** Relative imports of a file, static and dynamic, as paths from the root. */
function findImports(name: string): string[] {
	const pattern = /(?:\bfrom|\bimport)\s*\(?\s*['"](\.{1,2}\/[^'"]+)['"]/g;
	const directory = path.posix.dirname(name);
	return [...read(name).matchAll(pattern)].map(([, specifier]) => path.posix.join(directory, specifier!));
}

/** Relative imports that remain at run time: not `import type`, which the compiler erases. */
function findValueImports(name: string): string[] {
	const pattern = /^(?:import|export)\s+(?!type\b)[^'";]*?['"](\.{1,2}\/[^'"]+)['"]/gm;
	const directory = path.posix.dirname(name);
	return [...read(name).matchAll(pattern)].map(([, specifier]) => path.posix.join(directory, specifier!));
}

/** Whether a file may import another. */
function mayImport(name: string, target: string): boolean {
	const [folder, targetFolder] = [name.split('/')[0]!, target.split('/')[0]!];
	if (EXCEPTIONS[name]?.includes(target) === true || LOOKS_EVERYWHERE.includes(name)) {
		return true;
	}
	if (targetFolder === folder || MAY_IMPORT[folder]!.includes(targetFolder)) {
		return true;
	}
	// The whole product is tested with the load tester's clients, and set-up is tested with the parts that it installs.
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

	it('the player has one face, create-player.ts, and knows no framework', () => {
		const isPlayer = (name: string): boolean => name.startsWith('web/src/player/');
		const web = sources.filter((name) => name.startsWith('web/') && /\.(ts|vue)$/.test(name));
		const behindTheFace = web
			.filter((name) => !isPlayer(name))
			.flatMap((name) => findImports(name).map((target) => ({ name, target })))
			.filter(({ target }) => isPlayer(target) && target !== 'web/src/player/create-player.ts')
			.map(({ name, target }) => `${name} -> ${target}`);
		expect(behindTheFace).toEqual([]);
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

	it('tests and their aids are imported by tests only', () => {
		const violations = sources
			.filter((name) => !isTesting(name) && !name.startsWith('loadtest/'))
			.flatMap((name) =>
				findImports(name)
					.filter(isTesting)
					.map((target) => `${name} -> ${target}`),
			);
		expect(violations).toEqual([]);
	});

	it('every source file says in its first line what it is', () => {
		// Before the doctype of a page nothing may stand.
		const described = sources.filter((name) => !name.endsWith('.html'));
		const violations = described.filter((name) => {
			const [first, second] = read(name).split('\n', 2);
			const line = first!.startsWith('#!') ? second! : first!;
			// A block comment may begin with an empty line.
			return !COMMENT_START.test(line === '/**' || line === '/*' ? `${line} ${second}` : line);
		});
		expect(violations).toEqual([]);
	});

	it(`no source file has more than ${MAX_LINES} lines, or up to ${MAX_LINES_WITH_REASON} when it says why`, () => {
		const violations = sources
			.map((name) => ({ name, lines: read(name).split('\n') }))
			.map(({ name, lines }) => ({
				name,
				count: lines.length - 1,
				max: lines.slice(0, 6).join(' ').includes('Long because') ? MAX_LINES_WITH_REASON : MAX_LINES,
			}))
			.filter(({ count, max }) => count > max)
			.map(({ name, count }) => `${name}: ${count}`);
		expect(violations).toEqual([]);
	});

	it('speaks plain English, and of people as they', () => {
		const words = /\b(?:he|his|him|himself|lest|for want of|in so far as)\b/i;
		// The names of a profile of AAC and of a field of a header are no people.
		const plain = (line: string): string => line.replace(/HE-?AAC\w*|\bHE\b/g, '');
		const texts = files.filter((name) => SOURCE.test(name) || name.endsWith('.md'));
		const places = texts
			.filter((name) => name !== 'core/testing/project-rules.test.ts' && !name.startsWith('setup/build-worker/'))
			.flatMap((name) =>
				read(name)
					.split('\n')
					.map((line, index) => ({ line, place: `${name}:${index + 1}` })),
			)
			.filter(({ line }) => words.test(plain(line)));
		expect(places.map(({ place }) => place)).toEqual([]);
	});

	it('no file is a place for everything', () => {
		expect(sources.filter((name) => /(^|\/)(utils?|helpers?|common|misc)(\/|\.|-)/.test(name))).toEqual([]);
	});

	it('no file holds a path or the name of the machine or person that wrote it', () => {
		// Home folders and work folders of machines; temporary folders are asked of the system.
		const places = [/\/(?:root|work)\/\w/, /\/(?:home|Users)\/[a-z]\w*\//, /\/tmp\/\w/, /[A-Z]:\\\\?Users\\/];
		const names = [hostname(), userInfo().username].filter((name) => name.length > 5 && name !== 'localhost');
		const texts = files.filter((name) => SOURCE.test(name) || /\.(md|json|yml|build|wrap)$/.test(name));
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

	it('links between documents lead somewhere', () => {
		const documents = files.filter((name) => /^(README|docs\/[\w-]+)\.md$/.test(name));
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
		const documents = files.filter((name) => /^(README|docs\/[\w-]+)\.md$/.test(name));
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

	it('no address is counted as it is: only its address group is (core/limits/address-key.ts)', () => {
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

	it('IPv4 addresses that came as IPv6 are written as IPv4 in one place (plainAddress)', () => {
		const names = sources.filter((name) => !/\.test\./.test(name) && /\^::ffff/.test(read(name)));
		expect(names).toEqual([]);
	});

	it('no page reads the wall clock of its viewer, which may be hours off: server-time.ts has the server’s', () => {
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
