/** Presence over a real Redis: two servers, one of them killed; then Redis is lost and returns. */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { RecordingLogger } from '../../../core/testing/recording-logger.ts';
import { testChannel } from '../testing/audience-bench.ts';
import { SocketClient, startSignalingServer, type SignalingServer } from '../testing/signaling-server.ts';
import { RedisBus } from '../../platform/bus/redis-bus.ts';
import { startRedis, type RealServer } from '../../testing/real-servers.ts';

/** Every node must show a change within this time. */
const CORRECT_WITHIN_MS = 10_000;

let redis: RealServer;
let testIndex = 0;
const cleanups: (() => unknown)[] = [];

beforeAll(async () => {
	redis = await startRedis();
});

afterEach(async () => {
	for (const cleanup of cleanups.splice(0).reverse()) {
		await cleanup();
	}
	testIndex++;
});

afterAll(async () => {
	await redis.stop();
});

async function startHere(): Promise<{ server: SignalingServer; logger: RecordingLogger }> {
	const logger = new RecordingLogger();
	const bus = new RedisBus({ clock: systemClock, logger }, { url: redis.url, keyPrefix: `t${testIndex}` });
	await bus.start();
	const server = await startSignalingServer({ clock: systemClock, logger, bus });
	cleanups.push(
		() => bus.close(),
		() => server.close(),
	);
	return { server, logger };
}

/** A server in a separate process. */
async function startElsewhere(): Promise<{ url: string; kill: () => void }> {
	const program = join(import.meta.dirname, '..', 'testing', 'audience-process.ts');
	const child: ChildProcess = spawn(process.execPath, [program, redis.url, `t${testIndex}`], {
		stdio: ['ignore', 'pipe', 'inherit'],
	});
	const exited = new Promise((resolve) => child.once('exit', resolve));
	const kill = (): Promise<unknown> => {
		child.kill('SIGKILL');
		return exited;
	};
	cleanups.push(kill);
	const url = await new Promise<string>((resolve, reject) => {
		child.stdout!.once('data', (bytes: Buffer) => resolve(bytes.toString().trim()));
		child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
	});
	return { url, kill: () => void kill() };
}

async function joinMany(url: string, count: number): Promise<SocketClient[]> {
	const clients = await Promise.all(Array.from({ length: count }, () => new SocketClient(url).join()));
	cleanups.push(() => clients.forEach(({ socket }) => socket.terminate()));
	return clients;
}

const countAt = ({ signaling }: SignalingServer): number | null => signaling.viewerCount('demo');

/** Resolves when the count is as expected; fails with the last count after that time. */
async function expectCount(read: () => number | null, expected: number, withinMs = CORRECT_WITHIN_MS): Promise<void> {
	const endMs = performance.now() + withinMs;
	while (read() !== expected && performance.now() < endMs) {
		await delay(50);
	}
	expect(read()).toBe(expected);
}

describe('presence over Redis', () => {
	it('is exact over two servers, follows a viewer who moves, and drops a killed server in time', async () => {
		const { server: here } = await startHere();
		const there = await startElsewhere();
		await joinMany(here.url, 5);
		const others = await joinMany(there.url, 7);
		await expectCount(() => countAt(here), 12);
		// They reconnect here while their old socket is still open there: never counted twice, and the old one is closed.
		const { resumeToken, viewerId } = await others[0]!.next('joined');
		const [moved] = [await new SocketClient(here.url).join({ resumeToken })];
		cleanups.push(() => moved.socket.terminate());
		expect((await moved.next('joined')).viewerId).toBe(viewerId);
		expect(await others[0]!.closed).toBe(4004);
		await expectCount(() => countAt(here), 12);
		there.kill();
		await expectCount(() => countAt(here), 6);
	});

	it('is 0 within 20 s after all sockets were cut, and a beacon counts on any server', async () => {
		const { server: here } = await startHere();
		const { server: second } = await startHere();
		const clients = [...(await joinMany(here.url, 20)), ...(await joinMany(second.url, 20))];
		await expectCount(() => countAt(here), 40);
		clients.forEach(({ socket }) => socket.terminate());
		await expectCount(() => countAt(here), 0, 20_000);
		const beacon = async (url: string, token?: string): Promise<string> => {
			const body = JSON.stringify({ channel: 'demo', ...(token === undefined ? {} : { token }) });
			const headers = { 'content-type': 'application/json' };
			const answer = await fetch(`${url}/api/v1/presence`, { method: 'POST', headers, body });
			return ((await answer.json()) as { token: string }).token;
		};
		const token = await beacon(here.url);
		await beacon(second.url, token);
		await delay(2500);
		expect([countAt(here), countAt(second)]).toEqual([1, 1]);
		await expectCount(() => countAt(here), 0, 20_000);
	});

	it('counts its own viewers and warns while Redis is lost, and is exact again when it is back', async () => {
		const { server: here, logger } = await startHere();
		const { server: second } = await startHere();
		await joinMany(here.url, 2);
		await joinMany(second.url, 3);
		await expectCount(() => countAt(here), 5);
		await redis.kill();
		const [late] = await joinMany(here.url, 1);
		expect((await late!.next('joined')).decision.tier).toBe('webrtc');
		await expectCount(() => countAt(here), 3, 20_000);
		expect(here.signaling.distribution(testChannel('demo')).isComplete).toBe(false);
		expect(logger.lines.filter(({ message }) => message.startsWith('the bus is lost'))).toHaveLength(1);
		await redis.restart();
		await expectCount(() => countAt(here), 6, 20_000);
		expect(here.signaling.distribution(testChannel('demo')).isComplete).toBe(true);
	});
});
