/** Tests of the bus against a real Redis, single and as a cluster: the contract, and the loss of Redis. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { silentLogger } from '../../../core/logger.ts';
import { startRedis, type RealServer } from '../../testing/real-servers.ts';
import { describeBusContract, Inbox } from './bus-contract.ts';
import { RedisBus } from './redis-bus.ts';

const common = { clock: systemClock, logger: silentLogger };
let single: RealServer;
let cluster: RealServer;

beforeAll(async () => {
	[single, cluster] = await Promise.all([startRedis(), startRedis({ cluster: true })]);
});

afterAll(async () => {
	await Promise.all([single.stop(), cluster.stop()]);
});

async function open(url: string, keyPrefix = 'spillway'): Promise<RedisBus> {
	const bus = new RedisBus(common, { url, keyPrefix });
	await bus.start();
	return bus;
}

/** Retries until it succeeds; the test's deadline ends the wait otherwise. */
async function eventually(attempt: () => Promise<unknown>): Promise<void> {
	for (;;) {
		try {
			await attempt();
			return;
		} catch {
			await delay(50);
		}
	}
}

describeBusContract({ kind: 'Redis', open: () => open(single.url), pass: (ms) => delay(ms) });
describeBusContract({ kind: 'Redis cluster', open: () => open(`${cluster.url},`), pass: (ms) => delay(ms) });

describe('RedisBus', () => {
	it('connects two servers, and separates installations with different prefixes', async () => {
		await using one = await open(single.url);
		await using two = await open(single.url);
		await using other = await open(single.url, 'other');
		const [inbox, otherInbox] = [new Inbox(), new Inbox()];
		await two.subscribe('joined', inbox.listener);
		await other.subscribe('joined', otherInbox.listener);
		await one.publish('joined', 'hello');
		expect(await inbox.count(1)).toEqual(['hello']);
		await other.publish('joined', 'own');
		expect(await otherInbox.count(1)).toEqual(['own']);
		await one.set('shared', 1, 1000);
		expect([await two.get('shared'), await other.get('shared')]).toEqual([1, undefined]);
	});

	it('fails to start in time without a server, and keeps trying until close()', async () => {
		await using server = await startRedis();
		await server.kill();
		await using bus = new RedisBus(common, { url: server.url, keyPrefix: 'x' });
		await expect(bus.start()).rejects.toMatchObject({ code: 'BUS_UNAVAILABLE', retryAfterSeconds: 2 });
		await server.restart();
		await eventually(() => bus.checkHealth());
	});

	it('closes while it is connecting', async () => {
		const bus = new RedisBus(common, { url: 'redis://127.0.0.1:1', keyPrefix: 'x' });
		const started = bus.start();
		await bus.close();
		await expect(started).rejects.toMatchObject({ code: 'BUS_UNAVAILABLE' });
	});

	it.each([
		{ kind: 'Redis', options: {}, suffix: '' },
		{ kind: 'Redis cluster', options: { cluster: true }, suffix: ',' },
	])('is unavailable while $kind is lost, and delivers again when it is back', async ({ options, suffix }) => {
		await using server = await startRedis(options);
		await using bus = await open(server.url + suffix);
		const inbox = new Inbox();
		await bus.subscribe('topic', inbox.listener);
		const isBack = new Promise<void>((resolve) => bus.onReconnect(resolve));
		await server.kill();
		await expect(bus.publish('topic', 'lost')).rejects.toMatchObject({ code: 'BUS_UNAVAILABLE' });
		await expect(bus.subscribe('more', () => undefined)).rejects.toMatchObject({ code: 'BUS_UNAVAILABLE' });
		await expect(bus.checkHealth()).rejects.toMatchObject({ code: 'BUS_UNAVAILABLE' });
		await server.restart();
		await isBack;
		await eventually(() => bus.publish('topic', 'back'));
		expect((await inbox.count(1))[0]).toBe('back');
	});

	it('is unavailable while Redis is frozen, and works after it thaws', async () => {
		await using server = await startRedis();
		await using bus = await open(server.url);
		server.freeze();
		try {
			await expect(bus.get('x')).rejects.toMatchObject({ code: 'BUS_UNAVAILABLE' });
		} finally {
			server.thaw();
		}
		await eventually(() => bus.checkHealth());
	});

	it('rejects commands beyond a bound instead of queueing them', async () => {
		await using server = await startRedis();
		await using bus = await open(server.url);
		server.freeze();
		try {
			const answers = await Promise.allSettled(Array.from({ length: 10_050 }, () => bus.get('x')));
			expect(answers.every((answer) => answer.status === 'rejected')).toBe(true);
		} finally {
			server.thaw();
		}
	});

	it('skips messages that are not JSON', async () => {
		await using bus = await open(single.url);
		const inbox = new Inbox();
		await bus.subscribe('raw', inbox.listener);
		const { Redis } = await import('ioredis');
		const client = new Redis(single.url);
		await client.publish('spillway:topic:raw', 'not json');
		await client.publish('spillway:topic:raw', '"json"');
		client.disconnect();
		expect(await inbox.count(1)).toEqual(['json']);
	});
});
