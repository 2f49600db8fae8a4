/** Tests of the pool of real workers: ports, a worker that is killed, and the end. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { createSfu } from '../create-sfu.ts';
import { DEFAULT_PAYLOAD_TYPES } from '../rtp/media-codecs.ts';
import { AdjustableClock, SfuBench, testSfuConfig, waitUntil } from '../testing/sfu-bench.ts';
import { WorkerPool } from './worker-pool.ts';

function isRunning(pid: number): boolean {
	try {
		process.kill(pid, 0);
		return true;
	} catch {
		// There is no such process.
		return false;
	}
}

const createDeps = (): { clock: AdjustableClock; logger: RecordingLogger } => ({
	clock: new AdjustableClock(),
	logger: new RecordingLogger(),
});

describe('WorkerPool', () => {
	it('runs as many workers as configured, each on its own port', async () => {
		await using bench = await SfuBench.start(2);
		const { pool } = bench.sfu;
		expect([pool.liveCount, new Set(pool.ports).size, new Set(pool.pids).size]).toEqual([2, 2, 2]);
		expect(pool.ports.every((port) => port > 0)).toBe(true);
		expect(pool.pids.every(isRunning)).toBe(true);
	});

	it('does not end its workers at a signal: the server decides when it closes them', async () => {
		const countListeners = (): number[] => ['SIGINT', 'SIGTERM'].map((signal) => process.listenerCount(signal));
		const before = countListeners();
		await using bench = await SfuBench.start(2);
		expect(bench.sfu.pool.liveCount).toBe(2);
		expect(countListeners()).toEqual(before);
	});

	it('starts the others only when there is work for them, and ends them when there has been none for a minute', async () => {
		process.env['SPILLWAY_TEST_SECRET'] = 'sesame';
		const clock = new FakeClock();
		const pool = new WorkerPool({ clock, logger: new RecordingLogger() }, testSfuConfig(2));
		try {
			await pool.start();
			expect([pool.liveCount, pool.usableCount]).toEqual([1, 2]);
			const first = await pool.acquire();
			first.routerCount++;
			expect(pool.liveCount).toBe(1);
			const second = await pool.acquire();
			expect([second.index, pool.liveCount]).toEqual([1, 2]);
			second.routerCount++;
			// There can be no third; with equal work the first is chosen.
			expect(await pool.acquire()).toBe(first);
			await clock.advance(120_000);
			expect(pool.liveCount).toBe(2);
			for (const pid of pool.pids) {
				const environment = await readFile(`/proc/${pid}/environ`, 'utf8');
				expect(environment).toContain('PATH=');
				expect(environment).not.toContain('sesame');
			}
			first.routerCount = second.routerCount = 0;
			await clock.advance(120_000);
			// The first one stays for the next broadcast.
			expect([pool.workers.map(({ index }) => index), pool.usableCount]).toEqual([[0], 2]);
			first.routerCount++;
			expect((await pool.acquire()).index).toBe(1);
		} finally {
			delete process.env['SPILLWAY_TEST_SECRET'];
			await pool.close();
		}
	});

	it('puts broadcasts on the worker that has the fewest', async () => {
		await using bench = await SfuBench.start(2);
		const routers = [];
		for (let index = 0; index < 4; index++) {
			routers.push(await bench.sfu.createBroadcastRouter(bench.newBroadcastId()));
		}
		expect(bench.sfu.pool.workers.map(({ routerCount }) => routerCount)).toEqual([2, 2]);
		expect(new Set(routers.map(({ home }) => home.index)).size).toBe(2);
	});

	it('replaces a killed worker on the same port, and notifies all that used it', async () => {
		await using bench = await SfuBench.start(2);
		const { pool } = bench.sfu;
		const victim = await bench.sfu.createBroadcastRouter(bench.newBroadcastId());
		const survivor = await bench.sfu.createBroadcastRouter(bench.newBroadcastId());
		expect(survivor.home).not.toBe(victim.home);
		const events: string[] = [];
		pool.on('workerDied', (index, pid) => events.push(`died ${index} ${pid}`));
		victim.stage.on('closed', (reason) => events.push(`stage ${reason}`));
		victim.on('closed', (reason) => events.push(`router ${reason}`));
		survivor.on('closed', () => events.push('survivor closed'));
		const { index, port, worker } = victim.home;
		const otherPids = pool.pids.filter((pid) => pid !== worker.pid);

		process.kill(worker.pid, 'SIGKILL');
		await waitUntil(() => events.length >= 3, 'all are notified');
		expect(events.toSorted()).toEqual([`died ${index} ${worker.pid}`, 'router worker-died', 'stage worker-died']);
		await waitUntil(() => pool.liveCount === 2, 'the worker is replaced');
		const replacement = pool.workers.find((entry) => entry.index === index)!;
		expect(replacement.port).toBe(port);
		expect(replacement.worker.pid).not.toBe(worker.pid);
		expect(pool.pids).toEqual(expect.arrayContaining(otherPids));
		expect(survivor.closed).toBe(false);

		const next = await bench.sfu.createBroadcastRouter(bench.newBroadcastId());
		expect(next.home).toBe(replacement);
		expect(events).toHaveLength(3);
	});

	it('continues at home when a worker with piped viewers dies, and pipes to its replacement', async () => {
		await using bench = await SfuBench.start(2);
		const broadcastRouter = await bench.sfu.createBroadcastRouter(bench.newBroadcastId());
		const other = bench.sfu.pool.workers.find((worker) => worker !== broadcastRouter.home)!;
		const piped = await broadcastRouter.acquireViewerRouter(DEFAULT_PAYLOAD_TYPES, other);
		process.kill(other.worker.pid, 'SIGKILL');
		await waitUntil(() => piped.router.closed, 'the piped router is gone');
		broadcastRouter.releaseViewerRouter(piped);
		expect(broadcastRouter.closed).toBe(false);
		await waitUntil(() => bench.sfu.pool.liveCount === 2, 'the worker is replaced');
		const replacement = bench.sfu.pool.workers.find(({ index }) => index === other.index)!;
		const again = await broadcastRouter.acquireViewerRouter(DEFAULT_PAYLOAD_TYPES, replacement);
		expect([again.router.closed, again.viewerCount]).toEqual([false, 1]);
	});

	it('refuses a broadcast, with a time to retry, while no worker runs', async () => {
		await using bench = await SfuBench.start(1);
		process.kill(bench.sfu.pool.pids[0]!, 'SIGKILL');
		await waitUntil(() => bench.sfu.pool.liveCount === 0, 'the worker is gone');
		await expect(bench.sfu.createBroadcastRouter(bench.newBroadcastId())).rejects.toMatchObject({
			code: 'SFU_UNAVAILABLE',
			retryAfterSeconds: 1,
		});
		await waitUntil(() => bench.sfu.pool.liveCount === 1, 'the worker is replaced');
		await bench.sfu.createBroadcastRouter(bench.newBroadcastId());
	});

	it('names the setting to change when its port is taken, and leaves no worker behind', async () => {
		const socket = createSocket('udp4');
		socket.bind(0, '127.0.0.1');
		await once(socket, 'listening');
		const { port } = socket.address();
		try {
			const starting = createSfu(createDeps(), { ...testSfuConfig(), rtcPort: port });
			await expect(starting).rejects.toThrow(`The WebRTC port ${port} cannot be used`);
			await expect(starting).rejects.toThrow('SPILLWAY_RTC_PORT');
		} finally {
			socket.close();
		}
	});

	it('rejects when there is no worker program at its path', async () => {
		const config = { ...testSfuConfig(), workerBin: import.meta.filename.replace('.ts', '.missing') };
		await expect(createSfu(createDeps(), config)).rejects.toThrow();
	});
});

describe('closing the pool', () => {
	it('ends all workers and what lives on them, once, and replaces none', async () => {
		const bench = await SfuBench.start(2);
		const { pool } = bench.sfu;
		const reasons: string[] = [];
		const broadcastRouter = await bench.sfu.createBroadcastRouter(bench.newBroadcastId());
		broadcastRouter.on('closed', (reason) => reasons.push(reason));
		const { pids } = pool;
		await Promise.all([bench.sfu.close(), bench.sfu.close()]);
		expect(reasons).toEqual(['server-shutdown']);
		expect(pool.liveCount).toBe(0);
		await waitUntil(() => !pids.some(isRunning), 'the worker processes have ended');
		await expect(bench.sfu.createBroadcastRouter(bench.newBroadcastId())).rejects.toMatchObject({
			code: 'SFU_UNAVAILABLE',
		});
	});

	it('ends a wait for a replacement', async () => {
		const deps = createDeps();
		const pool = new WorkerPool(deps, testSfuConfig());
		await pool.start();
		process.kill(pool.pids[0]!, 'SIGKILL');
		await waitUntil(() => pool.liveCount === 0, 'the worker is gone');
		await pool.close();
		const startedCount = (): number =>
			deps.logger.lines.filter(({ message }) => message === 'SFU worker started').length;
		expect(startedCount()).toBe(1);
		// The replacement was due after 50 ms.
		await new Promise((resolve) => setTimeout(resolve, 150));
		expect([startedCount(), pool.liveCount]).toEqual([1, 0]);
	});

	it('closes a worker that comes up only after the pool has closed', async () => {
		const pool = new WorkerPool(createDeps(), testSfuConfig());
		const starting = pool.start();
		await pool.close();
		await starting;
		expect([pool.liveCount, pool.pids]).toEqual([0, []]);
	});
});
