/** SIGKILL of the server, of FFmpeg and of an SFU worker; SIGTERM. See the teardown in docs/architecture.md. */
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { childProcesses } from '../../loadtest/bench/measure/process-cpu.ts';
import { createPublisher } from '../../loadtest/clients/create-publisher.ts';
import { TEST_SETTINGS } from '../../loadtest/source/encoder-settings.ts';
import { ServerUnderTest, waitUntilLive } from '../../loadtest/bench/measure/server-under-test.ts';
import { until } from '../testing/until.ts';

function isAlive(pid: number): boolean {
	try {
		return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
	} catch {
		return false;
	}
}

describe.runIf(process.platform === 'linux')('faults', () => {
	const cleanups: (() => Promise<void>)[] = [];

	afterEach(async () => {
		for (const cleanup of cleanups.splice(0).reverse()) {
			await cleanup();
		}
	});

	async function startLive(): Promise<{ server: ServerUnderTest; pid: number }> {
		const server = await ServerUnderTest.start();
		cleanups.push(() => server.stop());
		const publisher = createPublisher('rtmp', TEST_SETTINGS, server.addresses);
		cleanups.push(() => publisher.stop());
		await publisher.start();
		await waitUntilLive(server.addresses);
		return { server, pid: server.pid! };
	}

	const state = async (server: ServerUnderTest): Promise<string> => {
		const response = await fetch(new URL('/api/v1/channels/demo', server.addresses.httpUrl));
		return ((await response.json()) as { state: string }).state;
	};

	it('restarts a killed FFmpeg, and the channel stays live', async () => {
		const { server, pid } = await startLive();
		await until(() => childProcesses(pid).some(({ name }) => name === 'ffmpeg'), 'FFmpeg runs');
		const before = childProcesses(pid).find(({ name }) => name === 'ffmpeg')!;
		process.kill(before.pid, 'SIGKILL');
		await until(
			() => childProcesses(pid).some(({ name, pid: other }) => name === 'ffmpeg' && other !== before.pid),
			'FFmpeg runs again',
		);
		expect(await state(server)).toBe('live');
	});

	it('replaces a killed SFU worker, and an RTMP publisher stays live', async () => {
		const { server, pid } = await startLive();
		const workers = (): ReturnType<typeof childProcesses> =>
			childProcesses(pid).filter(({ name }) => name.startsWith('mediasoup-worke'));
		const before = workers();
		for (const worker of before) {
			process.kill(worker.pid, 'SIGKILL');
		}
		await until(
			() =>
				workers().length === before.length &&
				workers().every((worker) => !before.some(({ pid: old }) => old === worker.pid)),
			'all workers are replaced',
		);
		await until(async () => (await fetch(new URL('/readyz', server.addresses.httpUrl))).status === 200, 'ready again');
		expect(await state(server)).toBe('live');
	});

	it('leaves no process behind when it is killed', async () => {
		const { pid } = await startLive();
		await until(() => childProcesses(pid).some(({ name }) => name === 'ffmpeg'), 'FFmpeg runs');
		const children = childProcesses(pid);
		process.kill(pid, 'SIGKILL');
		await until(() => children.every((child) => !isAlive(child.pid)), 'all children are gone');
	});

	it('leaves no process behind on SIGTERM, and exits with 0', async () => {
		const { server, pid } = await startLive();
		const children = childProcesses(pid);
		const exited = server.exit();
		process.kill(pid, 'SIGTERM');
		process.kill(pid, 'SIGTERM');
		expect(await exited).toEqual({ code: 0, signal: null });
		expect(children.filter((child) => isAlive(child.pid))).toEqual([]);
	});
});
