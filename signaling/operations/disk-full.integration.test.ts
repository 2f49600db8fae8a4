/**
 * What a full disk does to the embedded database and to readiness: on a small file system of its own, which needs the
 * right to mount.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { openPgliteDatabase } from '../platform/database/pglite-database.ts';
import { checkDisk } from './disk-check.ts';

const DISK_MEBIBYTES = 96;

const folder = mkdtempSync(join(tmpdir(), 'spillway-full-'));
const isMounted =
	spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MEBIBYTES}m`, 'tmpfs', folder], { stdio: 'ignore' }).status ===
	0;

afterAll(() => {
	if (isMounted) {
		spawnSync('umount', ['--lazy', folder]);
	}
	rmSync(folder, { recursive: true, force: true });
});

/** Takes all the room that there is. */
function fill(file: string): void {
	const descriptor = openSync(file, 'a');
	try {
		for (let bytes = 1024 * 1024; bytes >= 512;) {
			try {
				writeSync(descriptor, Buffer.alloc(bytes));
			} catch {
				// Not so much; perhaps less.
				bytes /= 2;
			}
		}
	} finally {
		closeSync(descriptor);
	}
}

describe.runIf(isMounted)('a full disk', () => {
	it('is unavailability and no bug, shows in readiness, and is forgotten when there is room', async () => {
		await using database = await openPgliteDatabase({
			folder: join(folder, 'database'),
			clock: systemClock,
			logger: silentLogger,
		});
		await database.runScript('CREATE TABLE texts (id integer, content text)');
		await expect(checkDisk(folder, 1)).resolves.toBeUndefined();
		await expect(checkDisk(folder, DISK_MEBIBYTES * 1024 * 1024)).resolves.toContain('MiB are free');
		fill(join(folder, 'filler'));
		await expect(checkDisk(folder, 1)).rejects.toMatchObject({ code: 'DATA_FOLDER_UNWRITABLE', httpStatus: 503 });
		const insert = (): Promise<object[]> =>
			database.query('INSERT INTO texts SELECT n, repeat(md5(n::text), 200) FROM generate_series(1, 500) AS n');
		let error: unknown;
		for (let attempt = 0; attempt < 20 && error === undefined; attempt++) {
			await insert().catch((thrown: unknown) => (error = thrown));
		}
		expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', httpStatus: 503 });
		rmSync(join(folder, 'filler'));
		await expect(checkDisk(folder, 1)).resolves.toBeUndefined();
		await insert();
		await expect(database.checkHealth()).resolves.toBeUndefined();
	});
});
