/**
 * What every installation begins with: channel "demo" with a stream key, and an administrator. Later starts change
 * little.
 */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import { createId, createSecret, type ChannelId, type StreamKey } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import { PasswordHasher } from '../accounts/password-hash.ts';
import type { Database, Queryable } from '../platform/database/database.ts';
import { ChannelStore } from '../channels/channel-store.ts';
import { StreamKeyStore } from './stream-key-store.ts';

/** The channel that is there from the start. */
export const DEMO_CHANNEL_NAME = 'demo';
/** The account that is there from the start. */
const ADMIN_USER_NAME = 'admin';

// Names of the keys that this file makes; keys of other names were made by people and are left alone.
const GENERATED_KEY_NAME = 'first start';
const GIVEN_KEY_NAME = 'SPILLWAY_DEMO_STREAM_KEY';

/** What a start made. Secrets are here once and never again: print them. */
export type FirstStartResult = {
	demoChannelId: ChannelId;
	/** The demo channel's key, when this start made it. */
	newStreamKey: StreamKey | undefined;
	/** The administrator's password, when this start made the account. */
	newAdminPassword: string | undefined;
};

type FirstStartDependencies = { database: Database; clock: Clock; logger: Logger; serverSecret: Uint8Array };

/**
 * Makes what is missing, in one transaction. Called at each start, after the migrations; several nodes may call at
 * once. `demoStreamKey`: SPILLWAY_DEMO_STREAM_KEY, the demo channel's key instead of a generated one. Throws
 * CONFIG_INVALID when it belongs to another channel.
 */
export async function prepareFirstStart(
	{ database, clock, logger, serverSecret }: FirstStartDependencies,
	{ demoStreamKey }: { demoStreamKey?: string | undefined },
): Promise<FirstStartResult> {
	// Hashing takes long on purpose, so it is done before anything is locked, and only when it is likely to be needed.
	const password = createSecret('admin');
	const passwordHash = (await hasAdmin(database)) ? undefined : await new PasswordHasher().hash(password);
	const result = await database.transaction(async (handle) => {
		// Two nodes that start at once must not make two of everything.
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

// A key that was given by the environment and is given no longer must not stay valid for ever.
async function ensureGeneratedKey(streamKeys: StreamKeyStore, channelId: ChannelId): Promise<StreamKey | undefined> {
	const valid = (await streamKeys.listStreamKeys(channelId)).filter((key) => key.revokedAt === undefined);
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
		if (key.revokedAt === undefined && key.id !== found?.id && isOurs(key.name)) {
			await streamKeys.revokeStreamKey(key.id);
		}
	}
	if (found === undefined) {
		return (await streamKeys.createStreamKey(channelId, GIVEN_KEY_NAME, given)).streamKey;
	}
	if (found.revokedAt !== undefined) {
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
