/** Stream keys in the database, which holds only their hashes. */
import { timingSafeEqual } from 'node:crypto';
import { SpillwayError } from '../../core/errors/errors.ts';
import { createId, type ChannelId, type StreamKey } from '../../core/ids.ts';
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { BroadcastOwner } from '../../ingest/media-plan/work-budget.ts';
import { CHANNEL_COLUMNS, toChannel, type Channel, type ChannelRow } from '../channels/channel-store.ts';
import { isUniqueViolation, type Queryable } from '../platform/database/database.ts';
import { createStreamKey, hashStreamKey, shownPrefix } from './stream-key.ts';

/** A stream key as its owner sees it: everything but the secret. */
export type StreamKeyRecord = {
	id: string;
	channelId: ChannelId;
	/** Chosen by the owner. */
	name: string;
	/** First characters; empty for short keys. */
	prefix: string;
	createdAt: Date;
	revokedAt: Date | null;
	/** Null: never. */
	lastUsedAt: Date | null;
	/** The first use from the newest of its networks; null while there is only one network. */
	newNetworkAt: Date | null;
};

export type StreamKeyOwner = { streamKeyId: string; channel: Channel; owner: BroadcastOwner };

/** Selects {@link StreamKeyRecord}s. */
const STREAM_KEY_QUERY = `SELECT id, channel_id AS "channelId", name, key_prefix AS prefix, created_at AS "createdAt",
		revoked_at AS "revokedAt", last_used_at AS "lastUsedAt", new_network_at AS "newNetworkAt"
	FROM stream_keys LEFT JOIN LATERAL (
		SELECT max(last_used_at) AS last_used_at, CASE WHEN count(*) > 1 THEN max(first_used_at) END AS new_network_at
		FROM stream_key_networks WHERE stream_key_id = stream_keys.id
	) AS used ON true`;

type StreamKeyStoreDependencies = {
	/** May be the handle of a transaction. */
	database: Queryable;
	clock: Clock;
	serverSecret: Uint8Array;
	/** Called with each key that this store makes. */
	onMade?: (streamKeyId: string, hash: Uint8Array) => void;
};

/** Every method throws DATABASE_UNAVAILABLE when the database does not answer. */
export class StreamKeyStore {
	readonly #deps: StreamKeyStoreDependencies;

	constructor(deps: StreamKeyStoreDependencies) {
		this.#deps = deps;
	}

