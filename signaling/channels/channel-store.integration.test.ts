/** Tests of the channel store against both databases. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../core/lifecycle/clock.ts';
import type { Database } from '../platform/database/database.ts';
import { DATABASE_KINDS, openTestDatabase } from '../testing/both-databases.ts';
import { ChannelStore, type Channel } from './channel-store.ts';

describe.each(DATABASE_KINDS)('ChannelStore ($kind)', ({ kind }) => {
	let database: Database;
	let closeDatabase: () => Promise<void>;
	let store: ChannelStore;
	let channel: Channel;

	beforeAll(async () => {
		({ database, close: closeDatabase } = await openTestDatabase(kind));
		store = new ChannelStore({ database, clock: systemClock });
	});
	afterAll(() => closeDatabase());

	beforeEach(async () => {
		channel = await store.createChannel({ name: 'Alice', title: 'Hello', graceWindowSeconds: 5 });
	});

	afterEach(() => database.runScript('DELETE FROM channels; DELETE FROM users'));

	it('finds a channel by name and by id, and lists all', async () => {
		expect(channel).toMatchObject({ name: 'alice', title: 'Hello', graceWindowSeconds: 5, category: undefined });
		await store.createChannel({ name: 'aaron' });
		await expect(store.findByName('ALICE')).resolves.toEqual(channel);
		await expect(store.findById(channel.id)).resolves.toEqual(channel);
		expect((await store.search({ limit: 1000 })).map(({ name }) => name)).toEqual(['aaron', 'alice']);
		await expect(store.findByName('bob')).resolves.toBeUndefined();
		await expect(store.findByName("'; DROP TABLE channels; --")).resolves.toBeUndefined();
	});

	it('refuses names that are taken, reserved or malformed', async () => {
		await expect(store.createChannel({ name: 'alice' })).rejects.toMatchObject({ code: 'NAME_TAKEN' });
		for (const name of ['whip', 'a', 'with space', '../x']) {
			await expect(store.createChannel({ name })).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
		}
	});
});
