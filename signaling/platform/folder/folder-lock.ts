/** A lock file that says which process owns a folder, and can be taken over from a dead one. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../../core/errors/errors.ts';
import type { Logger } from '../../../core/logger.ts';

/** How often the owner marks its lock as alive, for other hosts that share the folder and cannot see the process. */
const TOUCH_INTERVAL_MS = 5000;
/** A lock of another host (or container) that was not touched for this long belongs to a dead one. */
const FOREIGN_STALE_MS = 30_000;

/** A lock that is held. */
export type FolderLock = {
	/** Gives it up and removes the file. Idempotent. */
	release(): Promise<void>;
};

type LockFile = { pid: number; processStart: string; host: string; token: string };

/**
 * Takes the lock, or throws DATA_FOLDER_LOCKED naming the process that has it. Makes the folder of the file when
 * missing.
 *
 * Node has no flock(); the file holds process id and start time, so that an id given out again is not mistaken for its
 * former owner.
 */
export async function lockFolder(lockPath: string, options: { clock: Clock; logger: Logger }): Promise<FolderLock> {
	await mkdir(dirname(lockPath), { recursive: true });
	const own: LockFile = {
		pid: process.pid,
		processStart: processStart(process.pid) ?? '',
		host: hostname(),
		token: randomUUID(),
	};
	const draftPath = `${lockPath}.${own.token}`;
	await writeFile(draftPath, JSON.stringify(own), { mode: 0o600 });
	try {
		if (!(await tryLink(draftPath, lockPath))) {
			await removeStale(lockPath, options);
			if (!(await tryLink(draftPath, lockPath))) {
				throw lockedError(lockPath, await readLock(lockPath));
			}
		}
	} finally {
		await rm(draftPath, { force: true });
	}
	const stopTouching = options.clock.setInterval(() => {
		const now = new Date(options.clock.nowMs());
		// A lock that somebody removed by hand is missed at the next start, not here.
		utimes(lockPath, now, now).catch(() => undefined);
	}, TOUCH_INTERVAL_MS);
	let isReleased = false;
	return {
		async release() {
			if (!isReleased) {
				isReleased = true;
				stopTouching();
				if ((await readLock(lockPath))?.token === own.token) {
					await rm(lockPath, { force: true });
				}
			}
		},
	};
}

// link() fails when the name exists: the file appears under its name with its content or not at all.
async function tryLink(draftPath: string, lockPath: string): Promise<boolean> {
	try {
		await link(draftPath, lockPath);
		return true;
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
			return false;
		}
		throw error;
	}
}

async function removeStale(lockPath: string, options: { clock: Clock; logger: Logger }): Promise<void> {
	const found = await readLock(lockPath);
	if (found !== undefined && (await isAlive(found, lockPath, options.clock))) {
		throw lockedError(lockPath, found);
	}
	const asidePath = `${lockPath}.${randomUUID()}`;
	try {
		await rename(lockPath, asidePath);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
			return;
		}
		throw error;
	}
	// Another process may have taken over between our look and our rename; then its lock goes back to its place.
	const moved = await readLock(asidePath);
	if (moved?.token !== found?.token) {
		await tryLink(asidePath, lockPath);
		await rm(asidePath, { force: true });
		throw lockedError(lockPath, moved);
	}
	await rm(asidePath, { force: true });
	options.logger.warn({ pid: found?.pid }, 'took over the folder of a process that is gone');
}

async function readLock(path: string): Promise<LockFile | undefined> {
	try {
		const { pid, processStart, host, token } = JSON.parse(await readFile(path, 'utf8')) as Partial<LockFile>;
		return typeof pid === 'number' &&
			typeof processStart === 'string' &&
			typeof host === 'string' &&
			typeof token === 'string'
			? { pid, processStart, host, token }
			: undefined;
	} catch {
		// Missing, or not ours: nothing that can be asked whether it lives.
		return undefined;
	}
}

async function isAlive(lock: LockFile, lockPath: string, clock: Clock): Promise<boolean> {
	if (lock.host !== hostname()) {
		const { mtimeMs } = await stat(lockPath).catch(() => ({ mtimeMs: 0 }));
		return clock.nowMs() - mtimeMs < FOREIGN_STALE_MS;
	}
	try {
		process.kill(lock.pid, 0);
	} catch (error) {
		// EPERM: it lives, under another user.
		if ((error as NodeJS.ErrnoException).code !== 'EPERM') {
			return false;
		}
	}
	return (processStart(lock.pid) ?? lock.processStart) === lock.processStart;
}

// Field 22 of /proc/<pid>/stat: clock ticks from boot to the start of the process; and the boot's own id, because the
// ticks begin again with it. Undefined where there is no /proc (macOS): there the process id alone decides.
function processStart(pid: number): string | undefined {
	try {
		const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
		return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${fields[19]}`;
	} catch {
		return undefined;
	}
}

function lockedError(lockPath: string, lock: LockFile | undefined): SpillwayError {
	const owner =
		lock === undefined ? 'unknown' : lock.host === hostname() ? `${lock.pid}` : `${lock.pid} on ${lock.host}`;
	return new SpillwayError('DATA_FOLDER_LOCKED', [lockPath.replace(/(\/process)?\.lock$/, ''), owner]);
}
