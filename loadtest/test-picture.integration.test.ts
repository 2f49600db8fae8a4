/** The built-in test picture as the server starts it: against FFmpeg's RTMP listener, until its parent ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { sleep, systemClock, withDeadline } from '../core/lifecycle/clock.ts';
import { childProcesses } from './bench/measure/process-cpu.ts';
import { readLuma } from './source/testing/read-luma.ts';
import { exitOf, freePort, listenForRtmp } from './source/testing/rtmp-listener.ts';

const STREAM_KEY = 'a_key_that_must_stay_secret';
const PICTURE_COUNT = 30;

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
	return [{ pid }, ...childProcesses(pid)].flatMap((entry) => {
		try {
			return [readFileSync(`/proc/${entry.pid}/cmdline`, 'utf8')];
		} catch {
			// It has ended.
			return [];
		}
	});
}

it('publishes pictures that read back, does not show the key and ends with its parent', async () => {
	const port = await freePort();
	const numbers: number[] = [];
	const enough = Promise.withResolvers<void>();
	const listener = listenForRtmp(`rtmp://127.0.0.1:${port}/live/${STREAM_KEY}`, 1280 * 720, (luma) => {
		numbers.push(readLuma(luma, 1280, 720, systemClock.nowMs())?.frameNumber ?? -1);
		if (numbers.length >= PICTURE_COUNT) {
			enough.resolve();
		}
	});
	const listenerExit = exitOf(listener);
	const picture = startPicture(port);
	const pictureExit = exitOf(picture);
	try {
		await withDeadline(systemClock, enough.promise, 40_000, () => new Error(`Only ${numbers.length} pictures came.`));
		expect(numbers).toEqual(numbers.map((_number, index) => numbers[0]! + index));
		expect(numbers[0]).toBeGreaterThanOrEqual(0);
		const lines = commandLines(picture.pid!);
		expect(lines.length).toBeGreaterThanOrEqual(2);
		expect(lines.join('\n')).not.toContain(STREAM_KEY);
		picture.stdin!.end();
		const late = (): Error => new Error('It continues without a parent.');
		expect(await withDeadline(systemClock, pictureExit, 10_000, late)).toBe(0);
		await sleep(systemClock, 100);
		expect(commandLines(picture.pid!)).toEqual([]);
	} finally {
		picture.kill('SIGKILL');
		listener.kill('SIGKILL');
		await listenerExit;
	}
});

it('prints its usage when the key or the address is missing', async () => {
	const child = spawn(process.execPath, [path.join(import.meta.dirname, 'test-picture.ts')], {
		stdio: ['pipe', 'pipe', 'pipe'],
	});
	let words = '';
	child.stderr.setEncoding('utf8').on('data', (text: string) => (words += text));
	expect(await exitOf(child)).toBe(2);
	expect(words).toContain('Usage: SPILLWAY_TEST_PICTURE_KEY=');
});
