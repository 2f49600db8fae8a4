/** Tests of the store in a folder: the contract, modes, drafts, and folders that become empty. */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { silentLogger } from '../../../core/logger.ts';
import { openDiskStore, type DiskStore } from './disk-store.ts';
import { collect, describeObjectStoreContract } from './object-store-contract.ts';

const deps = { clock: systemClock, logger: silentLogger };
const root = mkdtempSync(join(tmpdir(), 'spillway-disk-store-'));
let count = 0;
const newFolder = (): string => join(root, String(count++));

afterAll(() => rmSync(root, { recursive: true, force: true }));

describeObjectStoreContract({
	kind: 'disk',
	open: () => openDiskStore(deps, { folder: newFolder() }),
	presigns: false,
});

describe('DiskStore', () => {
	let folder: string;
	let store: DiskStore;
	const files = (): string[] => readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted();

	beforeEach(async () => {
		folder = newFolder();
		store = await openDiskStore(deps, { folder });
		return () => store.close();
	});

	it('keeps files and folders from other accounts, also an existing folder', async () => {
		const open = newFolder();
		mkdirSync(open, { mode: 0o755 });
		chmodSync(open, 0o755);
		await using other = await openDiskStore(deps, { folder: open });
		await other.put('v/1/a.m4s', Buffer.from('a'));
		const modes = ['', '.drafts', 'v', 'v/1', 'v/1/a.m4s'].map((name) => statSync(join(open, name)).mode & 0o777);
		expect(modes).toEqual([0o700, 0o700, 0o700, 0o700, 0o600]);
	});

	it('removes folders that a delete leaves empty, and no others', async () => {
		await store.put('v/1/video/1.m4s', Buffer.from('1'));
		await store.put('v/1/audio/1.m4s', Buffer.from('1'));
		await store.put('v/2/video/1.m4s', Buffer.from('1'));
		await store.delete(['v/1/video/1.m4s', 'v/1/nothing/1.m4s']);
		expect(files()).toEqual([
			'.drafts',
			'v',
			'v/1',
			'v/1/audio',
			'v/1/audio/1.m4s',
			'v/2',
			'v/2/video',
			'v/2/video/1.m4s',
		]);
		await store.delete(['v/1/audio/1.m4s', 'v/2/video/1.m4s']);
		expect(files()).toEqual(['.drafts']);
	});

	it('puts into folders that deletes remove at the same moment', async () => {
		const work = Array.from({ length: 100 }, async (_, index) => {
			await store.put(`v/same/${index}`, Buffer.from('x'));
			await store.delete([`v/same/${index}`]);
		});
		await Promise.all(work);
		expect(files()).toEqual(['.drafts']);
	});

	it('removes the drafts of a killed predecessor when it opens, and never shows them', async () => {
		await store.put('v/1', Buffer.from('1'));
		writeFileSync(join(folder, '.drafts', 'half'), 'half of an object');
		expect(await collect(store.inventory())).toMatchObject([{ name: 'v/1', totalBytes: 1 }]);
		await store.close();
		store = await openDiskStore(deps, { folder });
		expect(files()).toEqual(['.drafts', 'v', 'v/1']);
		await expect(store.get('v/1')).resolves.toMatchObject({ totalBytes: 1 });
	});

	it('describes a folder that cannot be used', async () => {
		const file = newFolder();
		writeFileSync(file, 'a file');
		await expect(openDiskStore(deps, { folder: file })).rejects.toMatchObject({
			code: 'OBJECT_STORE_UNAVAILABLE',
			message: `The store of recordings cannot be used now: the folder ${file} cannot be used (EEXIST). Try again in some seconds.`,
		});
		await store.put('v/1', Buffer.from('1'));
		await expect(store.put('v/1/below', Buffer.from('2'))).rejects.toMatchObject({ code: 'OBJECT_STORE_UNAVAILABLE' });
		await expect(store.get('v/1/below')).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
		expect(readdirSync(join(folder, '.drafts'))).toEqual([]);
	});

	it('lists sizes and times of what it holds', async () => {
		const beforeMs = Date.now() - 2000;
		await store.put('v/1/b', Buffer.from('bb'));
		await store.put('v/1/a', Buffer.from('a'));
		const found = await collect(store.inventory());
		expect(found.map(({ name, totalBytes }) => [name, totalBytes])).toEqual([
			['v/1/a', 1],
			['v/1/b', 2],
		]);
		expect(found.every(({ storedAtMs }) => storedAtMs > beforeMs && storedAtMs < Date.now() + 2000)).toBe(true);
	});
});
