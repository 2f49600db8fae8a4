/** Tests of the set-up cache. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hashFolder, isLockStale, removeLeftoverWorkFolders, resolveCacheFolder, withLock } from './setup-cache.mjs';

/** Above the highest process id of Linux (4194304). */
const IMPOSSIBLE_PID = 4_194_305;

/** @type {string} */
let folder;
beforeEach(() => {
	folder = mkdtempSync(path.join(os.tmpdir(), 'spillway-cache-test-'));
});
afterEach(() => {
	rmSync(folder, { recursive: true });
});

describe('resolveCacheFolder', () => {
	it.each([
		['SPILLWAY_SETUP_CACHE before all others', { SPILLWAY_SETUP_CACHE: '/a', XDG_CACHE_HOME: '/b' }, '/a'],
		['the XDG cache folder', { XDG_CACHE_HOME: '/b' }, '/b/spillway'],
		['the home folder when the XDG one is relative and invalid', { XDG_CACHE_HOME: 'b' }, '/h/.cache/spillway'],
		['the home folder by default', {}, '/h/.cache/spillway'],
	])('is %s', (_title, environment, expected) => {
		expect(resolveCacheFolder(environment, '/h')).toBe(expected);
	});
});

describe('hashFolder', () => {
	it('changes with content, name and folder only', () => {
		const write = (/** @type {string} */ name, /** @type {string} */ text) => {
			mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
			writeFileSync(path.join(folder, name), text);
		};
		write('a/x', 'one');
		write('b', 'two');
		const original = hashFolder(folder);

		utimesSync(path.join(folder, 'b'), 0, 0);
		expect(hashFolder(folder)).toBe(original);

		write('b', 'three');
		const changedContent = hashFolder(folder);
		expect(changedContent).not.toBe(original);

		rmSync(path.join(folder, 'b'));
		write('c', 'three');
		expect(hashFolder(folder)).not.toBe(changedContent);

		rmSync(path.join(folder, 'c'));
		write('a/b', 'two');
		expect(hashFolder(folder)).not.toBe(original);
	});

	it('changes when a byte moves from one file to the next', () => {
		writeFileSync(path.join(folder, 'a'), 'xy');
		writeFileSync(path.join(folder, 'b'), 'z');
		const before = hashFolder(folder);
		writeFileSync(path.join(folder, 'a'), 'x');
		writeFileSync(path.join(folder, 'b'), 'yz');
		expect(hashFolder(folder)).not.toBe(before);
	});
});

describe('isLockStale', () => {
	it.each([
		['for a living holder', { pid: process.pid, host: 'here' }, 1_000, false],
		['for a dead holder on this machine', { pid: IMPOSSIBLE_PID, host: 'here' }, 1_000, true],
		['for any process id on another machine', { pid: IMPOSSIBLE_PID, host: 'there' }, 1_000, false],
		['for a holder that has not touched it for long', { pid: process.pid, host: 'there' }, 31_000, true],
		['without a holder after that time', {}, 31_000, true],
	])('%s', (_title, holder, untouchedForMs, expected) => {
		expect(isLockStale(holder, untouchedForMs, 'here')).toBe(expected);
	});
});

describe('withLock', () => {
	const lockFile = () => path.join(folder, 'locks', 'build.lock');

	it('removes the lock afterwards, also when the work fails', async () => {
		await expect(
			withLock({ cacheFolder: folder }, 'build', async () => {
				expect(existsSync(lockFile())).toBe(true);
				throw new Error('no luck');
			}),
		).rejects.toThrow('no luck');
		expect(readdirSync(path.dirname(lockFile()))).toEqual([]);
	});

	it('takes the lock of a killed holder', async () => {
		mkdirSync(path.dirname(lockFile()));
		writeFileSync(lockFile(), JSON.stringify({ pid: IMPOSSIBLE_PID, host: os.hostname() }));
		expect(await withLock({ cacheFolder: folder }, 'build', async () => 'done')).toBe('done');
		expect(readdirSync(path.dirname(lockFile()))).toEqual([]);
	});

	it('runs one function at a time', async () => {
		let running = 0;
		let waits = 0;
		const work = () =>
			withLock(
				{ cacheFolder: folder },
				'build',
				async () => {
					running++;
					expect(running).toBe(1);
					await new Promise((resolve) => setImmediate(resolve));
					running--;
				},
				{ onWait: () => waits++ },
			);
		await Promise.all([work(), work()]);
		expect(waits).toBe(1);
	});

	it('stops waiting when set-up is stopped', async () => {
		const controller = new AbortController();
		const context = { cacheFolder: folder, signal: controller.signal };
		/** @type {(value?: unknown) => void} */
		let release = () => {};
		const first = withLock(context, 'build', () => new Promise((resolve) => (release = resolve)));
		const second = withLock(context, 'build', async () => {}, {
			onWait: () => controller.abort(new Error('stopped')),
		});
		await expect(second).rejects.toThrow('stopped');
		release();
		await first;
	});
});

describe('removeLeftoverWorkFolders', () => {
	it('removes only those of its kind', () => {
		mkdirSync(path.join(folder, 'tmp', 'worker-1', 'deep'), { recursive: true });
		mkdirSync(path.join(folder, 'tmp', 'node-1'));
		removeLeftoverWorkFolders(folder, 'worker');
		expect(readdirSync(path.join(folder, 'tmp'))).toEqual(['node-1']);
	});

	it('does nothing without a cache', () => {
		removeLeftoverWorkFolders(path.join(folder, 'missing'), 'worker');
	});
});
