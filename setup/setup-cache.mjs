/** The cache of set-up outside of the checkout (Node, the built worker), and the locks for sharing it. */
import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SetupError } from './setup-error.mjs';

/** A holder touches its lock this often, so that others can distinguish it from a killed one. */
const LOCK_HEARTBEAT_INTERVAL_MS = 5_000;

/**
 * A lock that was not touched for this long has no holder, on any machine or container. Six heartbeats: a machine that
 * swaps so much that it misses six is not compiling either.
 */
const LOCK_STALE_AFTER_MS = 30_000;

/** How often a waiting process checks the lock. */
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
	// XDG base directory specification: a relative path in the variable is invalid and must be ignored.
	if (environment['XDG_CACHE_HOME'] && path.isAbsolute(environment['XDG_CACHE_HOME'])) {
		return path.join(environment['XDG_CACHE_HOME'], 'spillway');
	}
	return path.join(homeFolder, '.cache', 'spillway');
}

/**
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
			// With a slash, so that the hash is the same on every platform.
			const entryPath = relative === '' ? entry.name : `${relative}/${entry.name}`;
			if (entry.isDirectory()) {
				visit(entryPath);
			} else {
				const content = readFileSync(path.join(folder, entryPath));
				// The length distinguishes "ab" + "c" from "a" + "bc".
				hash.update(`${entryPath}\0${content.length}\0`).update(content);
			}
		}
	};
	visit('');
	return hash.digest('hex');
}

/**
 * Creates an empty folder in the cache for work in progress. It is on the same file system as the results, so that a
 * finished result moves by one atomic rename.
 *
 * @param {string} cacheFolder
 * @param {string} kind Of the work; leftovers are found by it.
 * @returns {string}
 */
export function createWorkFolder(cacheFolder, kind) {
	const folder = path.join(cacheFolder, 'tmp', `${kind}-${randomUUID()}`);
	ensureCacheFolder(folder);
	return folder;
}

/**
 * Deletes leftovers of killed processes. The caller must hold the lock for work of this kind.
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
		// No such folder: no leftovers.
	}
	for (const entry of entries) {
		if (entry.startsWith(`${kind}-`)) {
			rmSync(path.join(cacheFolder, 'tmp', entry), { recursive: true, force: true });
		}
	}
}

/**
 * @param {{ pid?: number, host?: string }} holder From the lock file.
 * @param {number} untouchedForMs How long ago the holder last touched it.
 * @param {string} [host] This machine's name: a process id of another machine cannot be checked.
 * @returns {boolean} Whether the holder is gone.
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
		// EPERM means that it is alive and belongs to another user.
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
 * @param {{ onWait?: (holder: { pid?: number }) => void }} [options] `onWait` is called once when another process holds
 * it.
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
			// Aborted: the next round throws the signal's reason.
		});
	}

	const heartbeat = setInterval(() => {
		try {
			const now = new Date();
			utimesSync(file, now, now);
		} catch {
			// Another process took it as stale. Results are moved atomically, so that two holders cost only time.
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

/**
 * Runs a step of set-up under a lock, with its progress and its end on the terminal.
 *
 * @param {import('./run.mjs').SetupContext} context
 * @param {{ step: string, lock: string, failure: string }} names `failure`: the end of the step when it throws.
 * @param {(step: { progress(text: string): void }) => Promise<string>} run Returns the end of the step.
 */
export async function runLockedStep(context, names, run) {
	const step = context.terminal.startStep(names.step);
	const onWait = (/** @type {{ pid?: number }} */ holder) =>
		step.progress(`waiting for another set-up, process ${holder.pid}`);
	try {
		step.done(await withLock(context, names.lock, () => run(step), { onWait }));
	} catch (error) {
		step.fail(context.signal.aborted ? 'stopped' : names.failure);
		throw error;
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
			// Its writer was killed before writing it: it has no holder and becomes stale by its age.
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
	// Renamed first and read afterwards: only one of several processes that found the same stale lock gets it. A lock
	// that another process took in between is restored.
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
			// A third process took it meanwhile, which is harmless; see the heartbeat.
		}
	}
	rmSync(aside, { force: true });
}
