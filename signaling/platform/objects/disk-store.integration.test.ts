/** Tests of the store in a folder on a full disk, and of a process that is killed while it writes. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { silentLogger } from '../../../core/logger.ts';
import { openDiskStore } from './disk-store.ts';
import { collect } from './object-store-contract.ts';
import { openWriteBehindStore } from './write-behind-store.ts';

const MEBIBYTE = 1024 * 1024;
const DISK_MEBIBYTES = 8;
const deps = { clock: systemClock, logger: silentLogger };

const disk = mkdtempSync(join(tmpdir(), 'spillway-full-store-'));
const isMounted =
	spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MEBIBYTES}m`, 'tmpfs', disk], { stdio: 'ignore' }).status === 0;

afterAll(() => {
	if (isMounted) {
		spawnSync('umount', ['--lazy', disk]);
	}
	rmSync(disk, { recursive: true, force: true });
});

describe.runIf(isMounted)('a full disk (skipped without the right to mount)', () => {
	it('is OBJECT_STORE_FULL, leaves nothing behind, and ends when there is room', async () => {
		await using store = await openDiskStore(deps, { folder: join(disk, 'objects') });
		const bytes = new Uint8Array(MEBIBYTE);
		const put = async (index: number): Promise<unknown> =>
			store.put(`v/${index}`, bytes).catch((error: unknown) => error);
		const results = await Promise.all(Array.from({ length: DISK_MEBIBYTES + 4 }, (_, index) => put(index)));
		const failures = results.filter((result) => result !== undefined);
		expect(failures.length).toBeGreaterThanOrEqual(4);
		for (const failure of failures) {
			expect(failure).toMatchObject({
				code: 'OBJECT_STORE_FULL',
				httpStatus: 507,
				message: `There is no room for more recordings: the disk of ${join(disk, 'objects')} is full. Delete some, or raise the limit.`,
			});
		}
		const kept = await collect(store.list('v/'));
		expect(kept.length).toBe(results.length - failures.length);
		for (const name of kept) {
			await expect(store.get(name)).resolves.toMatchObject({ totalBytes: MEBIBYTE });
		}
		expect(readdirSync(join(disk, 'objects', '.drafts'))).toEqual([]);
		await store.delete(kept);
		await store.put('v/again', bytes);
		await store.delete(['v/again']);
	});

	it('is a full spool as well, until there is room', async () => {
		const spool = await openDiskStore(deps, { folder: join(disk, 'spool') });
		const remote = await openDiskStore(deps, { folder: join(disk, 'remote') });
		await using store = await openWriteBehindStore(deps, { spool, remote, maxSpoolBytes: 2 ** 40 });
		writeFileSync(join(disk, 'filler'), new Uint8Array((DISK_MEBIBYTES - 1.5) * MEBIBYTE));
		const put = store.put('v/large', new Uint8Array(2 * MEBIBYTE));
		await expect(put).rejects.toMatchObject({ code: 'OBJECT_STORE_FULL' });
		expect(store.uploadState).toMatchObject({ isFull: true, waitingCount: 0, waitingBytes: 0 });
		rmSync(join(disk, 'filler'));
		await store.put('v/large', new Uint8Array(2 * MEBIBYTE));
		expect(store.uploadState.isFull).toBe(false);
	});
});

/** Puts objects without an end, each filled with the last byte of its number. */
const ENDLESS_PUTS = `
	import { openDiskStore } from '${new URL('./disk-store.ts', import.meta.url).href}';
	import { systemClock } from '${new URL('../../../core/lifecycle/clock.ts', import.meta.url).href}';
	import { silentLogger } from '${new URL('../../../core/logger.ts', import.meta.url).href}';
	const store = await openDiskStore({ clock: systemClock, logger: silentLogger }, { folder: process.argv[1] });
	let next = 0;
	await Promise.all(Array.from({ length: 4 }, async () => {
		for (;;) {
			const index = next++;
			await store.put('v/' + (index % 50) + '/' + index, new Uint8Array(300_000).fill(index));
		}
	}));
`;

describe('a process that is killed while it writes', () => {
	it('leaves whole objects and drafts, and the next open removes the drafts', async () => {
		const folder = mkdtempSync(join(tmpdir(), 'spillway-killed-store-'));
		try {
			for (let round = 0; round < 3; round++) {
				const child = spawn(process.execPath, ['--input-type=module', '-e', ENDLESS_PUTS, folder], { stdio: 'ignore' });
				const ended = new Promise((resolve) => child.once('exit', resolve));
				const countObjects = (): number =>
					readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /^v\/\d+\/\d+$/.test(name))
						.length;
				const before = countObjects();
				while (countObjects() < before + 20 + round && child.exitCode === null) {
					await delay(2);
				}
				child.kill('SIGKILL');
				await ended;
				await using store = await openDiskStore(deps, { folder });
				expect(readdirSync(join(folder, '.drafts'))).toEqual([]);
				let count = 0;
				for await (const name of store.list('v/')) {
					const { bytes } = await store.get(name);
					const index = Number(name.split('/').at(-1));
					expect([name, bytes.length, bytes[0], bytes.at(-1)]).toEqual([name, 300_000, index % 256, index % 256]);
					count++;
				}
				expect(count).toBeGreaterThanOrEqual(20);
				await store.delete(await collect(store.list('v/')));
			}
		} finally {
			rmSync(folder, { recursive: true, force: true });
		}
	});
});
