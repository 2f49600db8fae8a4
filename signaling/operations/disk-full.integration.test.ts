/** Tests the embedded database and readiness on a full disk: a small file system, which needs the right to mount. */
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

function fill(file: string): void {
	const descriptor = openSync(file, 'a');
	try {
		for (let bytes = 1024 * 1024; bytes >= 512;) {
			try {
				writeSync(descriptor, Buffer.alloc(bytes));
			} catch {
				// Too much for what is left; a smaller write may fit.
				bytes /= 2;
			}
		}
	} finally {
		closeSync(descriptor);
	}
}

describe.runIf(isMounted)('a full disk (skipped without the right to mount)', () => {
	it('causes DATABASE_UNAVAILABLE and a failed readiness check until there is room again', async () => {
		const deps = { clock: systemClock, logger: silentLogger };
		await using database = await openPgliteDatabase(deps, { folder: join(folder, 'database') });
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
