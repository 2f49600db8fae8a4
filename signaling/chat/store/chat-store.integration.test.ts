/** Tests of the chat store against both databases. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { createId, type ChannelId } from '../../../core/ids.ts';
import type { Database } from '../../platform/database/database.ts';
import { DATABASE_KINDS, openTestDatabase } from '../../testing/both-databases.ts';
import { ChatStore } from './chat-store.ts';

describe.each(DATABASE_KINDS)('ChatStore ($kind)', ({ kind }) => {
	let database: Database;
	let closeDatabase: () => Promise<void>;
	let store: ChatStore;
	let channelId: ChannelId;
	const userId = createId<string>(systemClock.nowMs());
	const otherId = createId<string>(systemClock.nowMs());

	beforeAll(async () => {
		({ database, close: closeDatabase } = await openTestDatabase(kind));
		store = new ChatStore({ database, clock: systemClock });
		channelId = createId(systemClock.nowMs());
		const now = new Date(systemClock.nowMs());
		for (const [id, name] of [
			[userId, 'ann'],
			[otherId, 'bob'],
		] as const) {
			// prettier-ignore
			await database.query(
				"INSERT INTO users (id, name, password_hash, role, created_at) VALUES ($1, $2, 'x', 'viewer', $3)",
				[id, name, now],
			);
		}
		await database.query('INSERT INTO channels (id, name, owner_id, created_at) VALUES ($1, $2, $3, $4)', [
			channelId,
			'chatty',
			userId,
			now,
		]);
		await database.query('INSERT INTO channel_moderators (channel_id, user_id, created_at) VALUES ($1, $2, $3)', [
			channelId,
			otherId,
			now,
		]);
	});

	afterAll(() => closeDatabase());

	it('reads settings and staff, and sets slow mode without touching the rest', async () => {
		await database.query('UPDATE channels SET chat = $2 WHERE id = $1', [
			channelId,
			JSON.stringify({ blockedWords: ['spoiler'] }),
		]);
		await store.setSlowMode(channelId, 12);
		await expect(store.readChannel(channelId)).resolves.toEqual({
			policy: { slowModeSeconds: 12, isAccountRequired: false, blockedWords: ['spoiler'] },
			staff: { ownerId: userId, moderatorIds: new Set([otherId]) },
		});
		await expect(store.readChannel('nowhere' as ChannelId)).resolves.toBeUndefined();
	});

	it('keeps restrictions until they expire or are lifted', async () => {
		const untilMs = Math.floor(systemClock.nowMs()) + 60_000;
		const sinceMs = expect.any(Number) as number;
		const ann = { subjects: ['user:a', 'guest:x'], authorName: 'Ann', moderatorId: otherId };
		await store.restrict(channelId, { ...ann, untilMs });
		await store.restrict(channelId, { ...ann, subjects: ['user:gone'], authorName: 'gone', untilMs: 1000 });
		await store.restrict(channelId, { ...ann, subjects: ['user:b'], authorName: 'bob', untilMs: null });
		const listSorted = async (): Promise<unknown[]> =>
			(await store.listRestrictions(channelId)).sort((one, other) => one.subject.localeCompare(other.subject));
		expect(await listSorted()).toEqual([
			{ subject: 'guest:x', sinceMs, untilMs },
			{ subject: 'user:a', sinceMs, untilMs },
			{ subject: 'user:b', sinceMs, untilMs: null },
		]);
		await store.restrict(channelId, { ...ann, untilMs: null });
		expect(await listSorted()).toContainEqual({ subject: 'user:a', sinceMs, untilMs: null });
		await store.restrict(channelId, { ...ann, authorName: 'other', untilMs });
		expect(await listSorted()).toContainEqual({ subject: 'user:a', sinceMs, untilMs: null });
		expect((await store.release(channelId, 'ANN')).sort()).toEqual(['guest:x', 'user:a']);
		expect(await store.release(channelId, 'ann')).toEqual([]);
		expect(await listSorted()).toEqual([{ subject: 'user:b', sinceMs, untilMs: null }]);
	});

	it('makes tokens, finds their owner, stores only hashes, and deletes only tokens of their owner', async () => {
		const { id, token } = await store.createToken(userId, 'my bot');
		expect(token).toMatch(/^chat_[0-9a-z]{32}$/);
		await expect(store.findByToken(token)).resolves.toEqual({
			user: { id: userId, name: 'ann', role: 'viewer' },
			tokenId: id,
		});
		await expect(store.findByToken(`${token}x`)).resolves.toBeUndefined();
		expect(JSON.stringify(await database.query('SELECT * FROM chat_tokens'))).not.toContain(token.slice(5));
		expect(await store.listTokens(userId)).toEqual([{ id, name: 'my bot', createdAt: expect.any(Date) }]);
		expect(await store.deleteToken(otherId, id)).toBe(false);
		expect(await store.deleteToken(userId, id)).toBe(true);
		await expect(store.findByToken(token)).resolves.toBeUndefined();
		for (let index = 0; index < 20; index++) {
			await store.createToken(userId, `n${index}`);
		}
		await expect(store.createToken(userId, 'one more')).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
	});

	it('finds accounts by name in any case', async () => {
		await expect(store.findUser('BOB')).resolves.toEqual({ id: otherId, name: 'bob', role: 'viewer' });
		await expect(store.findUser('nobody')).resolves.toBeUndefined();
	});
});
