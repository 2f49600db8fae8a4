/** The built-in test picture as the server starts it: against FFmpeg's RTMP listener, and gone when its parent goes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import path from 'node:path';
import { expect, it } from 'vitest';
import { sleep, systemClock, withDeadline } from '../core/lifecycle/clock.ts';
import { readPattern } from './source/time-pattern.ts';

const STREAM_KEY = 'a_key_that_must_stay_secret';
const FRAME_BYTES = 1280 * 720;
const PICTURE_COUNT = 30;

function exitOf(child: ChildProcess): Promise<number | null> {
	return new Promise((resolve) => child.once('exit', (code) => resolve(code)));
}

function startPicture(port: number): ChildProcess {
	return spawn(
		process.execPath,
		[path.join(import.meta.dirname, 'test-picture.ts'), '--url', `rtmp://127.0.0.1:${port}/live`],
		{
			stdio: ['pipe', 'inherit', 'pipe'],
			env: { ...process.env, SPILLWAY_TEST_PICTURE_KEY: STREAM_KEY },
		},
	);
}

/** Command lines of a process and its children. */
function commandLines(pid: number): string[] {
	const lines: string[] = [];
	for (const entry of readdirSync('/proc')) {
		try {
			const parent = Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${entry}/stat`, 'utf8'))?.[1]);
			if (Number(entry) === pid || parent === pid) {
				lines.push(readFileSync(`/proc/${entry}/cmdline`, 'utf8'));
			}
		} catch {
			// Not a process, or one that has just ended.
		}
	}
	return lines;
}

async function freePort(): Promise<number> {
	const probe = createServer().listen(0, '127.0.0.1');
	await new Promise((resolve) => probe.once('listening', resolve));
	const { port } = probe.address() as AddressInfo;
	await new Promise((resolve) => probe.close(resolve));
	return port;
}

it('publishes pictures that read back, keeps the key to itself and ends with its parent', async () => {
	const port = await freePort();
	const listener = spawn('ffmpeg', [
		...['-hide_banner', '-loglevel', 'error', '-listen', '1', '-i', `rtmp://127.0.0.1:${port}/live/${STREAM_KEY}`],
		...['-map', '0:v', '-vsync', 'passthrough', '-pix_fmt', 'gray', '-f', 'rawvideo', 'pipe:1'],
	]);
	const listenerExit = exitOf(listener);
	const picture = startPicture(port);
	const pictureExit = exitOf(picture);
	try {
		const numbers: number[] = [];
		let pending = Buffer.alloc(0);
		const enough = new Promise<void>((resolve) => {
			listener.stdout.on('data', (bytes: Buffer) => {
				pending = Buffer.concat([pending, bytes]);
				for (; pending.length >= FRAME_BYTES; pending = pending.subarray(FRAME_BYTES)) {
					const samples = pending.subarray(0, FRAME_BYTES);
					const band = { samples, width: 1280, pictureHeight: 720, rowStride: 1280, sampleStride: 1, firstIndex: 0 };
					numbers.push(readPattern(band, systemClock.nowMs())?.frameNumber ?? -1);
				}
				if (numbers.length >= PICTURE_COUNT) {
					resolve();
				}
			});
		});
		await withDeadline(systemClock, enough, 40_000, () => new Error(`Only ${numbers.length} pictures came.`));
		expect(numbers).toEqual(numbers.map((_number, index) => numbers[0]! + index));
		expect(numbers[0]).toBeGreaterThanOrEqual(0);
		const lines = commandLines(picture.pid!);
		expect(lines.length).toBeGreaterThanOrEqual(2);
		expect(lines.join('\n')).not.toContain(STREAM_KEY);
		picture.stdin!.end();
		expect(await withDeadline(systemClock, pictureExit, 10_000, () => new Error('It goes on without a parent.'))).toBe(
			0,
		);
		await sleep(systemClock, 100);
		expect(commandLines(picture.pid!)).toEqual([]);
	} finally {
		picture.kill('SIGKILL');
		listener.kill('SIGKILL');
		await listenerExit;
	}
});

it('says how it is used when the key or the address is missing', async () => {
	const child = spawn(process.execPath, [path.join(import.meta.dirname, 'test-picture.ts')], {
		stdio: ['pipe', 'pipe', 'pipe'],
	});
	let words = '';
	child.stderr.setEncoding('utf8').on('data', (text: string) => (words += text));
	expect(await exitOf(child)).toBe(2);
	expect(words).toContain('Usage: SPILLWAY_TEST_PICTURE_KEY=');
});