	/** Makes a key or stores the given one, and returns its only copy. Throws REQUEST_INVALID when the key is in use. */
	async createStreamKey(
		channelId: ChannelId,
		name: string,
		given?: StreamKey,
	): Promise<{ id: string; streamKey: StreamKey }> {
		const streamKey = given ?? createStreamKey();
		const id = createId<string>(this.#deps.clock.nowMs());
		const hash = hashStreamKey(this.#deps.serverSecret, streamKey);
		try {
			await this.#deps.database.query(
				`INSERT INTO stream_keys (id, channel_id, name, key_hash, key_prefix, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
				[id, channelId, name, hash, shownPrefix(streamKey), this.#now()],
			);
		} catch (error) {
			if (isUniqueViolation(error, 'stream_keys_key_hash_key')) {
				throw new SpillwayError('REQUEST_INVALID', ['the stream key is in use already'], { cause: error });
			}
			throw error;
		}
		this.#deps.onMade?.(id, hash);
		return { id, streamKey };
	}

	/** Replaces the channel's valid keys of this name by a new one. */
	async rotateStreamKey(channelId: ChannelId, name: string): Promise<{ id: string; streamKey: StreamKey }> {
		// The new key comes first: when the second step fails, the publisher has two keys rather than none.
		const made = await this.createStreamKey(channelId, name);
		await this.#deps.database.query(
			'UPDATE stream_keys SET revoked_at = $1 WHERE channel_id = $2 AND name = $3 AND id <> $4 AND revoked_at IS NULL',
			[this.#now(), channelId, name, made.id],
		);
		return made;
	}

	/** Replaces a key by a new one of the same name. Undefined when the channel has no such valid key. */
	async replaceStreamKey(
		channelId: ChannelId,
		streamKeyId: string,
	): Promise<{ id: string; name: string; streamKey: StreamKey } | undefined> {
		const record = (await this.listStreamKeys(channelId)).find(({ id }) => id === streamKeyId);
		if (record === undefined || record.revokedAt !== null) {
			return undefined;
		}
		// The new key comes first, as above.
		const made = await this.createStreamKey(channelId, record.name);
		if (!(await this.revokeStreamKey(streamKeyId))) {
			// A concurrent call has replaced the key: its new key counts.
			await this.revokeStreamKey(made.id);
			return undefined;
		}
		return { ...made, name: record.name };
	}

	/** False for an unknown or revoked key. The caller ends the sessions that use it. */
	async revokeStreamKey(streamKeyId: string): Promise<boolean> {
		const rows = await this.#deps.database.query(
			'UPDATE stream_keys SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL RETURNING id',
			[this.#now(), streamKeyId],
		);
		return rows.length > 0;
	}

	async reinstateStreamKey(streamKeyId: string): Promise<void> {
		await this.#deps.database.query('UPDATE stream_keys SET revoked_at = NULL WHERE id = $1', [streamKeyId]);
	}

	/** Oldest first, revoked keys included. */
	async listStreamKeys(channelId: ChannelId): Promise<StreamKeyRecord[]> {
		return this.#deps.database.query(`${STREAM_KEY_QUERY} WHERE channel_id = $1 ORDER BY id`, [channelId]);
	}

	/** Finds revoked keys as well. */
	async findStreamKey(streamKey: string): Promise<StreamKeyRecord | undefined> {
		const hash = hashStreamKey(this.#deps.serverSecret, streamKey);
		return (await this.#deps.database.query<StreamKeyRecord>(`${STREAM_KEY_QUERY} WHERE key_hash = $1`, [hash]))[0];
	}

	/**
	 * The owner of a valid key. Unknown, wrong and revoked keys take the same path and time, so that the time of the
	 * answer does not reveal which it was.
	 */
	async findByStreamKey(streamKey: string): Promise<StreamKeyOwner | undefined> {
		const hash = hashStreamKey(this.#deps.serverSecret, streamKey);
		const [row] = await this.#deps.database.query<
			ChannelRow & {
				key_id: string;
				key_hash: Uint8Array;
				revoked_at: Date | null;
				owner_role: string | null;
				is_owner_approved: boolean | null;
			}
		>(
			`SELECT stream_keys.id AS key_id, key_hash, revoked_at, ${CHANNEL_COLUMNS},
			(SELECT role FROM users WHERE users.id = channels.owner_id) AS owner_role,
			(SELECT is_publishing_approved FROM users WHERE users.id = channels.owner_id) AS is_owner_approved
			FROM stream_keys JOIN channels ON channels.id = stream_keys.channel_id WHERE key_hash = $1`,
			[hash],
		);
		// The index does not compare in constant time; this comparison decides.
		const isSame = timingSafeEqual(row?.key_hash ?? new Uint8Array(hash.length), hash);
		if (row === undefined || !isSame || row.revoked_at !== null) {
			return undefined;
		}
		const isAdministrator = row.owner_role === 'admin';
		const owner = {
			id: row.owner_id ?? undefined,
			isAdministrator,
			isKnown: isAdministrator || row.is_owner_approved === true,
		};
		return { streamKeyId: row.key_id, channel: toChannel(row), owner };
	}

	/** Hashes of the valid keys of all channels, newest first. */
	async listValidKeys(limit: number): Promise<{ id: string; hash: Uint8Array }[]> {
		return this.#deps.database.query(
			'SELECT id, key_hash AS hash FROM stream_keys WHERE revoked_at IS NULL ORDER BY id DESC LIMIT $1',
			[limit],
		);
	}

	#now(): Date {
		return new Date(this.#deps.clock.nowMs());
	}
}
