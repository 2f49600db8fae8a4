/** Tests two nodes over a real Redis: nothing is lost, repeated or out of order, even when Redis is killed. */
import { describe, expect, it } from 'vitest';
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import type { ChannelId } from '../../core/ids.ts';
import { silentLogger } from '../../core/logger.ts';
import { RedisBus } from '../platform/bus/redis-bus.ts';
import { startRedis } from '../testing/real-servers.ts';
import type { ChatMember, ChatRoom } from './store/chat-service.ts';
import { createTestRooms } from './testing/fake-room-store.ts';

const CHANNEL = 'channel-1' as ChannelId;
const MEMBERS_PER_NODE = 100;
/** 500 messages to 200 members: 100 000 deliveries. */
const MESSAGE_COUNT = 500;
const DEADLINE_MS = 30_000;

type Node = { room: ChatRoom; received: string[][]; close: () => Promise<void> };

async function openNode(url: string, name: string): Promise<Node> {
	const bus = new RedisBus({ clock: systemClock, logger: silentLogger }, { url, keyPrefix: 'chat-test' });
	await bus.start();
	const rooms = createTestRooms({ bus, clock: systemClock });
	const room = rooms.open(CHANNEL);
	const received: string[][] = [];
	for (let index = 0; index < MEMBERS_PER_NODE; index++) {
		const ids: string[] = [];
		received.push(ids);
		const member: ChatMember = {
			id: `${name}-${index}`,
			// Moderators may write faster; each has its own limit.
			user: { id: `${name}-user-${index}`, name: `${name}-${index}`, role: 'moderator' },
			remoteAddress: '127.0.0.1',
			deliver: ({ message }) =>
				message.type === 'chat' ? ids.push(...message.messages.map(({ id }) => id)) : undefined,
		};
		await room.join(member, undefined);
	}
	return {
		room,
		received,
		close: async () => {
			await rooms.close();
			await bus.close();
		},
	};
}

async function until(isTrue: () => boolean): Promise<void> {
	const endMs = performance.now() + DEADLINE_MS;
	while (!isTrue() && performance.now() < endMs) {
		await sleep(systemClock, 20);
	}
}

const countOf = (nodes: readonly Node[]): number =>
	nodes.reduce((sum, node) => sum + node.received.reduce((count, ids) => count + ids.length, 0), 0);

describe('two nodes over Redis', () => {
	it('deliver 100 000 times without loss, repetition or disorder', async () => {
		await using redis = await startRedis();
		const nodes = await Promise.all([openNode(redis.url, 'a'), openNode(redis.url, 'b')]);
		const sent: string[] = [];
		for (let round = 0; round * 20 < MESSAGE_COUNT; round++) {
			const sends = Array.from({ length: 20 }, (_, index) => {
				const node = nodes[index % 2]!;
				return node.room.send(`${index % 2 === 0 ? 'a' : 'b'}-${(round * 20 + index) % MEMBERS_PER_NODE}`, {
					text: `message ${round * 20 + index}`,
				});
			});
			sent.push(...(await Promise.all(sends)).map(({ messageId }) => messageId));
		}
		const expected = MESSAGE_COUNT * MEMBERS_PER_NODE * 2;
		await until(() => countOf(nodes) >= expected);
		// Time for messages that must not come.
		await sleep(systemClock, 200);
		const [order] = nodes[0]!.received;
		expect([...order!].sort()).toEqual([...sent].sort());
		for (const ids of nodes.flatMap((node) => node.received)) {
			expect(ids).toEqual(order);
		}
		expect(countOf(nodes)).toBe(100_000);
		await Promise.all(nodes.map((node) => node.close()));
	});

	it('continue alone while Redis is down, and exchange the messages when it is back', async () => {
		await using redis = await startRedis();
		const nodes = await Promise.all([openNode(redis.url, 'a'), openNode(redis.url, 'b')]);
		const say = async (name: 'a' | 'b', index: number): Promise<string> => {
			const node = nodes[name === 'a' ? 0 : 1]!;
			return (await node.room.send(`${name}-${index}`, { text: `${name} ${index}` })).messageId;
		};
		const sent = [await say('a', 0), await say('b', 0)];
		await until(() => countOf(nodes) === 2 * MEMBERS_PER_NODE * 2);
		await redis.kill();
		for (let index = 1; index < 20; index++) {
			sent.push(await say('a', index), await say('b', index));
		}
		// Each node has the earlier messages of both, and its own.
		await until(() => countOf(nodes) === (2 + 19) * MEMBERS_PER_NODE * 2);
		expect(countOf(nodes)).toBe((2 + 19) * MEMBERS_PER_NODE * 2);
		await redis.restart();
		await until(() => countOf(nodes) === sent.length * MEMBERS_PER_NODE * 2);
		sent.push(await say('a', 30), await say('b', 30));
		await until(() => countOf(nodes) === sent.length * MEMBERS_PER_NODE * 2);
		for (const ids of nodes.flatMap((node) => node.received)) {
			expect([...ids].sort()).toEqual([...sent].sort());
		}
		await Promise.all(nodes.map((node) => node.close()));
	});
});
