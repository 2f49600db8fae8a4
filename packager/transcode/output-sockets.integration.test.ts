/** Sockets for a process's outputs: what arrives, who may enter, and that nothing stays behind. */
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import { OutputSockets } from './output-sockets.ts';

type Opened = { sockets: OutputSockets; folder: string; texts: string[] };

async function open(count: number): Promise<Opened> {
	const texts = Array.from({ length: count }, () => '');
	const onChunk = (chunk: Uint8Array, index: number): void => void (texts[index] += Buffer.from(chunk).toString());
	const sockets = await OutputSockets.open(systemClock, { count, onChunk });
	return { sockets, folder: path.dirname(sockets.path(0)), texts };
}

async function isGone(folder: string): Promise<boolean> {
	for (let count = 0; count < 200 && existsSync(folder); count++) {
		await sleep(systemClock, 10);
	}
	return !existsSync(folder);
}

it('passes on all that was written, also by a writer that is gone before we look', async () => {
	const { sockets, texts } = await open(3);
	const large = 'x'.repeat(150_000);
	const writers = [`one ${large}`, 'two', ''].map((text, index) => connect(sockets.path(index)).end(text));
	await Promise.all(writers.map((writer) => once(writer, 'finish')));
	await sockets.readToEnd();
	expect(texts.map((text) => text.length)).toEqual([large.length + 4, 3, 0]);
	sockets.close();
});

it('is open to this user only', async () => {
	const { sockets, folder } = await open(1);
	expect(statSync(folder).mode & 0o777).toBe(0o700);
	sockets.close();
	expect(existsSync(folder)).toBe(false);
});

it('takes one connection each, and removes its folder with the last', async () => {
	const { sockets, folder } = await open(2);
	const first = connect(sockets.path(0));
	await once(first, 'connect');
	for (let count = 0; count < 200 && readdirSync(folder).length > 1; count++) {
		await sleep(systemClock, 10);
	}
	expect(readdirSync(folder)).toEqual(['1']);
	const second = connect(sockets.path(1));
	await once(second, 'connect');
	expect(await isGone(folder)).toBe(true);
	sockets.close();
	await Promise.all([first, second].map((socket) => socket.destroyed || once(socket, 'close')));
});

it('does not wait for an output that never connected', async () => {
	const { sockets, folder } = await open(2);
	const socket = connect(sockets.path(0)).end('text');
	await once(socket, 'finish');
	await sockets.readToEnd();
	sockets.close();
	expect(existsSync(folder)).toBe(false);
});

it('rejects, and leaves no folder, when there is no room for the address', async () => {
	const before = process.env['TMPDIR'];
	const parent = mkdtempSync(path.join(tmpdir(), 'spillway-test-'));
	const long = path.join(parent, 'x'.repeat(120));
	mkdirSync(long);
	process.env['TMPDIR'] = long;
	try {
		await expect(OutputSockets.open(systemClock, { count: 2, onChunk: () => undefined })).rejects.toThrow();
		expect(readdirSync(long)).toEqual([]);
	} finally {
		if (before === undefined) {
			delete process.env['TMPDIR'];
		} else {
			process.env['TMPDIR'] = before;
		}
		rmSync(parent, { recursive: true });
	}
});
