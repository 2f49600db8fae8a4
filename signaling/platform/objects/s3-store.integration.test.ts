/** Tests of the S3 store with a real service: the contract, many objects, wrong settings, and a service that fails. */
import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock, type Clock } from '../../../core/lifecycle/clock.ts';
import { silentLogger } from '../../../core/logger.ts';
import { startS3, type RealS3 } from '../../testing/real-servers.ts';
import { until } from '../../testing/until.ts';
import { collect, describeObjectStoreContract } from './object-store-contract.ts';
import type { S3Options } from './s3-connection.ts';
import { S3Store } from './s3-store.ts';
import { startAlteringProxy } from './testing/scripted-s3.ts';

let s3: RealS3;
beforeAll(async () => {
	s3 = await startS3();
});
afterAll(() => s3.stop());

/** With a prefix of its own, each is empty. */
function openStore(changes: Partial<S3Options> = {}, clock: Clock = systemClock): S3Store {
	return new S3Store({ clock, logger: silentLogger }, { ...s3.options, prefix: randomUUID(), ...changes });
}

describeObjectStoreContract({ kind: 'S3', open: () => Promise.resolve(openStore()), presigns: true });

describe('S3Store', () => {
	it('lists and deletes more than a thousand objects', async () => {
		await using store = openStore();
		const names = Array.from({ length: 1005 }, (_, index) => `v/1/${index}`);
		const waiting = [...names];
		const lanes = Array.from({ length: 16 }, async () => {
			for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
				await store.put(name, Buffer.from(name));
			}
		});
		await Promise.all(lanes);
		expect((await collect(store.list('v/1/'))).toSorted()).toEqual(names.toSorted());
		await store.delete([...names, 'v/1/missing']);
		expect(await collect(store.list('v/'))).toEqual([]);
	});

	it('moves objects into another storage class, with their names and bytes', async () => {
		await using store = openStore();
		await store.put('v/1', Buffer.from('kept'));
		await store.changeStorageClass(['v/1', 'v/missing'], 'STANDARD_IA');
		const answer = await fetch((await store.presign('v/1', 60))!);
		expect(answer.headers.get('x-amz-storage-class')).toBe('STANDARD_IA');
		expect(answer.headers.get('content-type')).toBe('application/octet-stream');
		expect(await answer.text()).toBe('kept');
	});

	it.each<[what: string, changes: Partial<S3Options>, sentence: string]>([
		['an unknown access key', { accessKeyId: 'nobody' }, 'does not know the access key'],
		['a wrong secret', { secretAccessKey: 'wrong' }, 'refuses the signature; check recording.s3.secretAccessKey'],
		['a missing bucket', { bucket: 'nowhere' }, 'has no bucket "nowhere"; create it, or correct recording.s3.bucket'],
	])('describes %s', async (_what, changes, sentence) => {
		await using store = openStore(changes);
		const failure = {
			code: 'OBJECT_STORE_UNAVAILABLE',
			message: expect.stringContaining(sentence) as string,
		};
		await expect(store.checkAccess()).rejects.toMatchObject(failure);
		await expect(store.put('v/1', Buffer.from('1'))).rejects.toMatchObject(failure);
		await expect(store.get('v/1')).rejects.toMatchObject(failure);
		await expect(store.delete(['v/1', 'v/2'])).rejects.toMatchObject(failure);
		await expect(collect(store.list('v/'))).rejects.toMatchObject(failure);
	});

	it('describes a clock that is wrong', async () => {
		const lateClock: Clock = { ...systemClock, nowMs: () => systemClock.nowMs() - 3_600_000 };
		await using store = openStore({}, lateClock);
		await expect(store.put('v/1', Buffer.from('1'))).rejects.toMatchObject({
			message: expect.stringMatching(/the clock of this machine is 3(599|600|601) s behind that of/) as string,
		});
	});

	it('stores nothing when half of an object arrives, and nothing damaged', async () => {
		await using store = openStore();
		const whole = randomBytes(600_000);
		await store.put('v/whole', whole);
		// Takes the place of a put on its way: the request itself is right, and its body ends early or is altered.
		for (const [name, body] of [
			['v/half', whole.subarray(0, 300_000)],
			['v/damaged', whole.with(300_000, whole[300_000]! ^ 1)],
		] as const) {
			const proxy = await startAlteringProxy(Number(new URL(s3.url).port), body);
			const address = `http://127.0.0.1:${proxy.port}`;
			await using throughProxy = openStore({ endpoint: address, timeoutMs: 3000 });
			await expect(throughProxy.put(name, whole)).rejects.toMatchObject({ code: 'OBJECT_STORE_UNAVAILABLE' });
			await proxy.close();
			await expect(store.get(name)).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
		}
		await expect(store.get('v/whole')).resolves.toMatchObject({ totalBytes: 600_000 });
	});

	it('fails by its deadline while the service is stuck, at once while it is away, and works again', async () => {
		await using store = openStore({ timeoutMs: 700 });
		await store.put('v/1', Buffer.from('kept'));
		s3.freeze();
		// Some of its threads may answer after the signal.
		const answer = (): Promise<unknown> => store.get('v/1').catch((error: unknown) => error);
		await until(async () => String(await answer()).includes('has not answered within 0.7 s'), 'a deadline is met');
		s3.thaw();
		await expect(store.get('v/1')).resolves.toMatchObject({ totalBytes: 4 });
		await s3.kill();
		await expect(store.get('v/1')).rejects.toMatchObject({
			message: expect.stringContaining('(ECONNREFUSED)') as string,
		});
		await s3.restart();
		await expect(store.get('v/1')).resolves.toMatchObject({ totalBytes: 4 });
	});
});
