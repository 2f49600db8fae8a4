/** Tests of the store that uploads later: what it does while the remote store is away, full, slow, or refuses one. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../../core/errors/errors.ts';
import { silentLogger } from '../../../core/logger.ts';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import type { ByteRange, ObjectStore, StoredObject } from '../../../packager/store/object-store.ts';
import { openDiskStore } from './disk-store.ts';
import { storeUnavailable } from './object-work.ts';
import { collect, describeObjectStoreContract } from './object-store-contract.ts';
import { S3Failure } from './s3-failure.ts';
import { openWriteBehindStore, type WriteBehindOptions, type WriteBehindStore } from './write-behind-store.ts';

const deps = { clock: systemClock, logger: silentLogger };
const root = mkdtempSync(join(tmpdir(), 'spillway-write-behind-'));
let count = 0;
const newFolder = (): string => join(root, String(count++));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const AWAY = (): Error => new S3Failure('unreachable', 'the S3 service x is away').toStoreError();

/** A remote store in memory whose puts a test holds and fails. */
class FakeRemote implements ObjectStore {
	readonly objects = new Map<string, Uint8Array>();
	readonly attempts: string[] = [];
	runningCount = 0;
	maxRunningCount = 0;
	/** Fails puts and deletes. */
	fail: (name: string) => Error | undefined = () => undefined;
	/** Puts wait for it. */
	gate: Promise<void> = Promise.resolve();
	isClosed = false;

	async put(name: string, bytes: Uint8Array): Promise<void> {
		this.attempts.push(name);
		this.maxRunningCount = Math.max(this.maxRunningCount, ++this.runningCount);
		try {
			await this.gate;
			this.#failIfWanted(name);
			this.objects.set(name, bytes);
		} finally {
			this.runningCount--;
		}
	}

	get(name: string, range?: ByteRange): Promise<StoredObject> {
		const bytes = this.objects.get(name);
		return bytes === undefined
			? Promise.reject(new SpillwayError('OBJECT_NOT_FOUND', [name]))
			: Promise.resolve({ bytes: bytes.subarray(range?.startByte, range?.endByte), totalBytes: bytes.length });
	}

	async *list(prefix: string): AsyncGenerator<string> {
		yield* await Promise.resolve([...this.objects.keys()].filter((name) => name.startsWith(prefix)));
	}

	async delete(names: readonly string[]): Promise<void> {
		await Promise.resolve();
		for (const name of names) {
			this.#failIfWanted(name);
			this.objects.delete(name);
		}
	}

	presign(name: string): Promise<string> {
		return Promise.resolve(`https://remote/${name}`);
	}

	close(): Promise<void> {
		this.isClosed = true;
		return Promise.resolve();
	}

	#failIfWanted(name: string): void {
		const error = this.isClosed ? new SpillwayError('SERVER_STOPPING') : this.fail(name);
		if (error !== undefined) {
			throw error;
		}
	}
}

type Opened = { store: WriteBehindStore; remote: FakeRemote; clock: FakeClock; folder: string };

async function open(
	options: Partial<WriteBehindOptions> = {},
	{ remote = new FakeRemote(), folder = newFolder(), clock = new FakeClock() } = {},
): Promise<Opened> {
	const fakeDeps = { clock, logger: silentLogger };
	const spool = await openDiskStore(deps, { folder });
	const store = await openWriteBehindStore(fakeDeps, { spool, remote, maxSpoolBytes: 1000, ...options });
	return { store, remote, clock, folder };
}

/** The disk is real, so that promises of it settle in real time. */
async function eventually(check: () => boolean, clock?: FakeClock): Promise<void> {
	const endMs = performance.now() + 20_000;
	while (!check()) {
		if (performance.now() > endMs) {
			throw new Error(`not within 20 s: ${check.toString()}`);
		}
		await delay(2);
		await clock?.advance(500);
	}
}

const hundred = (fill = 1): Uint8Array => new Uint8Array(100).fill(fill);

describeObjectStoreContract({
	kind: 'write-behind, of a disk',
	open: async () => {
		const remote = await openDiskStore(deps, { folder: newFolder() });
		const spool = await openDiskStore(deps, { folder: newFolder() });
		return openWriteBehindStore(deps, { spool, remote, maxSpoolBytes: 2 ** 30 });
	},
	presigns: false,
});

