/** Tests of the channel store against both databases. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../core/lifecycle/clock.ts';
import type { Database } from '../platform/database/database.ts';
import { DATABASE_KINDS, openTestDatabase } from '../testing/both-databases.ts';
import { ChannelStore } from './channel-store.ts';

describe.each(DATABASE_KINDS)('ChannelStore ($kind)', ({ kind }) => {
	let database: Database;
	let closeDatabase: () => Promise<void>;

	beforeAll(async () => {
		({ database, close: closeDatabase } = await openTestDatabase(kind));
	});
	afterAll(() => closeDatabase());

	it('finds a channel by name and by id, and lists all', async () => {
		const store = new ChannelStore({ database, clock: systemClock });
		const channel = await store.createChannel({ name: 'Alice', title: 'Hello', graceWindowSeconds: 5 });
		expect(channel).toMatchObject({ name: 'alice', title: 'Hello', graceWindowSeconds: 5, category: undefined });
		await store.createChannel({ name: 'aaron' });
		await expect(store.findByName('ALICE')).resolves.toEqual(channel);
		await expect(store.findById(channel.id)).resolves.toEqual(channel);
		expect((await store.search({ limit: 1000 })).map(({ name }) => name)).toEqual(['aaron', 'alice']);
		expect(channel.ladderChoice).toBeUndefined();
		for (const ladderChoice of ['automatic', 'off', ['720p60', '160p30'], undefined] as const) {
			await expect(store.updateChannel(channel.id, { ladderChoice })).resolves.toEqual({ ...channel, ladderChoice });
			await expect(store.updateChannel(channel.id, { title: 'Hello' })).resolves.toMatchObject({ ladderChoice });
		}
		// Another version may have other rungs.
		await database.query('UPDATE channels SET ladder = $1', ['4320p60']);
		await expect(store.findById(channel.id)).resolves.toEqual(channel);
		await expect(database.query("UPDATE channels SET ladder = ''")).rejects.toThrow();
		await expect(store.findByName('bob')).resolves.toBeUndefined();
		await expect(store.findByName("'; DROP TABLE channels; --")).resolves.toBeUndefined();
	});
});
