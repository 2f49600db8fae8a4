/** Tests of the set-up cache: its place, the hash of a folder, locks. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hashFolder, isLockStale, removeLeftoverWorkFolders, resolveCacheFolder, withLock } from './setup-cache.mjs';

/** Above every process id that Linux hands out by default (32768) and at most (4194304). */
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
		['SPILLWAY_SETUP_CACHE before everything else', { SPILLWAY_SETUP_CACHE: '/a', XDG_CACHE_HOME: '/b' }, '/a'],
		['the XDG cache folder', { XDG_CACHE_HOME: '/b' }, '/b/spillway'],
		['the home folder when the XDG one is relative, hence invalid', { XDG_CACHE_HOME: 'b' }, '/h/.cache/spillway'],
		['the home folder by default', {}, '/h/.cache/spillway'],
	])('takes %s', (_title, environment, expected) => {
		expect(resolveCacheFolder(environment, '/h')).toBe(expected);
	});
});

describe('hashFolder', () => {
	it('changes with a content, a name and a place, and with nothing else', () => {
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

	it('keeps a byte that moves from one file to the next apart', () => {
		writeFileSync(path.join(folder, 'a'), 'xy');
		writeFileSync(path.join(folder, 'b'), 'z');
		const before = hashFolder(folder);
		writeFileSync(path.join(folder, 'a'), 'x');
		writeFileSync(path.join(folder, 'b'), 'yz');
		expect(hashFolder(folder)).not.toBe(before);
	});
});

describe('isLockStale', () => {
	it('is false for a living holder', () => {
		expect(isLockStale({ pid: process.pid, host: 'here' }, 1_000, 'here')).toBe(false);
	});

	it('is true for a holder that has died on this machine', () => {
		expect(isLockStale({ pid: IMPOSSIBLE_PID, host: 'here' }, 1_000, 'here')).toBe(true);
	});

	it('cannot tell a holder on another machine by its process id', () => {
		expect(isLockStale({ pid: IMPOSSIBLE_PID, host: 'there' }, 1_000, 'here')).toBe(false);
	});

	it('is true when nobody has touched it for long, whoever holds it', () => {
		expect(isLockStale({ pid: process.pid, host: 'there' }, 31_000, 'here')).toBe(true);
		expect(isLockStale({}, 31_000, 'here')).toBe(true);
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

	it('takes over from a holder that was killed', async () => {
		mkdirSync(path.dirname(lockFile()));
		writeFileSync(lockFile(), JSON.stringify({ pid: IMPOSSIBLE_PID, host: os.hostname() }));
		expect(await withLock({ cacheFolder: folder }, 'build', async () => 'done')).toBe('done');
		expect(readdirSync(path.dirname(lockFile()))).toEqual([]);
	});

	it('lets one in at a time', async () => {
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
	it('removes those of its kind and no others', () => {
		mkdirSync(path.join(folder, 'tmp', 'worker-1', 'deep'), { recursive: true });
		mkdirSync(path.join(folder, 'tmp', 'node-1'));
		removeLeftoverWorkFolders(folder, 'worker');
		expect(readdirSync(path.join(folder, 'tmp'))).toEqual(['node-1']);
	});

	it('does nothing when there is no cache yet', () => {
		removeLeftoverWorkFolders(path.join(folder, 'missing'), 'worker');
	});
});
