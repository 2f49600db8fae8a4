/** Channels and their stream keys in the database. */
import { timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import {
	createId,
	explainChannelName,
	parseChannelName,
	type ChannelId,
	type ChannelName,
	type StreamKey,
} from '../../core/ids.ts';
import { DEFAULT_CHANNEL_POLICY, type ChannelPolicy } from '../../core/protocol/api/channel-description.ts';
import type { BroadcastOwner } from '../../ingest/media-plan/work-budget.ts';
import { isUniqueViolation, type Database, type Queryable } from '../platform/database/database.ts';
import { createStreamKey, hashStreamKey, shownPrefix } from '../publishing/stream-key.ts';

/** A lasting place with a name. */
export type Channel = {
	id: ChannelId;
	name: ChannelName;
	title: string;
	category: string | undefined;
	/** Seconds that a broadcast waits for its lost publisher; undefined means the server's default. */
	graceWindowSeconds: number | undefined;
	/** Who may be in which tier. */
	policy: ChannelPolicy;
	/** Undefined: it belongs to nobody. */
	ownerId: string | undefined;
	ownerName: string | undefined;
	createdAt: Date;
};

/** What its owner may change about a channel; absent fields stay. */
export type ChannelChange = {
	title?: string;
	category?: string | undefined;
	graceWindowSeconds?: number | undefined;
	policy?: ChannelPolicy;
};

/** Which channels to list. Texts are compared without regard to case. */
export type ChannelSearch = {
	/** Part of the name or the title. */
	query?: string | undefined;
	/** The whole category. */
	category?: string | undefined;
	/** Only these. */
	names?: readonly ChannelName[] | undefined;
	limit: number;
};

/** A stream key as its owner sees it later: everything but the key. */
export type StreamKeyRecord = {
	id: string;
	channelId: ChannelId;
	/** What its owner calls it. */
	name: string;
	/** First characters; empty for short keys. */
	prefix: string;
	createdAt: Date;
	revokedAt: Date | undefined;
	/** Undefined: never yet. */
	lastUsedAt: Date | undefined;
	/** When it was first used from the newest of its networks; undefined while it was used from one only. */
	newNetworkAt: Date | undefined;
};

/** Whom a stream key belongs to. */
export type StreamKeyOwner = { streamKeyId: string; channel: Channel; owner: BroadcastOwner };

type ChannelRow = {
	id: ChannelId;
	name: ChannelName;
	title: string;
	category: string | null;
	grace_window_seconds: number | null;
	policy: Partial<ChannelPolicy>;
	owner_id: string | null;
	owner_name: string | null;
	created_at: Date;
};

type StreamKeyRow = {
	id: string;
	channel_id: ChannelId;
	name: string;
	key_hash: Uint8Array;
	key_prefix: string;
	created_at: Date;
	revoked_at: Date | null;
	last_used_at: Date | null;
	new_network_at: Date | null;
};

const CHANNEL_COLUMNS = `channels.id, channels.name, title, category, grace_window_seconds, policy, owner_id, channels.created_at,
	(SELECT users.name FROM users WHERE users.id = channels.owner_id) AS owner_name`;
const STREAM_KEY_QUERY = `SELECT stream_keys.*, last_used_at, new_network_at FROM stream_keys LEFT JOIN LATERAL (
		SELECT max(last_used_at) AS last_used_at, CASE WHEN count(*) > 1 THEN max(first_used_at) END AS new_network_at
		FROM stream_key_networks WHERE stream_key_id = stream_keys.id
	) AS used ON true`;
/** Channels that one listing returns at most. */
const MAX_LISTED = 1000;

/** Reads and writes channels. Every method throws DATABASE_UNAVAILABLE when the database does not answer. */
export class ChannelStore {
	readonly #database: Queryable;
	readonly #clock: Clock;
	readonly #serverSecret: Uint8Array;

	readonly #onStreamKeyMade: ((streamKeyId: string, hash: Uint8Array) => void) | undefined;

	/** `database` may be the handle of a transaction. `onStreamKeyMade` is told of each key that is made here. */
	constructor(options: {
		database: Database | Queryable;
		clock: Clock;
		serverSecret: Uint8Array;
		onStreamKeyMade?: (streamKeyId: string, hash: Uint8Array) => void;
	}) {
		this.#database = options.database;
		this.#clock = options.clock;
		this.#serverSecret = options.serverSecret;
		this.#onStreamKeyMade = options.onStreamKeyMade;
	}

	/**
	 * Throws REQUEST_INVALID for a name that cannot be one or is a route, NAME_TAKEN for one that another channel or another
	 * person has, LIMIT_REACHED when the owner has as many as allowed.
	 */
	async createChannel(details: {
		name: string;
		title?: string;
		category?: string | undefined;
		graceWindowSeconds?: number;
		owner?: { id: string; maxChannels: number };
	}): Promise<Channel> {
		const name = parseChannelName(details.name);
		if (name === undefined) {
			throw new SpillwayError('REQUEST_INVALID', [explainChannelName(details.name)!]);
		}
		const ownerId = details.owner?.id ?? null;
		try {
			const [row] = await this.#database.query<ChannelRow>(
				`INSERT INTO channels (id, name, title, category, grace_window_seconds, owner_id, created_at)
				SELECT $1::text, $2::text, $3::text, $4::text, $5::integer, $6::text, $7::timestamptz
				WHERE NOT EXISTS (SELECT id FROM users WHERE users.name = $2::text AND users.id IS DISTINCT FROM $6::text)
				AND ($6::text IS NULL OR (SELECT count(*) FROM channels WHERE owner_id = $6::text) < $8::integer)
				RETURNING ${CHANNEL_COLUMNS}`,
				[
					createId(this.#clock.nowMs()),
					name,
					details.title ?? '',
					details.category ?? null,
					details.graceWindowSeconds ?? null,
					ownerId,
					this.#now(),
					details.owner?.maxChannels ?? 0,
				],
			);
			if (row !== undefined) {
				return toChannel(row);
			}
		} catch (error) {
			if (isUniqueViolation(error, 'channels_name_key')) {
				throw new SpillwayError('NAME_TAKEN', [name], { cause: error });
			}
			throw error;
		}
		const [other] = await this.#database.query<{ id: string }>('SELECT id FROM users WHERE name = $1', [name]);
		if (other !== undefined && other.id !== ownerId) {
			throw new SpillwayError('NAME_TAKEN', [name]);
		}
		throw new SpillwayError('LIMIT_REACHED', [`an account has at most ${details.owner?.maxChannels} channels here`]);
	}

	/** Changes what is given and returns the channel; undefined when there is none with this id. */
	async updateChannel(id: ChannelId, change: ChannelChange): Promise<Channel | undefined> {
		const sets: string[] = [];
		const params: (string | number | null)[] = [id];
		const set = (column: string, value: string | number | null): void => {
			params.push(value);
			sets.push(`${column} = $${params.length}`);
		};
		if (change.title !== undefined) {
			set('title', change.title);
		}
		if ('category' in change) {
			set('category', change.category ?? null);
		}
		if ('graceWindowSeconds' in change) {
			set('grace_window_seconds', change.graceWindowSeconds ?? null);
		}
		if (change.policy !== undefined) {
			set('policy', JSON.stringify(change.policy));
		}
		if (sets.length === 0) {
			return this.findById(id);
		}
		const [row] = await this.#database.query<ChannelRow>(
			`UPDATE channels SET ${sets.join(', ')} WHERE id = $1 RETURNING ${CHANNEL_COLUMNS}`,
			params,
		);
		return row === undefined ? undefined : toChannel(row);
	}

	/** Channels by name. */
	async search({ query, category, names, limit }: ChannelSearch): Promise<Channel[]> {
		const params: (string | number | readonly string[])[] = [Math.min(limit, MAX_LISTED)];
		const conditions: string[] = [];
		if (query !== undefined) {
			// What was typed is text, not a pattern.
			params.push(`%${query.replace(/[\\%_]/g, '\\$&')}%`);
			conditions.push(`(channels.name LIKE lower($${params.length}) OR lower(title) LIKE lower($${params.length}))`);
		}
		if (category !== undefined) {
			params.push(category);
			conditions.push(`lower(category) = lower($${params.length})`);
		}
		if (names !== undefined) {
			params.push([...names]);
			conditions.push(`channels.name = ANY($${params.length})`);
		}
		const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
		const rows = await this.#database.query<ChannelRow>(
			`SELECT ${CHANNEL_COLUMNS} FROM channels ${where} ORDER BY channels.name LIMIT $1`,
			params,
		);
		return rows.map(toChannel);
	}

	/** Every category that a channel has, by name, at most 1000; each in one of its spellings. */
	async listCategories(): Promise<string[]> {
		const rows = await this.#database.query<{ category: string }>(
			`SELECT min(category) AS category FROM channels WHERE category IS NOT NULL
			GROUP BY lower(category) ORDER BY lower(category) LIMIT ${MAX_LISTED}`,
		);
		return rows.map(({ category }) => category);
	}

	/** Any text may be asked for; what cannot be a name belongs to no channel. */
	async findByName(text: string): Promise<Channel | undefined> {
		const name = parseChannelName(text);
		return name === undefined ? undefined : this.#findOne('name', name);
	}

	/** The channel with this id. */
	async findById(id: string): Promise<Channel | undefined> {
		return this.#findOne('id', id);
	}

	/** All channels by name, at most 1000. */
	list(): Promise<Channel[]> {
		return this.search({ limit: MAX_LISTED });
	}

	/**
	 * Makes a key, or stores the given one, and returns the only copy of it that there will ever be.
	 * Throws REQUEST_INVALID when the given key is in use already.
	 */
	async createStreamKey(
		channelId: ChannelId,
		name: string,
		given?: StreamKey,
	): Promise<{ id: string; streamKey: StreamKey }> {
		const streamKey = given ?? createStreamKey();
		const id = createId<string>(this.#clock.nowMs());
		const hash = hashStreamKey(this.#serverSecret, streamKey);
		try {
			await this.#database.query(
				`INSERT INTO stream_keys (id, channel_id, name, key_hash, key_prefix, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
				[id, channelId, name, hash, shownPrefix(streamKey), this.#now()],
			);
		} catch (error) {
			if (isUniqueViolation(error, 'stream_keys_key_hash_key')) {
				throw new SpillwayError('REQUEST_INVALID', ['the stream key is in use already'], { cause: error });
			}
			throw error;
		}
		this.#onStreamKeyMade?.(id, hash);
		return { id, streamKey };
	}

	/** Revokes the valid keys of that name on the channel and makes a new one in their place. */
	async rotateStreamKey(channelId: ChannelId, name: string): Promise<{ id: string; streamKey: StreamKey }> {
		// The new one first: when the second step fails the publisher has two keys rather than none.
		const made = await this.createStreamKey(channelId, name);
		await this.#database.query(
			'UPDATE stream_keys SET revoked_at = $1 WHERE channel_id = $2 AND name = $3 AND id <> $4 AND revoked_at IS NULL',
			[this.#now(), channelId, name, made.id],
		);
		return made;
	}

	/**
	 * Puts a new key in the place of this one, under the same name. Undefined when the channel has no such valid key.
	 */
	async replaceStreamKey(
		channelId: ChannelId,
		streamKeyId: string,
	): Promise<{ id: string; name: string; streamKey: StreamKey } | undefined> {
		const record = (await this.listStreamKeys(channelId)).find(({ id }) => id === streamKeyId);
		if (record === undefined || record.revokedAt !== undefined) {
			return undefined;
		}
		// The new one first, as above.
		const made = await this.createStreamKey(channelId, record.name);
		if (!(await this.revokeStreamKey(streamKeyId))) {
			// Somebody else was faster: his new key counts.
			await this.revokeStreamKey(made.id);
			return undefined;
		}
		return { ...made, name: record.name };
	}

	/** False when there is no such key or it was revoked before. Who publishes with it is for the caller to end. */
	async revokeStreamKey(streamKeyId: string): Promise<boolean> {
		const rows = await this.#database.query(
			'UPDATE stream_keys SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL RETURNING id',
			[this.#now(), streamKeyId],
		);
		return rows.length > 0;
	}

	/** Makes a revoked key valid again. */
	async reinstateStreamKey(streamKeyId: string): Promise<void> {
		await this.#database.query('UPDATE stream_keys SET revoked_at = NULL WHERE id = $1', [streamKeyId]);
	}

	/** The keys of a channel, oldest first, revoked ones included. */
	async listStreamKeys(channelId: ChannelId): Promise<StreamKeyRecord[]> {
		const rows = await this.#database.query<StreamKeyRow>(`${STREAM_KEY_QUERY} WHERE channel_id = $1 ORDER BY id`, [
			channelId,
		]);
		return rows.map(toStreamKeyRecord);
	}

	/** The record of a key, also of a revoked one. */
	async findStreamKey(streamKey: string): Promise<StreamKeyRecord | undefined> {
		const row = await this.#findKeyRow(hashStreamKey(this.#serverSecret, streamKey));
		return row === undefined ? undefined : toStreamKeyRecord(row);
	}

	/**
	 * Whom a valid key belongs to. Unknown, wrong and revoked keys go the same way and take as long, so that nobody learns
	 * from the time which it was.
	 */
	async findByStreamKey(streamKey: string): Promise<StreamKeyOwner | undefined> {
		const hash = hashStreamKey(this.#serverSecret, streamKey);
		const rows = await this.#database.query<
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
		const row = rows[0];
		// The index compared the hashes byte by byte; this comparison is the one that decides.
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

	/** Hashes of the valid keys of all channels, the newest first. */
	async listValidKeys(limit: number): Promise<{ id: string; hash: Uint8Array }[]> {
		return this.#database.query(
			'SELECT id, key_hash AS hash FROM stream_keys WHERE revoked_at IS NULL ORDER BY id DESC LIMIT $1',
			[limit],
		);
	}

	async #findOne(column: 'id' | 'name', value: string): Promise<Channel | undefined> {
		const [row] = await this.#database.query<ChannelRow>(
			`SELECT ${CHANNEL_COLUMNS} FROM channels WHERE ${column} = $1`,
			[value],
		);
		return row === undefined ? undefined : toChannel(row);
	}

	async #findKeyRow(hash: Uint8Array): Promise<StreamKeyRow | undefined> {
		return (await this.#database.query<StreamKeyRow>(`${STREAM_KEY_QUERY} WHERE key_hash = $1`, [hash]))[0];
	}

	#now(): Date {
		return new Date(this.#clock.nowMs());
	}
}

function toChannel(row: ChannelRow): Channel {
	return {
		id: row.id,
		name: row.name,
		title: row.title,
		category: row.category ?? undefined,
		graceWindowSeconds: row.grace_window_seconds ?? undefined,
		policy: { ...DEFAULT_CHANNEL_POLICY, ...row.policy },
		ownerId: row.owner_id ?? undefined,
		ownerName: row.owner_name ?? undefined,
		createdAt: row.created_at,
	};
}

function toStreamKeyRecord(row: StreamKeyRow): StreamKeyRecord {
	return {
		id: row.id,
		channelId: row.channel_id,
		name: row.name,
		prefix: row.key_prefix,
		createdAt: row.created_at,
		revokedAt: row.revoked_at ?? undefined,
		lastUsedAt: row.last_used_at ?? undefined,
		newNetworkAt: row.new_network_at ?? undefined,
	};
}
