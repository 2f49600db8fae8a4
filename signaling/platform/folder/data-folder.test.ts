/** Tests of the data folder and its lock, in temporary folders. */
import {
	chmodSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	utimesSync,
	writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../../core/testing/recording-logger.ts';
import { openDataFolder, type DataFolder } from './data-folder.ts';
import { lockFolder } from './folder-lock.ts';

let root: string;
let path: string;
let clock: FakeClock;
let logger: RecordingLogger;

beforeEach(() => {
	root = mkdtempSync(join(tmpdir(), 'spillway-data-'));
	path = join(root, 'data');
	clock = new FakeClock(Date.now());
	logger = new RecordingLogger();
});

afterEach(() => {
	rmSync(root, { recursive: true, force: true });
	expect(clock.pendingCount).toBe(0);
});

const open = (): Promise<DataFolder> => openDataFolder({ path, clock, logger });
const mode = (file: string): number => statSync(file).mode & 0o777;

describe('openDataFolder', () => {
	it('creates the layout with mode 0700', async () => {
		await using folder = await open();
		expect(readdirSync(path).sort()).toEqual(['media', 'process.lock', 'secrets', 'temporary']);
		expect([mode(path), mode(join(path, 'secrets'))]).toEqual([0o700, 0o700]);
		expect(folder.databaseFolder).toBe(join(path, 'database'));
	});

	it('restricts the modes of its folders and of the database files at each start', async () => {
		mkdirSync(join(path, 'database', 'base'), { recursive: true });
		writeFileSync(join(path, 'database', 'base', '1'), 'rows');
		mkdirSync(join(path, 'media'));
		for (let start = 0; start < 2; start++) {
			chmodSync(path, 0o755);
			for (const name of ['media', 'database', join('database', 'base')]) {
				chmodSync(join(path, name), 0o777);
			}
			chmodSync(join(path, 'database', 'base', '1'), 0o666);
			await using folder = await open();
			await folder.writeEndpoints({ httpPort: 1 });
			const names = ['', 'media', 'temporary', 'database', join('database', 'base')];
			expect(names.map((name) => mode(join(path, name)))).toEqual(names.map(() => 0o700));
			expect([mode(join(path, 'database', 'base', '1')), mode(join(path, 'endpoints.json'))]).toEqual([0o600, 0o600]);
		}
		expect(logger.lines.filter(({ message }) => message.includes('was open to others'))).toHaveLength(2);
	});

	it('keeps one secret over restarts, readable by its owner only', async () => {
		const first = await open();
		expect(first.serverSecret).toHaveLength(32);
		expect(mode(join(path, 'secrets', 'server-secret'))).toBe(0o600);
		await first.close();
		await using second = await open();
		expect(second.serverSecret).toEqual(first.serverSecret);
		expect(readdirSync(join(path, 'secrets'))).toEqual(['server-secret']);
	});

	it('restricts the mode of a secret that others could read, and warns', async () => {
		await (await open()).close();
		const file = join(path, 'secrets', 'server-secret');
		writeFileSync(file, readFileSync(file), { mode: 0o644 });
		chmodSync(file, 0o644);
		await (await open()).close();
		expect(mode(file)).toBe(0o600);
		expect(logger.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
	});

	it('rejects a damaged secret instead of creating another', async () => {
		await (await open()).close();
		writeFileSync(join(path, 'secrets', 'server-secret'), 'half');
		await expect(open()).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
		expect(existsSync(join(path, 'process.lock'))).toBe(false);
	});

	it('writes the endpoints atomically and removes them on close', async () => {
		const folder = await open();
		await folder.writeEndpoints({ http: 'http://localhost:1', rtmpPort: 2 });
		await folder.writeEndpoints({ http: 'http://localhost:3' });
		expect(JSON.parse(readFileSync(join(path, 'endpoints.json'), 'utf8'))).toEqual({ http: 'http://localhost:3' });
		expect(readdirSync(path).filter((name) => name.includes('draft'))).toEqual([]);
		const closed = folder.close();
		expect(folder.close()).toBe(closed);
		await closed;
		expect(readdirSync(path).sort()).toEqual(['media', 'secrets', 'temporary']);
		await expect(folder.writeEndpoints({})).rejects.toMatchObject({ code: 'SERVER_STOPPING' });
	});

	it('deletes the leftovers of a killed process, and nothing else', async () => {
		mkdirSync(join(path, 'temporary', 'deep'), { recursive: true });
		mkdirSync(join(path, 'media'));
		for (const name of ['endpoints.json', 'endpoints.json.draft-x', 'media/recording.mp4', 'notes.txt']) {
			writeFileSync(join(path, name), 'x');
		}
		await using _folder = await open();
		expect(readdirSync(path).sort()).toEqual(['media', 'notes.txt', 'process.lock', 'secrets', 'temporary']);
		expect(readdirSync(join(path, 'temporary'))).toEqual([]);
		expect(readdirSync(join(path, 'media'))).toEqual(['recording.mp4']);
	});

	it('rejects a second server, naming the process of the first', async () => {
		await using _folder = await open();
		await expect(open()).rejects.toMatchObject({
			code: 'DATA_FOLDER_LOCKED',
			message: expect.stringContaining(`"${path}" is in use by process ${process.pid}`) as string,
		});
	});

	it('throws CONFIG_INVALID when the folder cannot be created', async () => {
		writeFileSync(path, 'a file');
		await expect(open()).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
	});
});

describe('lockFolder', () => {
	// Larger than any process id of Linux or macOS.
	const deadPid = 99_999_999;
	const own = { pid: process.pid, processStart: 'another start', host: hostname(), token: 't' };

	function writeLock(content: unknown): string {
		const lockPath = join(root, 'x.lock');
		writeFileSync(lockPath, typeof content === 'string' ? content : JSON.stringify(content));
		return lockPath;
	}

	it.each([
		['a dead process', { ...own, pid: deadPid }],
		['an earlier process with the same id', own],
		['no process, with damaged content', '{"pid":'],
		['no process, with another format', { pid: 'one' }],
	])('takes over a lock of %s', async (_whose, content) => {
		const lockPath = writeLock(content);
		const lock = await lockFolder(lockPath, { clock, logger });
		expect(readdirSync(root)).toEqual(['x.lock']);
		await lock.release();
		expect(readdirSync(root)).toEqual([]);
	});

	it('takes over a lock of another host only after half a minute without a touch', async () => {
		const lockPath = writeLock({ ...own, host: 'elsewhere' });
		await expect(lockFolder(lockPath, { clock, logger })).rejects.toThrow(`${process.pid} on elsewhere`);
		const past = new Date(clock.nowMs() - 31_000);
		utimesSync(lockPath, past, past);
		await (await lockFolder(lockPath, { clock, logger })).release();
	});

	it('gives the lock to exactly one of many', async () => {
		const attempts = await Promise.allSettled(
			Array.from({ length: 20 }, () => lockFolder(join(root, 'x.lock'), { clock, logger })),
		);
		const won = attempts.filter((attempt) => attempt.status === 'fulfilled');
		expect(won).toHaveLength(1);
		await won[0]!.value.release();
	});

	it('does not remove a lock that another process has taken over', async () => {
		const lockPath = join(root, 'x.lock');
		const lock = await lockFolder(lockPath, { clock, logger });
		writeLock({ ...own, token: 'another' });
		await lock.release();
		await lock.release();
		expect(existsSync(lockPath)).toBe(true);
	});
});
