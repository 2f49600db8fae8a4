/** Checks that the data folder can be written and that its disk has room. */
import { randomUUID } from 'node:crypto';
import { rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SpillwayError } from '../../core/errors/errors.ts';

/** The part of the file system that the check uses. @internal for tests */
export type DiskProbe = {
	freeBytes(folder: string): Promise<number>;
	/** Writes and removes a small file. */
	tryWrite(folder: string): Promise<void>;
};

const PROBE_BYTES = 16 * 1024;
const MEBIBYTE = 1024 * 1024;

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

/** Resolves to a sentence when less than `minFreeBytes` is free. Throws DATA_FOLDER_UNWRITABLE when writing fails. */
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
