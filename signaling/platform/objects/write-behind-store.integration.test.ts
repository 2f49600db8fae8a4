/** Tests of the store that uploads later with a real S3 service: the contract, an outage, and a killed process. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { silentLogger } from '../../../core/logger.ts';
import { startS3, type RealS3 } from '../../testing/real-servers.ts';
import { until } from '../../testing/until.ts';
import { openDiskStore } from './disk-store.ts';
import { collect, describeObjectStoreContract } from './object-store-contract.ts';
import { S3Store } from './s3-store.ts';
import { openWriteBehindStore, type WriteBehindStore } from './write-behind-store.ts';

const deps = { clock: systemClock, logger: silentLogger };
const root = mkdtempSync(join(tmpdir(), 'spillway-uploads-'));
let s3: RealS3;
beforeAll(async () => {
	s3 = await startS3();
});
afterAll(async () => {
	await s3.stop();
	rmSync(root, { recursive: true, force: true });
});

async function open(prefix: string = randomUUID(), folder: string = join(root, prefix)): Promise<WriteBehindStore> {
	const spool = await openDiskStore(deps, { folder });
	const remote = new S3Store(deps, { ...s3.options, prefix, timeoutMs: 3000 });
	return openWriteBehindStore(deps, { spool, remote, maxSpoolBytes: 2 ** 30, checkRemote: () => remote.checkAccess() });
}

describeObjectStoreContract({ kind: 'write-behind, of S3', open: () => open(), presigns: false });

const SEGMENT_BYTES = 1_500_000;
/** Source, sound and a rung, as if each were as large as the source. */
const OBJECTS_PER_SECOND = 1.5;

describe('an S3 service that is away', () => {
	it('loses nothing, and gets everything at five times real time or more when it is back', async () => {
		const prefix = randomUUID();
		await using store = await open(prefix);
		await store.put('v/before', Buffer.from('before'));
		await until(() => store.uploadState.waitingCount === 0, 'the first upload');
		await s3.kill();
		const count = 60;
		for (let index = 0; index < count; index++) {
			await store.put(`v/${index}`, new Uint8Array(SEGMENT_BYTES).fill(index));
		}
		await until(() => store.uploadState.lastError !== undefined, 'the failure is shown');
		expect(store.uploadState).toMatchObject({
			waitingCount: count,
			waitingBytes: count * SEGMENT_BYTES,
			lastError: `The S3 service ${new URL(s3.url).host} cannot be reached (ECONNREFUSED).`,
			isFull: false,
		});
		await expect(store.get('v/59', { startByte: 0, endByte: 1 })).resolves.toMatchObject({ totalBytes: SEGMENT_BYTES });
		await expect(store.get('v/before')).rejects.toMatchObject({ code: 'OBJECT_STORE_UNAVAILABLE' });
		await s3.restart();
		await until(() => store.uploadState.waitingCount < count, 'uploads begin');
		const startedAtMs = performance.now();
		await until(() => store.uploadState.waitingCount === 0, 'everything is uploaded');
		const catchUpSeconds = (performance.now() - startedAtMs) / 1000;
		expect(count / OBJECTS_PER_SECOND / catchUpSeconds).toBeGreaterThan(5);
		expect(store.uploadState.lastError).toBeUndefined();
		for (const index of [0, 31, 59]) {
			const { bytes } = await store.get(`v/${index}`);
			expect([bytes.length, bytes[0], bytes.at(-1)]).toEqual([SEGMENT_BYTES, index, index]);
		}
		const names = await collect(store.list('v/'));
		expect(names).toHaveLength(count + 1);
		await store.delete(names);
	});
});

/** Puts objects without an end and prints the number of each that is stored. */
const ENDLESS_PUTS = `
	import { openDiskStore } from '${new URL('./disk-store.ts', import.meta.url).href}';
	import { S3Store } from '${new URL('./s3-store.ts', import.meta.url).href}';
	import { openWriteBehindStore } from '${new URL('./write-behind-store.ts', import.meta.url).href}';
	import { systemClock } from '${new URL('../../../core/lifecycle/clock.ts', import.meta.url).href}';
	import { silentLogger } from '${new URL('../../../core/logger.ts', import.meta.url).href}';
	const deps = { clock: systemClock, logger: silentLogger };
	const [folder, options] = process.argv.slice(1);
	const spool = await openDiskStore(deps, { folder });
	const remote = new S3Store(deps, JSON.parse(options));
	const store = await openWriteBehindStore(deps, { spool, remote, maxSpoolBytes: 2 ** 30 });
	for (let index = 0; ; index++) {
		await store.put('v/' + index, new Uint8Array(200_000).fill(index));
		process.stdout.write(index + '\\n');
	}
`;

describe('a process that is killed while it uploads', () => {
	it('loses no object whose put has ended', async () => {
		const prefix = randomUUID();
		const folder = join(root, 'killed');
		const options = JSON.stringify({ ...s3.options, prefix });
		const child = spawn(process.execPath, ['--input-type=module', '-e', ENDLESS_PUTS, folder, options], {
			stdio: ['ignore', 'pipe', 'ignore'],
		});
		const ended = new Promise((resolve) => child.once('exit', resolve));
		let output = '';
		child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
		await until(() => child.exitCode !== null || output.split('\n').length > 60, 'sixty puts');
		child.kill('SIGKILL');
		await ended;
		const count = output.split('\n').length - 1;
		expect(count).toBeGreaterThanOrEqual(60);
		await using store = await open(prefix, folder);
		await until(() => store.uploadState.waitingCount === 0, 'the rest is uploaded');
		for (let index = 0; index < count; index++) {
			const { bytes } = await store.get(`v/${index}`);
			expect([bytes.length, bytes[0], bytes.at(-1)]).toEqual([200_000, index % 256, index % 256]);
		}
	});
});
