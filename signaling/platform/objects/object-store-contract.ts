/** The contract of every object store as tests: the unit tests run it on the disk, the integration tests with S3. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ByteRange, ObjectStore } from '../../../packager/store/object-store.ts';

export type StoreUnderTest = {
	kind: string;
	/** Each call opens another, empty store. */
	open: () => Promise<ObjectStore>;
	/** Whether browsers can be redirected. */
	presigns: boolean;
};

/** As long as the segment of a broadcast of 6 Mbit/s. */
const SEGMENT_BYTES = 1_500_000;

const HOSTILE_NAMES = [
	'',
	'.',
	'..',
	'../secret',
	'v/../../secret',
	'v/..',
	'/etc/passwd',
	'v//1',
	'v/',
	'.drafts/1',
	'v/.1',
	'v\\..\\1',
	'v/1\0.m4s',
	'v/%2e%2e/1',
	'v/1?versionId=1',
	'v/1#1',
	'v/é',
	'v/ 1',
	'v/1\n',
	'a'.repeat(129),
	Array.from({ length: 9 }, () => 'a').join('/'),
];

const WRONG_RANGES: ByteRange[] = [
	{ startByte: -1, endByte: 4 },
	{ startByte: 4, endByte: 3 },
	{ startByte: 0.5, endByte: 3 },
	{ startByte: 0, endByte: NaN },
	{ startByte: 0, endByte: Infinity },
];

