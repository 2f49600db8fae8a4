/** The contract of every bus against a real Redis, alone and as a cluster; then what happens when Redis is lost. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { silentLogger } from '../../../core/logger.ts';
import { startRedis, type RealServer } from '../../testing/real-servers.ts';
import { describeBusContract, Inbox } from './bus-contract.ts';
import { RedisBus } from './redis-bus.ts';

let single: RealServer;
let cluster: RealServer;

beforeAll(async () => {
	[single, cluster] = await Promise.all([startRedis(), startRedis({ cluster: true })]);
});

afterAll(async () => {
	await Promise.all([single.stop(), cluster.stop()]);
});

async function open(url: string, keyPrefix = 'spillway'): Promise<RedisBus> {
	const bus = new RedisBus({ url, keyPrefix, clock: systemClock, logger: silentLogger });
	await bus.start();
	return bus;
}

/** Tries until it works; the test's own deadline ends a wait that is in vain. */
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

const kinds = [
	{ kind: 'Redis', server: (): RealServer => single, suffix: '' },
	{ kind: 'Redis cluster', server: (): RealServer => cluster, suffix: ',' },
];

for (const { kind, server, suffix } of kinds) {
	describeBusContract({ kind, open: () => open(server().url + suffix), pass: (ms) => delay(ms) });
}

describe('RedisBus', () => {
	it('joins two servers, and keeps installations with different prefixes apart', async () => {
		await using one = await open(single.url);
		await using two = await open(single.url);
		await using stranger = await open(single.url, 'other');
		const [inbox, strange] = [new Inbox(), new Inbox()];
		await two.subscribe('joined', inbox.listener);
		await stranger.subscribe('joined', strange.listener);
		await one.publish('joined', 'hello');
		expect(await inbox.count(1)).toEqual(['hello']);
		await stranger.publish('joined', 'own');
		expect(await strange.count(1)).toEqual(['own']);
		await one.set('shared', 1, 1000);
		expect([await two.get('shared'), await stranger.get('shared')]).toEqual([1, undefined]);
	});

	it('refuses to start in time when there is nobody, and goes on trying until it is closed', async () => {
		await using server = await startRedis();
		await server.kill();
		await using bus = new RedisBus({ url: server.url, keyPrefix: 'x', clock: systemClock, logger: silentLogger });
		await expect(bus.start()).rejects.toMatchObject({ code: 'BUS_UNAVAILABLE', retryAfterSeconds: 2 });
		await server.restart();
		await eventually(() => bus.checkHealth());
	});

	it('closes while it still tries to connect', async () => {
		const bus = new RedisBus({ url: 'redis://127.0.0.1:1', keyPrefix: 'x', clock: systemClock, logger: silentLogger });
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

	it('is unavailable while Redis stands still, and works when it goes on', async () => {
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

	it('refuses commands beyond a bound instead of keeping them', async () => {
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

	it('counts foreign messages that are not JSON and goes on', async () => {
		await using bus = await open(single.url);
		const inbox = new Inbox();
		await bus.subscribe('foreign', inbox.listener);
		const { Redis } = await import('ioredis');
		const foreign = new Redis(single.url);
		await foreign.publish('spillway:topic:foreign', 'not json');
		await foreign.publish('spillway:topic:foreign', '"json"');
		foreign.disconnect();
		expect(await inbox.count(1)).toEqual(['json']);
	});
});
