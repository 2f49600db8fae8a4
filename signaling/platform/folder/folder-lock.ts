/** A lock file that names the process that owns a folder, and can be taken over from a dead one. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../../core/errors/errors.ts';
import type { Logger } from '../../../core/logger.ts';

/** How often the owner touches its lock, for other hosts that share the folder and cannot see the process. */
const TOUCH_INTERVAL_MS = 5000;
/** A lock of another host (or container) without a touch for this long belongs to a dead process. */
const OTHER_HOST_STALE_MS = 30_000;

export type FolderLock = {
	/** Removes the file. Idempotent. */
	release(): Promise<void>;
};

type LockFile = { pid: number; processStart: string; host: string; token: string };

/**
 * Takes the lock, or throws DATA_FOLDER_LOCKED naming its owner. Creates the folder of the file when missing. Node has
 * no flock(), so the file holds process id and start time, which distinguish a reused id from its former owner.
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
		// A lock that was removed by hand is not restored.
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

/** Gives a complete file its name at once; false when the name exists. */
export async function tryLink(draftPath: string, path: string): Promise<boolean> {
	try {
		await link(draftPath, path);
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
	// Another process may have taken the lock over between the read and the rename; then its lock is restored.
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
		const isValid = typeof pid === 'number' && [processStart, host, token].every((text) => typeof text === 'string');
		return isValid ? ({ pid, processStart, host, token } as LockFile) : undefined;
	} catch {
		// The file is missing or has another format.
		return undefined;
	}
}

async function isAlive(lock: LockFile, lockPath: string, clock: Clock): Promise<boolean> {
	if (lock.host !== hostname()) {
		const { mtimeMs } = await stat(lockPath).catch(() => ({ mtimeMs: 0 }));
		return clock.nowMs() - mtimeMs < OTHER_HOST_STALE_MS;
	}
	try {
		process.kill(lock.pid, 0);
	} catch (error) {
		// EPERM: the process runs as another user.
		if ((error as NodeJS.ErrnoException).code !== 'EPERM') {
			return false;
		}
	}
	return (processStart(lock.pid) ?? lock.processStart) === lock.processStart;
}

// Field 22 of /proc/<pid>/stat, the clock ticks from boot to the start of the process, and the boot id, because the
// ticks restart with each boot. Undefined without /proc (macOS), where the process id alone decides.
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