/** Everything that it yields. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
	const all: T[] = [];
	for await (const item of items) {
		all.push(item);
	}
	return all;
}

export function describeObjectStoreContract({ kind, open, presigns }: StoreUnderTest): void {
	describe(`ObjectStore (${kind})`, () => {
		let store: ObjectStore;
		beforeAll(async () => {
			store = await open();
		});
		afterAll(() => store.close());
		const current = (): ObjectStore => store;
		describe('bytes', () => describeBytes(current));
		describe('names', () => describeNames(current));
		describe('life', () => describeLife(open));

		it(presigns ? 'signs addresses for a browser' : 'signs no address', async () => {
			await store.put('presign/1.m4s', Buffer.from('abcdefgh'));
			const address = await store.presign('presign/1.m4s', 60);
			if (!presigns) {
				expect(address).toBeUndefined();
				return;
			}
			const answer = await fetch(address!, { headers: { range: 'bytes=2-3' } });
			expect([answer.status, await answer.text()]).toEqual([206, 'cd']);
			const altered = await fetch(address!.replace('presign/1', 'presign/2'));
			expect(altered.status).toBe(403);
		});
	});
}

function describeBytes(store: () => ObjectStore): void {
	it('returns what was put, also nothing and large objects', async () => {
		for (const bytes of [new Uint8Array(0), Buffer.from('one'), randomBytes(SEGMENT_BYTES)]) {
			const name = `bytes/${bytes.length}.m4s`;
			await store().put(name, bytes);
			const found = await store().get(name);
			expect(found.totalBytes).toBe(bytes.length);
			expect(Buffer.compare(found.bytes, bytes)).toBe(0);
		}
	});

	it.each<[range: ByteRange, expected: string]>([
		[{ startByte: 0, endByte: 3 }, '012'],
		[{ startByte: 4, endByte: 5 }, '4'],
		[{ startByte: 7, endByte: 10 }, '789'],
		[{ startByte: 7, endByte: 11 }, '789'],
		[{ startByte: 0, endByte: Number.MAX_SAFE_INTEGER }, '0123456789'],
		[{ startByte: 9, endByte: Number.MAX_SAFE_INTEGER }, '9'],
		[{ startByte: 0, endByte: 0 }, ''],
		[{ startByte: 3, endByte: 3 }, ''],
		[{ startByte: 10, endByte: 11 }, ''],
		[{ startByte: 2 ** 40, endByte: 2 ** 50 }, ''],
		[{ startByte: Number.MAX_SAFE_INTEGER, endByte: Number.MAX_SAFE_INTEGER }, ''],
	])('returns the range %j', async (range, expected) => {
		await store().put('bytes/digits', Buffer.from('0123456789'));
		const { bytes, totalBytes } = await store().get('bytes/digits', range);
		expect([Buffer.from(bytes).toString(), totalBytes]).toEqual([expected, 10]);
	});

	it('returns no bytes of an empty object for any range', async () => {
		await store().put('bytes/nothing', new Uint8Array(0));
		const found = await store().get('bytes/nothing', { startByte: 0, endByte: 100 });
		expect([found.bytes.length, found.totalBytes]).toEqual([0, 0]);
	});

	it.each(WRONG_RANGES)('refuses the range %j', async (range) => {
		await store().put('bytes/digits', Buffer.from('0123456789'));
		await expect(store().get('bytes/digits', range)).rejects.toThrow(TypeError);
	});

	it('shows readers the whole object or none while many put it', async () => {
		const bytes = randomBytes(200_000);
		let isDone = false;
		const reading = (async () => {
			while (!isDone) {
				const found = await store()
					.get('bytes/contended')
					.catch((error: unknown) => error);
				if (found instanceof Error) {
					expect(found).toMatchObject({ code: 'OBJECT_NOT_FOUND' });
				} else {
					expect(Buffer.compare((found as { bytes: Uint8Array }).bytes, bytes)).toBe(0);
				}
			}
		})();
		await Promise.all(Array.from({ length: 16 }, () => store().put('bytes/contended', bytes)));
		await expect(store().get('bytes/contended')).resolves.toMatchObject({ totalBytes: bytes.length });
		isDone = true;
		await reading;
	});
}

function describeNames(store: () => ObjectStore): void {
	const list = async (prefix: string): Promise<string[]> => (await collect(store().list(prefix))).toSorted();

	it('answers OBJECT_NOT_FOUND for what is missing, and for the folder of an object', async () => {
		await store().put('missing/here/1', Buffer.from('1'));
		for (const name of ['missing/2', 'missing/here', 'nowhere/at/all/1']) {
			await expect(store().get(name)).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND', httpStatus: 404 });
			await expect(store().get(name, { startByte: 0, endByte: 5 })).rejects.toMatchObject({ httpStatus: 404 });
			await expect(store().get(name, { startByte: 0, endByte: 0 })).rejects.toMatchObject({ httpStatus: 404 });
		}
	});

	it('lists what is below a prefix, and nothing of its neighbours', async () => {
		const names = ['list/1/a/1.m4s', 'list/1/a/2.m4s', 'list/1/b/init.mp4', 'list/10/a/1.m4s', 'list/2.json'];
		await Promise.all(names.map((name) => store().put(name, Buffer.from(name))));
		expect(await list('list/1/')).toEqual(['list/1/a/1.m4s', 'list/1/a/2.m4s', 'list/1/b/init.mp4']);
		expect(await list('list/')).toEqual(names);
		expect(await list('list/3/')).toEqual([]);
	});

	it('deletes objects, one and many, also those that are missing', async () => {
		const names = Array.from({ length: 20 }, (_, index) => `delete/deep/${index % 3}/${index}`);
		await Promise.all(names.map((name) => store().put(name, Buffer.from(name))));
		await store().delete([]);
		await store().delete([names[0]!]);
		await expect(store().get(names[0]!)).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
		await store().delete([...names.slice(0, 19), 'delete/never/there']);
		expect(await list('delete/')).toEqual([names[19]]);
		await store().delete(names);
		await store().delete(names);
		expect(await list('delete/')).toEqual([]);
		await store().put(names[0]!, Buffer.from('again'));
		await expect(store().get(names[0]!)).resolves.toMatchObject({ totalBytes: 5 });
	});

	it.each(HOSTILE_NAMES)('refuses the name %j', async (name) => {
		await expect(store().put(name, Buffer.from('x'))).rejects.toThrow(TypeError);
		await expect(store().get(name)).rejects.toThrow(TypeError);
		await expect(store().delete(['names/1', name])).rejects.toThrow(TypeError);
		await expect(store().presign(name, 60)).rejects.toThrow(TypeError);
		// The only one of them that is a prefix.
		await (name === 'v/' ? list(name) : expect(list(name)).rejects.toThrow(TypeError));
	});
}

function describeLife(open: () => Promise<ObjectStore>): void {
	it('closes twice and rejects every later call', async () => {
		const store = await open();
		await store.put('life/1', Buffer.from('1'));
		await Promise.all([store.close(), store.close()]);
		await store.close();
		const calls: Array<() => Promise<unknown>> = [
			() => store.put('life/2', Buffer.from('2')),
			() => store.get('life/1'),
			() => store.delete(['life/1']),
			() => collect(store.list('life/')),
			() => store.presign('life/1', 60),
		];
		for (const call of calls) {
			await expect(call()).rejects.toMatchObject({ code: 'SERVER_STOPPING' });
		}
	});
}
