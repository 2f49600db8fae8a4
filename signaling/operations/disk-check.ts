/** Whether the data folder can be written, and whether there is room on its disk. */
import { randomUUID } from 'node:crypto';
import { rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SpillwayError } from '../../core/errors/errors.ts';

/** What the check asks of the file system; tests give another. @internal for tests */
export type DiskProbe = {
	freeBytes(folder: string): Promise<number>;
	/** Writes and removes a small file. */
	tryWrite(folder: string): Promise<void>;
};

const PROBE_BYTES = 16 * 1024;
const MEBIBYTE = 1024 * 1024;

/** The real file system. */
const systemDiskProbe: DiskProbe = {
	async freeBytes(folder) {
		const { bavail, bsize } = await statfs(folder);
		return bavail * bsize;
	},
	async tryWrite(folder) {
		const file = join(folder, `probe-${randomUUID()}`);
		try {
			await writeFile(file, Buffer.alloc(PROBE_BYTES, 1), { flush: true });
		} finally {
			await rm(file, { force: true });
		}
	},
};

/**
 * Resolves with nothing, or with a sentence when less than `minFreeBytes` is free. Throws DATA_FOLDER_UNWRITABLE when
 * nothing can be written. `folder`: where the server keeps its temporary files.
 */
export async function checkDisk(folder: string, minFreeBytes: number, probe = systemDiskProbe): Promise<string | void> {
	try {
		await probe.tryWrite(folder);
	} catch (error) {
		const { code = 'it failed' } = error as NodeJS.ErrnoException;
		throw new SpillwayError('DATA_FOLDER_UNWRITABLE', [code === 'ENOSPC' ? 'its disk is full' : code], {
			cause: error,
		});
	}
	const freeBytes = await probe.freeBytes(folder);
	if (freeBytes < minFreeBytes) {
		return `Only ${mebibytes(freeBytes)} MiB are free on the disk of the data folder; operation.minFreeBytes asks for ${mebibytes(minFreeBytes)}.`;
	}
}

function mebibytes(bytes: number): number {
	return Math.floor(bytes / MEBIBYTE);
}
