/** Creates what every installation has from its first start: channel "demo" with a stream key, and an administrator. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import { createId, createSecret, type ChannelId, type StreamKey } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import { PasswordHasher } from '../accounts/password-hash.ts';
import type { Database, Queryable } from '../platform/database/database.ts';
import { ChannelStore } from '../channels/channel-store.ts';
import { StreamKeyStore } from './stream-key-store.ts';

export const DEMO_CHANNEL_NAME = 'demo';
const ADMIN_USER_NAME = 'admin';

// Names of the keys that this file makes. Users made the keys with other names, so they are not touched.
const GENERATED_KEY_NAME = 'first start';
const GIVEN_KEY_NAME = 'SPILLWAY_DEMO_STREAM_KEY';

/** The secrets are returned only once, so the caller must print them. */
export type FirstStartResult = {
	demoChannelId: ChannelId;
	/** The demo channel's key, if this start made it. */
	newStreamKey: StreamKey | undefined;
	/** The administrator's password, if this start made the account. */
	newAdminPassword: string | undefined;
};

type FirstStartDependencies = { database: Database; clock: Clock; logger: Logger; serverSecret: Uint8Array };

/**
 * Creates what is missing, in one transaction. Called at each start, after the migrations; several nodes can call it at
 * once. `demoStreamKey`: SPILLWAY_DEMO_STREAM_KEY, which replaces the generated key of the demo channel. Throws
 * CONFIG_INVALID when it belongs to another channel.
 */
export async function prepareFirstStart(
	{ database, clock, logger, serverSecret }: FirstStartDependencies,
	{ demoStreamKey }: { demoStreamKey?: string | undefined },
): Promise<FirstStartResult> {
	// Hashing is slow on purpose, so it runs before the lock, and only when it is probably needed.
	const password = createSecret('admin');
	const passwordHash = (await hasAdmin(database)) ? undefined : await new PasswordHasher().hash(password);
	const result = await database.transaction(async (handle) => {
		// Two nodes that start at once must not create everything twice.
		await handle.query('LOCK TABLE channels IN SHARE ROW EXCLUSIVE MODE');
		const channels = new ChannelStore({ database: handle, clock });
		const streamKeys = new StreamKeyStore({ database: handle, clock, serverSecret });
		const channel =
			(await channels.findByName(DEMO_CHANNEL_NAME)) ??
			(await channels.createChannel({ name: DEMO_CHANNEL_NAME, title: 'Demo' }));
		const newStreamKey =
			demoStreamKey === undefined
				? await ensureGeneratedKey(streamKeys, channel.id)
				: await ensureGivenKey(streamKeys, channel.id, demoStreamKey as StreamKey);
		const isAdminNew = passwordHash !== undefined && (await createAdmin(handle, clock, passwordHash));
		await handle.query(
			"UPDATE channels SET owner_id = (SELECT id FROM users WHERE name = $2 AND role = 'admin') WHERE id = $1 AND owner_id IS NULL",
			[channel.id, ADMIN_USER_NAME],
		);
		return { demoChannelId: channel.id, newStreamKey, newAdminPassword: isAdminNew ? password : undefined };
	});
	logger.info(
		{ madeStreamKey: result.newStreamKey !== undefined, madeAdmin: result.newAdminPassword !== undefined },
		'channel "demo" is ready',
	);
	return result;
}

// A key that is no longer in the environment must not stay valid.
async function ensureGeneratedKey(streamKeys: StreamKeyStore, channelId: ChannelId): Promise<StreamKey | undefined> {
	const valid = (await streamKeys.listStreamKeys(channelId)).filter((key) => key.revokedAt === null);
	for (const key of valid.filter(({ name }) => name === GIVEN_KEY_NAME)) {
		await streamKeys.revokeStreamKey(key.id);
	}
	if (valid.some(({ name }) => name !== GIVEN_KEY_NAME)) {
		return undefined;
	}
	return (await streamKeys.createStreamKey(channelId, GENERATED_KEY_NAME)).streamKey;
}

async function ensureGivenKey(
	streamKeys: StreamKeyStore,
	channelId: ChannelId,
	given: StreamKey,
): Promise<StreamKey | undefined> {
	const found = await streamKeys.findStreamKey(given);
	if (found !== undefined && found.channelId !== channelId) {
		throw new SpillwayError('CONFIG_INVALID', [
			'SPILLWAY_DEMO_STREAM_KEY is the stream key of another channel. Choose another.',
		]);
	}
	const isOurs = (name: string): boolean => name === GENERATED_KEY_NAME || name === GIVEN_KEY_NAME;
	for (const key of await streamKeys.listStreamKeys(channelId)) {
		if (key.revokedAt === null && key.id !== found?.id && isOurs(key.name)) {
			await streamKeys.revokeStreamKey(key.id);
		}
	}
	if (found === undefined) {
		return (await streamKeys.createStreamKey(channelId, GIVEN_KEY_NAME, given)).streamKey;
	}
	if (found.revokedAt !== null) {
		await streamKeys.reinstateStreamKey(found.id);
		return given;
	}
	return undefined;
}

async function hasAdmin(database: Queryable): Promise<boolean> {
	return (await database.query("SELECT id FROM users WHERE role = 'admin' LIMIT 1")).length > 0;
}

async function createAdmin(handle: Queryable, clock: Clock, passwordHash: string): Promise<boolean> {
	if (await hasAdmin(handle)) {
		return false;
	}
	const nowMs = clock.nowMs();
	const rows = await handle.query(
		`INSERT INTO users (id, name, password_hash, role, created_at) VALUES ($1, $2, $3, 'admin', $4)
		ON CONFLICT (name) DO NOTHING RETURNING id`,
		[createId(nowMs), ADMIN_USER_NAME, passwordHash, new Date(nowMs)],
	);
	return rows.length > 0;
}
