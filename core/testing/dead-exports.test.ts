/** Finds exports that no other file of the product imports. One that only tests import says `@internal for tests`. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = path.join(import.meta.dirname, '..', '..');
const FOLDERS = ['core', 'sfu', 'ingest', 'packager', 'signaling', 'web', 'loadtest'];
const EXPORT =
	/(\/\*\*(?:(?!\*\/)[^])*\*\/\s*)?^export (?:declare )?(?:abstract )?(?:async )?(?:const|function\*?|class|type|interface) (\w+)/gm;

type Export = { file: string; name: string; isForTests: boolean };

const files = FOLDERS.flatMap((folder) =>
	readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) => `${folder}/${name}`),
).filter((name) => /\.(ts|vue)$/.test(name) && !/(^|\/)(node_modules|dist)\//.test(name));
/** Programs that run inside a page, where evaluated text calls them. */
const isPageProgram = (name: string): boolean => /^loadtest\/.*(\/page\/|\/player-page\.ts$)/.test(name);
const texts = new Map(files.map((name) => [name, readFileSync(path.join(ROOT, name), 'utf8')]));

const isTest = (name: string): boolean => /\.(test|bench)\.ts$|(^|\/)testing\/|-contract\.ts$/.test(name);

/** `file#name` for each name that a file imports; `file#*` for a whole module. */
function readImports(name: string): string[] {
	const text = texts.get(name)!;
	const folder = path.posix.dirname(name);
	const named = [...text.matchAll(/\b(?:import|export)\s+(?:type\s+)?\{([^}]*)\}\s*from\s*'(\.[^']+)'/g)].flatMap(
		([, names, specifier]) =>
			[...names!.matchAll(/(?:^|,)\s*(?:type\s+)?(\w+)/g)].map(
				([, entry]) => `${path.posix.join(folder, specifier!)}#${entry}`,
			),
	);
	const whole = [
		...text.matchAll(/\*\s+as\s+\w+\s+from\s*'(\.[^']+)'/g),
		...text.matchAll(/\bimport\(\s*'(\.[^']+)'\s*\)/g),
		...text.matchAll(/\bexport\s+\*\s+from\s*'(\.[^']+)'/g),
	].map(([, specifier]) => `${path.posix.join(folder, specifier!)}#*`);
	return [...named, ...whole];
}

function readExports(file: string): Export[] {
	return [...texts.get(file)!.matchAll(EXPORT)].map(([, comment, name]) => ({
		file,
		name: name!,
		isForTests: comment?.includes('@internal for tests') === true,
	}));
}

describe('exports', () => {
	const product = files.filter((name) => !isTest(name) && !isPageProgram(name) && name.endsWith('.ts'));
	const importsOf = (names: readonly string[]): Set<string> => new Set(names.flatMap(readImports));
	const byProduct = importsOf(files.filter((name) => !isTest(name)));
	const byTests = importsOf(files.filter(isTest));
	const isIn = (imports: ReadonlySet<string>, { file, name }: Export): boolean =>
		imports.has(`${file}#${name}`) || imports.has(`${file}#*`);
	const exports = product.flatMap(readExports);

	it('are imported by another file of the product, or by tests and marked so', () => {
		const unused = exports.filter((entry) => !isIn(byProduct, entry) && !(entry.isForTests && isIn(byTests, entry)));
		expect(exports.length).toBeGreaterThan(1000);
		expect(unused.map(({ file, name }) => `${file}: ${name}`)).toEqual([]);
	});

	it('are not marked for tests when the product imports them', () => {
		const wrong = exports.filter((entry) => entry.isForTests && isIn(byProduct, entry));
		expect(wrong.map(({ file, name }) => `${file}: ${name}`)).toEqual([]);
	});
});
