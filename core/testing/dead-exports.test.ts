/** Finds exports that no other file of the product imports. One that only tests import says `@internal for tests`. */
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { isTesting, readProjectFile, SOURCE_FILES } from './project-files.ts';

const EXPORT =
	/(\/\*\*(?:(?!\*\/)[^])*\*\/\s*)?^export (?:declare )?(?:abstract )?(?:async )?(?:const|function\*?|class|type|interface) (\w+)/gm;

type Export = { file: string; name: string; isForTests: boolean };

const files = SOURCE_FILES.filter((name) => /^(?!setup\/).*\/.*\.(ts|vue)$/.test(name));
/** Programs that run inside a page, where evaluated text calls them. */
const isPageProgram = (name: string): boolean => /^loadtest\/.*(\/page\/|\/player-page\.ts$)/.test(name);
const texts = new Map(files.map((name) => [name, readProjectFile(name)]));

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
	const product = files.filter((name) => !isTesting(name) && !isPageProgram(name) && name.endsWith('.ts'));
	const importsOf = (names: readonly string[]): Set<string> => new Set(names.flatMap(readImports));
	const byProduct = importsOf(files.filter((name) => !isTesting(name)));
	const byTests = importsOf(files.filter(isTesting));
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
