/** Turns the typed page programs into one classic script for any page, whatever its origin. */
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';

/** Files of the program, relative to loadtest/; a file comes after those that it imports. */
const FILES = [
	'source/time-pattern.ts',
	'source/tone-code.ts',
	'clients/chromium/page/picture-reader.ts',
	'clients/chromium/page/canvas-source.ts',
	'clients/chromium/page/webrtc-page.ts',
	'clients/chromium/page/hls-page.ts',
	'clients/chromium/page/shaka-page.ts',
];

const SOUND_WORKER_FILES = ['source/tone-code.ts', 'clients/chromium/page/sound-worker.ts'];

let cached: string | undefined;

/**
 * The program's text. It defines `globalThis.spillwayBench` with every function and constant that the files export.
 * Each file has its own scope; imports become destructuring.
 */
export function pageProgram(): string {
	cached ??= `${scopes(FILES, 'globalThis.spillwayBench = bench;')}
globalThis.spillwaySoundWorker = ${JSON.stringify(scopes(SOUND_WORKER_FILES, 'bench.listenForMessages();'))};`;
	return cached;
}

function scopes(files: readonly string[], ending: string): string {
	return `(() => {\n'use strict';\nconst bench = {};\n${files.map(fileAsScope).join('\n')}\n${ending}\n})();`;
}

function fileAsScope(file: string): string {
	const source = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
	const exported: string[] = [];
	const script = stripTypeScriptTypes(source)
		.replace(/^import\s*\{([^}]*)\}\s*from\s*'[^']+';/gm, 'const {$1} = bench;')
		.replace(/^export (async function|function|const|class) (\w+)/gm, (_match, kind: string, name: string) => {
			exported.push(name);
			return `${kind} ${name}`;
		});
	return `{\n${script}\nObject.assign(bench, { ${exported.join(', ')} });\n}`;
}
