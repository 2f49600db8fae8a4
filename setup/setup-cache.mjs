/**
 * Where set-up keeps what takes long to get (Node, the built worker), outside of the checkout, and how processes share
 * it.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SetupError } from './setup-error.mjs';

/** A holder touches its lock this often, so that others can tell a living holder from one that was killed. */
const LOCK_HEARTBEAT_INTERVAL_MS = 5_000;

/**
 * A lock that was not touched for this long belongs to nobody, whatever machine or container its process ran on. Six
 * heartbeats: a machine that swaps so hard that it misses six is not compiling either.
 */
const LOCK_STALE_AFTER_MS = 30_000;

/** How often a waiting process looks whether the lock is free. */
const LOCK_POLL_INTERVAL_MS = 250;

/**
 * The cache folder: `SPILLWAY_SETUP_CACHE`, else below the user's cache folder.
 *
 * @param {NodeJS.ProcessEnv} environment
 * @param {string} [homeFolder]
 * @returns {string} An absolute path; the folder may not exist yet.
 */
export function resolveCacheFolder(environment, homeFolder = os.homedir()) {
	if (environment['SPILLWAY_SETUP_CACHE']) {
		return path.resolve(environment['SPILLWAY_SETUP_CACHE']);
	}
	// The XDG base directory specification: a relative path in the variable is invalid and is to be ignored.
	if (environment['XDG_CACHE_HOME'] && path.isAbsolute(environment['XDG_CACHE_HOME'])) {
		return path.join(environment['XDG_CACHE_HOME'], 'spillway');
	}
	return path.join(homeFolder, '.cache', 'spillway');
}

/**
 * Creates a folder of the cache.
 *
 * @param {string} folder
 * @throws {SetupError} When the cache cannot be written.
 */
export function ensureCacheFolder(folder) {
	try {
		mkdirSync(folder, { recursive: true });
	} catch (/** @type {any} */ error) {
		throw new SetupError(`The set-up cache ${folder} cannot be written: ${error.code ?? error.message}.`, {
			whatToDo: ['Set SPILLWAY_SETUP_CACHE to a folder that this user may write.'],
			cause: error,
		});
	}
}

/**
 * Hashes every file below a folder, names and contents, in an order that does not depend on the file system.
 *
 * @param {string} folder
 * @returns {string} Hexadecimal SHA-256.
 */
export function hashFolder(folder) {
	const hash = createHash('sha256');
	const visit = (/** @type {string} */ relative) => {
		const entries = readdirSync(path.join(folder, relative), { withFileTypes: true });
		entries.sort((a, b) => (a.name < b.name ? -1 : 1));
		for (const entry of entries) {
			// Always with a slash, so that the hash is the same on every platform.
			const entryPath = relative === '' ? entry.name : `${relative}/${entry.name}`;
			if (entry.isDirectory()) {
				visit(entryPath);
			} else {
				const content = readFileSync(path.join(folder, entryPath));
				// The length keeps "ab" + "c" apart from "a" + "bc".
				hash.update(`${entryPath}\0${content.length}\0`).update(content);
			}
		}
	};
	visit('');
	return hash.digest('hex');
}

/**
 * Creates an empty folder in the cache for work in progress. It is on the same file system as the results, so that
 * moving a finished result into place is one atomic rename.
 *
 * @param {string} cacheFolder
 * @param {string} kind What the work is; leftovers are found by it.
 * @returns {string}
 */
export function createWorkFolder(cacheFolder, kind) {
	const folder = path.join(cacheFolder, 'tmp', `${kind}-${randomUUID()}`);
	ensureCacheFolder(folder);
	return folder;
}

/**
 * Deletes what killed processes left behind. Only call it while holding the lock under which work of this kind is done.
 *
 * @param {string} cacheFolder
 * @param {string} kind
 */
export function removeLeftoverWorkFolders(cacheFolder, kind) {
	/** @type {string[]} */
	let entries = [];
	try {
		entries = readdirSync(path.join(cacheFolder, 'tmp'));
	} catch {
		// No such folder: nothing was left behind.
	}
	for (const entry of entries) {
		if (entry.startsWith(`${kind}-`)) {
			rmSync(path.join(cacheFolder, 'tmp', entry), { recursive: true, force: true });
		}
	}
}

