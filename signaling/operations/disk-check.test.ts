/** Tests of the disk check. */
import { describe, expect, it } from 'vitest';
import { checkDisk, type DiskProbe } from './disk-check.ts';

const MEBIBYTE = 1024 * 1024;
const disk = (freeBytes: number, errorCode?: string): DiskProbe => ({
	freeBytes: () => Promise.resolve(freeBytes),
	tryWrite: () =>
		errorCode === undefined
			? Promise.resolve()
			: Promise.reject(Object.assign(new Error('/secret/path cannot be written'), { code: errorCode })),
});

describe('checkDisk', () => {
	it('resolves to nothing while there is room', async () => {
		await expect(checkDisk('/data', 256 * MEBIBYTE, disk(256 * MEBIBYTE))).resolves.toBeUndefined();
	});

	it('names the space that is left and the setting that asks for more', async () => {
		await expect(checkDisk('/data', 256 * MEBIBYTE, disk(12.7 * MEBIBYTE))).resolves.toBe(
			'Only 12 MiB are free on the disk of the data folder; operation.minFreeBytes asks for 256.',
		);
	});

	it.each([
		['ENOSPC', 'The data folder cannot be written: its disk is full.'],
		['EROFS', 'The data folder cannot be written: EROFS.'],
	])('fails on %s without a path', async (code, start) => {
		await expect(checkDisk('/data', 1, disk(1e12, code))).rejects.toMatchObject({
			code: 'DATA_FOLDER_UNWRITABLE',
			message: expect.stringContaining(start) as string,
		});
	});
});
