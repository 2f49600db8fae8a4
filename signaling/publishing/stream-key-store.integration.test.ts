/** Tests of stream keys and the first start, against both databases. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { StreamKey } from '../../core/ids.ts';
import { silentLogger } from '../../core/logger.ts';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { PasswordHasher } from '../accounts/password-hash.ts';
import { UserStore } from '../accounts/user-store.ts';
import { ChannelStore, type Channel } from '../channels/channel-store.ts';
import type { Database } from '../platform/database/database.ts';
import { KnownNetworks } from '../platform/database/known-networks.ts';
import { DATABASE_KINDS, openTestDatabase } from '../testing/both-databases.ts';
import { prepareFirstStart, type FirstStartResult } from './first-start.ts';
import { hashStreamKey } from './stream-key.ts';
import { StreamKeyStore, type StreamKeyRecord } from './stream-key-store.ts';

const serverSecret = new Uint8Array(32).fill(7);

describe.each(DATABASE_KINDS)('publishing ($kind)', ({ kind }) => {
	let database: Database;
	let closeDatabase: () => Promise<void>;
	let store: ChannelStore;
	let streamKeys: StreamKeyStore;

	beforeAll(async () => {
		({ database, close: closeDatabase } = await openTestDatabase(kind));
		store = new ChannelStore({ database, clock: systemClock });
		streamKeys = new StreamKeyStore({ database, clock: systemClock, serverSecret });
	});
	afterAll(() => closeDatabase());
	afterEach(() => database.runScript('DELETE FROM channels; DELETE FROM users'));

	describe('StreamKeyStore', () => {
		let channel: Channel;

		beforeEach(async () => {
			channel = await store.createChannel({ name: 'Alice', title: 'Hello', graceWindowSeconds: 5 });
		});

		it('finds the channel of a key, and stores no key', async () => {
			const { id, streamKey } = await streamKeys.createStreamKey(channel.id, 'main');
			await expect(streamKeys.findByStreamKey(streamKey)).resolves.toEqual({
				streamKeyId: id,
				channel,
				owner: { id: undefined, isKnown: false, isAdministrator: false },
			});
			await expect(streamKeys.findByStreamKey(`${streamKey}x`)).resolves.toBeUndefined();
			expect(JSON.stringify(await database.query('SELECT * FROM stream_keys'))).not.toContain(streamKey.slice(9));
			const [record] = await streamKeys.listStreamKeys(channel.id);
			expect(record).toMatchObject({ id, name: 'main', prefix: streamKey.slice(0, 9), revokedAt: null });
		});

		it('lists the valid keys of all channels by their hashes', async () => {
			const [kept, revoked] = [
				await streamKeys.createStreamKey(channel.id, 'a'),
				await streamKeys.createStreamKey(channel.id, 'b'),
			];
			await streamKeys.revokeStreamKey(revoked.id);
			const listed = await streamKeys.listValidKeys(10);
			expect(listed).toEqual([{ id: kept.id, hash: hashStreamKey(serverSecret, kept.streamKey) }]);
			await expect(streamKeys.listValidKeys(0)).resolves.toEqual([]);
		});

		it('reports since when a key is used from another network, and stores no address', async () => {
			const clock = new FakeClock();
			const dependencies = { database, clock, logger: silentLogger, serverSecret };
			const networks = new KnownNetworks(dependencies, 'stream-key');
			const { id } = await streamKeys.createStreamKey(channel.id, 'main');
			const times = async (): Promise<unknown> => {
				const [{ lastUsedAt, newNetworkAt }] = (await streamKeys.listStreamKeys(channel.id)) as [StreamKeyRecord];
				return [lastUsedAt?.getTime(), newNetworkAt?.getTime()];
			};
			expect(await times()).toEqual([undefined, undefined]);
			const first = clock.nowMs();
			await networks.remember(id, '2001:db8::1');
			await networks.remember(id, '2001:db8::2');
			expect(await times()).toEqual([first, undefined]);
			await clock.advance(7_200_000);
			await networks.remember(id, '192.0.2.77');
			expect(await times()).toEqual([first + 7_200_000, first + 7_200_000]);
			await clock.advance(7_200_000);
			await networks.remember(id, '2001:db8::3');
			expect(await times()).toEqual([first + 14_400_000, first + 7_200_000]);
			const stored = JSON.stringify(await database.query('SELECT * FROM stream_key_networks'));
			expect(stored).not.toMatch(/192\.0\.2|2001:db8/);
			// After a restart the networks are known.
			const next = new KnownNetworks(dependencies, 'stream-key');
			expect(next.hasAny('192.0.2.77')).toBe(false);
			await expect(next.isKnown(id, '192.0.2.77')).resolves.toBe(true);
			await expect(next.isKnown(id, '192.0.2.78')).resolves.toBe(false);
			await next.load();
			expect([next.has(id, '2001:db8::4'), next.hasAny('192.0.2.77'), next.has('other', '192.0.2.77')]).toEqual([
				true,
				true,
				false,
			]);
			// A month later they are unknown.
			await clock.advance(31 * 24 * 3_600_000);
			expect(next.hasAny('192.0.2.77')).toBe(false);
			await expect(next.isKnown(id, '192.0.2.77')).resolves.toBe(false);
			// At most twenty are kept.
			for (let number = 0; number < 30; number++) {
				await networks.remember(id, `198.51.100.${number}`);
			}
			expect(await database.query('SELECT 1 FROM stream_key_networks')).toHaveLength(20);
		});

		it('reports whether the owner of a key is approved', async () => {
			const users = new UserStore({ database, clock: systemClock });
			const user = await users.create('the-owner', 'hash');
			const owned = await store.createChannel({ name: 'owned', owner: { id: user.id, maxChannels: 5 } });
			const { streamKey } = await streamKeys.createStreamKey(owned.id, 'main');
			const owner = async (): Promise<unknown> => (await streamKeys.findByStreamKey(streamKey))?.owner;
			await expect(owner()).resolves.toEqual({ id: user.id, isKnown: false, isAdministrator: false });
			await expect(users.setPublishingApproved('the-owner', true)).resolves.toBe(true);
			await expect(owner()).resolves.toEqual({ id: user.id, isKnown: true, isAdministrator: false });
			await users.setPublishingApproved('the-owner', false);
			await users.setRole(user.id, 'admin');
			await expect(owner()).resolves.toEqual({ id: user.id, isKnown: true, isAdministrator: true });
			await expect(users.setPublishingApproved('nobody-here', true)).resolves.toBe(false);
		});

		it('does not find keys that were hashed under another secret', async () => {
			const { streamKey } = await streamKeys.createStreamKey(channel.id, 'main');
			const other = new StreamKeyStore({ database, clock: systemClock, serverSecret: new Uint8Array(32) });
			await expect(other.findByStreamKey(streamKey)).resolves.toBeUndefined();
		});

		it('revokes a key once, and can make it valid again', async () => {
			const { id, streamKey } = await streamKeys.createStreamKey(channel.id, 'main');
			await expect(streamKeys.revokeStreamKey(id)).resolves.toBe(true);
			await expect(streamKeys.revokeStreamKey(id)).resolves.toBe(false);
			await expect(streamKeys.findByStreamKey(streamKey)).resolves.toBeUndefined();
			await expect(streamKeys.findStreamKey(streamKey)).resolves.toMatchObject({ id });
			await streamKeys.reinstateStreamKey(id);
			await expect(streamKeys.findByStreamKey(streamKey)).resolves.toMatchObject({ streamKeyId: id });
		});

		it('rotates the key of one name and leaves the others', async () => {
			const [first, other] = [
				await streamKeys.createStreamKey(channel.id, 'main'),
				await streamKeys.createStreamKey(channel.id, 'spare'),
			];
			const second = await streamKeys.rotateStreamKey(channel.id, 'main');
			await expect(streamKeys.findByStreamKey(first.streamKey)).resolves.toBeUndefined();
			await expect(streamKeys.findByStreamKey(second.streamKey)).resolves.toBeDefined();
			await expect(streamKeys.findByStreamKey(other.streamKey)).resolves.toBeDefined();
		});

		it('refuses a given key that is in use', async () => {
			await streamKeys.createStreamKey(channel.id, 'main', 'given-key' as StreamKey);
			const again = streamKeys.createStreamKey(channel.id, 'again', 'given-key' as StreamKey);
			await expect(again).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
			await expect(again).rejects.not.toThrow(/given-key/);
		});
	});

	describe('prepareFirstStart', () => {
		const start = (demoStreamKey?: string): Promise<FirstStartResult> =>
			prepareFirstStart({ database, clock: systemClock, logger: silentLogger, serverSecret }, { demoStreamKey });
		const isValid = async (streamKey: string): Promise<boolean> =>
			(await streamKeys.findByStreamKey(streamKey)) !== undefined;

		it('makes the demo channel, its key and the administrator once', async () => {
			const first = await start();
			await expect(streamKeys.findByStreamKey(first.newStreamKey!)).resolves.toMatchObject({
				channel: { name: 'demo' },
			});
			const [admin] = await database.query<{ name: string; role: string; password_hash: string }>(
				'SELECT * FROM users',
			);
			expect(admin).toMatchObject({ name: 'admin', role: 'admin' });
			await expect(new PasswordHasher().verify(first.newAdminPassword!, admin!.password_hash)).resolves.toBe(true);
			const second = await start();
			expect(second).toEqual({
				demoChannelId: first.demoChannelId,
				newStreamKey: undefined,
				newAdminPassword: undefined,
			});
			await expect(isValid(first.newStreamKey!)).resolves.toBe(true);
		});

		it('uses the given key, and follows when it changes', async () => {
			expect((await start('given-one')).newStreamKey).toBe('given-one');
			expect((await start('given-one')).newStreamKey).toBeUndefined();
			await start('given-two');
			expect([await isValid('given-one'), await isValid('given-two')]).toEqual([false, true]);
			await start('given-one');
			expect([await isValid('given-one'), await isValid('given-two')]).toEqual([true, false]);
		});

		it('replaces the generated key by a given one, and makes a new one when none is given', async () => {
			const generated = (await start()).newStreamKey!;
			await start('given-three');
			await expect(isValid(generated)).resolves.toBe(false);
			const next = (await start()).newStreamKey!;
			expect([await isValid('given-three'), await isValid(next)]).toEqual([false, true]);
		});

		it('does not revoke keys that users made', async () => {
			const { demoChannelId } = await start();
			const { streamKey } = await streamKeys.createStreamKey(demoChannelId, 'my own');
			await start('given-four');
			await expect(isValid(streamKey)).resolves.toBe(true);
		});

		it('refuses a given key that belongs to another channel', async () => {
			const channel = await store.createChannel({ name: 'bob' });
			await streamKeys.createStreamKey(channel.id, 'main', 'bobs-key' as StreamKey);
			await expect(start('bobs-key')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
		});

		it('makes one of each when several servers start at once', async () => {
			const results = await Promise.all([start(), start(), start()]);
			expect(results.filter((result) => result.newStreamKey !== undefined)).toHaveLength(1);
			expect(results.filter((result) => result.newAdminPassword !== undefined)).toHaveLength(1);
		});
	});
});