/**
 * Whether a lock's holder is gone.
 *
 * @param {{ pid?: number, host?: string }} holder What the lock file says.
 * @param {number} untouchedForMs How long ago the holder last touched it.
 * @param {string} [host] This machine's name: a process id says nothing about another machine.
 * @returns {boolean}
 */
export function isLockStale(holder, untouchedForMs, host = os.hostname()) {
	if (untouchedForMs > LOCK_STALE_AFTER_MS) {
		return true;
	}
	if (holder.host !== host || typeof holder.pid !== 'number') {
		return false;
	}
	try {
		process.kill(holder.pid, 0);
		return false;
	} catch (/** @type {any} */ error) {
		// EPERM means that it lives and belongs to somebody else.
		return error.code === 'ESRCH';
	}
}

/**
 * Runs a function while no other process runs one under the same lock.
 *
 * @template T
 * @param {{ cacheFolder: string, signal?: AbortSignal }} context
 * @param {string} name
 * @param {() => Promise<T>} run
 * @param {{ onWait?: (holder: { pid?: number }) => void }} [options] `onWait` is called once if somebody else holds it.
 * @returns {Promise<T>}
 */
export async function withLock(context, name, run, { onWait } = {}) {
	const folder = path.join(context.cacheFolder, 'locks');
	ensureCacheFolder(folder);
	const file = path.join(folder, `${name}.lock`);
	const content = JSON.stringify({ pid: process.pid, host: os.hostname(), token: randomUUID() });

	let waited = false;
	for (;;) {
		context.signal?.throwIfAborted();
		try {
			writeFileSync(file, content, { flag: 'wx' });
			break;
		} catch (/** @type {any} */ error) {
			if (error.code !== 'EEXIST') {
				throw error;
			}
		}
		const existing = readLock(file);
		if (existing === undefined) {
			continue;
		}
		if (isLockStale(existing.holder, Date.now() - existing.touchedAtMs)) {
			removeStaleLock(file, existing.content);
			continue;
		}
		if (!waited) {
			waited = true;
			onWait?.(existing.holder);
		}
		await sleep(LOCK_POLL_INTERVAL_MS, undefined, context.signal ? { signal: context.signal } : {}).catch(() => {
			// Aborted: the next round throws the signal's own reason.
		});
	}

	const heartbeat = setInterval(() => {
		try {
			const now = new Date();
			utimesSync(file, now, now);
		} catch {
			// Somebody took it for stale. The result is moved into place atomically, so that two holders cost time only.
		}
	}, LOCK_HEARTBEAT_INTERVAL_MS);
	heartbeat.unref();
	try {
		return await run();
	} finally {
		clearInterval(heartbeat);
		if (readLock(file)?.content === content) {
			rmSync(file, { force: true });
		}
	}
}

/** @param {string} file */
function readLock(file) {
	try {
		const content = readFileSync(file, 'utf8');
		const touchedAtMs = statSync(file).mtimeMs;
		let holder = {};
		try {
			holder = JSON.parse(content);
		} catch {
			// Its writer was killed between creating and filling it: it has no holder and goes stale by its age.
		}
		return { content, touchedAtMs, holder };
	} catch (/** @type {any} */ error) {
		if (error.code === 'ENOENT') {
			return undefined;
		}
		throw error;
	}
}

/** @param {string} file @param {string} staleContent */
function removeStaleLock(file, staleContent) {
	// Renamed first and looked at afterwards: of several processes that found the same stale lock one gets it, and a lock
	// that somebody else took in between is put back rather than deleted.
	const aside = `${file}.${randomUUID()}`;
	try {
		renameSync(file, aside);
	} catch (/** @type {any} */ error) {
		if (error.code === 'ENOENT') {
			return;
		}
		throw error;
	}
	const content = readFileSync(aside, 'utf8');
	if (content !== staleContent) {
		try {
			writeFileSync(file, content, { flag: 'wx' });
		} catch {
			// A third process took it meanwhile; see the heartbeat for why that is harmless.
		}
	}
	rmSync(aside, { force: true });
}