describe('WriteBehindStore', () => {
	it('uploads what was put, oldest first and few at once, and empties the spool', async () => {
		const { store, remote, folder } = await open();
		let openGate!: () => void;
		remote.gate = new Promise((resolve) => (openGate = resolve));
		for (let index = 0; index < 9; index++) {
			await store.put(`v/${index}`, hundred(index));
		}
		await eventually(() => remote.attempts.length === 4);
		expect(store.uploadState).toMatchObject({
			waitingCount: 9,
			waitingBytes: 900,
			isFull: false,
			lastError: undefined,
		});
		expect(await store.presign('v/8', 60)).toBeUndefined();
		openGate();
		await eventually(() => store.uploadState.waitingCount === 0);
		expect(remote.attempts).toHaveLength(9);
		// Four read the spool at the same time, so that each may overtake three.
		remote.attempts.forEach((name, index) => expect(Math.abs(Number(name.slice(2)) - index)).toBeLessThanOrEqual(3));
		expect(remote.maxRunningCount).toBe(4);
		expect(store.uploadState).toEqual({
			waitingCount: 0,
			waitingBytes: 0,
			oldestWaitingMs: 0,
			lastError: undefined,
			isFull: false,
		});
		await eventually(() => readdirSync(folder).join() === '.drafts');
		expect((await store.get('v/3', { startByte: 1, endByte: 3 })).bytes).toEqual(new Uint8Array([3, 3]));
		expect(await store.presign('v/3', 60)).toBe('https://remote/v/3');
		await store.close();
	});

	it('keeps everything readable and in order while the remote store is away, and catches up', async () => {
		const { store, remote, clock } = await open();
		let changeCount = 0;
		store.on('stateChanged', () => changeCount++);
		remote.fail = AWAY;
		await store.put('v/0', hundred(0));
		await eventually(() => store.uploadState.lastError !== undefined);
		for (let index = 1; index < 9; index++) {
			await store.put(`v/${index}`, hundred(index));
		}
		await eventually(() => remote.attempts.length > 12, clock);
		expect(remote.maxRunningCount).toBe(1);
		expect(store.uploadState).toMatchObject({
			waitingCount: 9,
			waitingBytes: 900,
			lastError: 'The S3 service x is away.',
		});
		expect(store.uploadState.oldestWaitingMs).toBeGreaterThan(10_000);
		expect((await store.get('v/5')).bytes).toEqual(hundred(5));
		expect(await collect(store.list('v/'))).toHaveLength(9);
		remote.fail = () => undefined;
		await eventually(() => store.uploadState.waitingCount === 0, clock);
		expect(store.uploadState.lastError).toBeUndefined();
		expect([...remote.objects.keys()].toSorted()).toEqual(Array.from({ length: 9 }, (_, index) => `v/${index}`));
		expect(changeCount).toBeGreaterThanOrEqual(19);
		await store.close();
	});

	it('asks a store that is away less and less often, but often', async () => {
		const { store, remote, clock } = await open();
		remote.fail = AWAY;
		await store.put('v/0', hundred());
		await eventually(() => remote.attempts.length === 1);
		const gaps: number[] = [];
		let lastMs = clock.monotonicMs();
		let lastCount = 1;
		while (gaps.length < 7) {
			await clock.advance(500);
			// An attempt that is due reads the disk first.
			await delay(12);
			if (remote.attempts.length > lastCount) {
				gaps.push(clock.monotonicMs() - lastMs);
				lastCount = remote.attempts.length;
				lastMs = clock.monotonicMs();
			}
		}
		// An only object waits twice as long as others would.
		expect(gaps[0]).toBeLessThanOrEqual(3500);
		expect(Math.max(...gaps)).toBeLessThanOrEqual(22_000);
		expect(gaps.at(-1)).toBeGreaterThan(8000);
		await store.close();
	});

	it('does not let one refused object keep the others waiting', async () => {
		const { store, remote, clock } = await open({ maxSpoolBytes: 100_000 });
		remote.fail = (name) => (name === 'v/refused' ? storeUnavailable('refused') : undefined);
		await store.put('v/refused', hundred());
		for (let index = 0; index < 50; index++) {
			await store.put(`v/${index}`, hundred());
		}
		await eventually(() => store.uploadState.waitingCount === 1, clock);
		// Although other uploads succeed.
		expect(store.uploadState.lastError).toContain('refused');
		await store.delete(['v/refused']).catch(() => undefined);
		await store.put('v/last', hundred());
		await eventually(() => store.uploadState.waitingCount === 0, clock);
		expect(store.uploadState.lastError).toBeUndefined();
		await store.close();
	});

	it('is full at its bound, and takes more when a tenth is free', async () => {
		const { store, remote, clock } = await open();
		const states: boolean[] = [];
		store.on('stateChanged', () => states.push(store.uploadState.isFull));
		remote.fail = AWAY;
		const puts = Array.from({ length: 12 }, (_, index) => store.put(`v/${index}`, hundred()));
		const results = await Promise.allSettled(puts);
		expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
		expect((results[11] as PromiseRejectedResult).reason).toMatchObject({
			code: 'OBJECT_STORE_FULL',
			message: expect.stringContaining('fill recording.maxSpoolBytes (1000)') as string,
		});
		expect(store.uploadState).toMatchObject({ isFull: true, waitingBytes: 1000 });
		remote.fail = () => undefined;
		await eventually(() => store.uploadState.waitingCount === 0, clock);
		expect(store.uploadState.isFull).toBe(false);
		expect(new Set(states)).toEqual(new Set([true, false]));
		await store.put('v/11', hundred());
		await store.close();
	});

	it('uploads no faster than the bitrate that it may use', async () => {
		// One object takes a second.
		const { store, remote, clock } = await open({ maxUploadBitrateBps: 800 });
		for (let index = 0; index < 9; index++) {
			await store.put(`v/${index}`, hundred());
		}
		const startMs = clock.monotonicMs();
		const times: number[] = [];
		while (times.length < 9) {
			await clock.advance(100);
			await delay(2);
			while (times.length < remote.objects.size) {
				times.push(clock.monotonicMs() - startMs);
			}
		}
		expect(times.at(-1)).toBeGreaterThanOrEqual(7900);
		expect(times.at(-1)).toBeLessThan(10_500);
		await store.close();
	});

	it('continues after a restart with what the spool holds', async () => {
		const first = await open();
		first.remote.fail = AWAY;
		await first.store.put('v/1', hundred(1));
		// Times of files have the resolution of the kernel's tick.
		await delay(50);
		await first.store.put('v/0', hundred(0));
		await first.store.close();
		// So slow that they are uploaded one by one.
		const clock = new FakeClock(Date.now() + 60_000);
		const second = await open({ maxUploadBitrateBps: 800 }, { folder: first.folder, clock });
		await eventually(() => second.store.uploadState.waitingCount === 0, clock);
		expect(second.remote.attempts).toEqual(['v/1', 'v/0']);
		await second.store.close();
	});

	it('counts how long the oldest waits across a restart', async () => {
		const first = await open();
		first.remote.fail = AWAY;
		await first.store.put('v/1', hundred(1));
		await first.store.close();
		const remote = new FakeRemote();
		remote.fail = AWAY;
		const clock = new FakeClock(Date.now() + 60_000);
		const second = await open({}, { folder: first.folder, clock, remote });
		expect(second.store.uploadState.oldestWaitingMs).toBeGreaterThan(58_000);
		await second.store.close();
	});

	it('forgets what is deleted while it waits, without asking the remote store', async () => {
		const { store, remote, folder } = await open();
		remote.fail = AWAY;
		await store.put('v/0', hundred());
		await eventually(() => remote.attempts.length === 1 && store.uploadState.lastError !== undefined);
		await store.put('v/1', hundred());
		await store.delete(['v/1']);
		expect(store.uploadState).toMatchObject({ waitingCount: 1, waitingBytes: 100 });
		await expect(store.get('v/1')).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
		// The first may have arrived, so the remote store has to be asked; it is forgotten here all the same.
		await expect(store.delete(['v/0'])).rejects.toMatchObject({ code: 'OBJECT_STORE_UNAVAILABLE' });
		expect(store.uploadState).toMatchObject({ waitingCount: 0, waitingBytes: 0 });
		expect(readdirSync(folder)).toEqual(['.drafts']);
		await store.close();
	});

	it('deletes after an upload that is on its way, so that nothing returns', async () => {
		const { store, remote } = await open();
		let openGate!: () => void;
		remote.gate = new Promise((resolve) => (openGate = resolve));
		await store.put('v/0', hundred());
		await eventually(() => remote.runningCount === 1);
		const deleting = store.delete(['v/0']);
		await delay(20);
		openGate();
		await deleting;
		expect(remote.objects.size).toBe(0);
		await expect(store.get('v/0')).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
		await store.close();
	});

	it('reports an object that somebody removed from the spool, and continues', async () => {
		const { store, remote, clock, folder } = await open();
		remote.fail = AWAY;
		await store.put('v/0', hundred());
		await eventually(() => store.uploadState.lastError !== undefined);
		rmSync(join(folder, 'v'), { recursive: true });
		remote.fail = () => undefined;
		await eventually(() => store.uploadState.waitingCount === 0, clock);
		await store.put('v/1', hundred());
		await eventually(() => remote.objects.has('v/1'), clock);
		await store.close();
	});

	it('shows at once that the remote store cannot be used', async () => {
		const { store, remote } = await open({ checkRemote: () => Promise.reject(AWAY()) });
		await eventually(() => store.uploadState.lastError === 'The S3 service x is away.');
		await store.put('v/0', hundred());
		await eventually(() => remote.objects.size === 1 && store.uploadState.lastError === undefined);
		await store.close();
	});

	it('ends waits and timers when it closes', async () => {
		const { store, remote, clock } = await open();
		remote.fail = AWAY;
		await store.put('v/0', hundred());
		await eventually(() => clock.pendingCount === 1);
		await store.close();
		expect([clock.pendingCount, remote.isClosed]).toEqual([0, true]);
	});
});
