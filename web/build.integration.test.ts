/** The build as `npm start` runs it: several at once, and none without changes. */
import { execFile } from 'node:child_process';
import { readFile, readdir, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { buildWebIfStale } from './build.ts';

const run = promisify(execFile);
/** A server starts seldom, so two in a row are rare. */
const MAX_ROUNDS = 4;
const BUILD = fileURLToPath(new URL('build.ts', import.meta.url));

describe('buildWebIfStale', () => {
	it('builds once when two processes start at once, and not again', async () => {
		const { folder } = await buildWebIfStale();
		let words: (string | undefined)[] = [];
		// A server of another test may build the same folder first. Then both are up to date, and it is repeated.
		for (let round = 0; round < MAX_ROUNDS && !words.includes('Built'); round++) {
			await rm(`${folder}/build-stamp.txt`, { force: true });
			const outputs = await Promise.all([1, 2].map(() => run(process.execPath, [BUILD])));
			words = outputs.map(({ stdout }) => stdout.split(':')[0]);
		}
		expect(words.toSorted()).toEqual(['Built', 'Up to date']);
		expect(await readFile(`${folder}/index.html`, 'utf8')).toContain('<div id="app">');
		const scripts = (await readdir(`${folder}/assets`)).filter((name) => name.endsWith('.js.gz'));
		expect(scripts.some((name) => name.startsWith('hls-'))).toBe(true);
		expect(await buildWebIfStale()).toEqual({ built: false, folder });
	});
});
