/** Channels in the database. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import { createId, explainChannelName, parseChannelName, type ChannelId, type ChannelName } from '../../core/ids.ts';
import { DEFAULT_CHANNEL_POLICY, type ChannelPolicy } from '../../core/protocol/api/channel-description.ts';
import { formatLadderChoice, parseLadderChoice, type LadderChoice } from '../../core/protocol/ladder-choice.ts';
import { isUniqueViolation, type Queryable } from '../platform/database/database.ts';

/** A lasting place with a name; its broadcasts come and go. */
export type Channel = {
	id: ChannelId;
	name: ChannelName;
	title: string;
	category: string | undefined;
	/** How long a broadcast waits for its lost publisher; undefined: the server's default. */
	graceWindowSeconds: number | undefined;
	/** Which rungs its broadcasts have; undefined: the server's setting. */
	ladderChoice: LadderChoice | undefined;
	policy: ChannelPolicy;
	/** Undefined: the channel has no owner. */
	ownerId: string | undefined;
	ownerName: string | undefined;
	createdAt: Date;
};

/** Absent fields stay. */
export type ChannelChange = {
	title?: string;
	category?: string | undefined;
	graceWindowSeconds?: number | undefined;
	ladderChoice?: LadderChoice | undefined;
	policy?: ChannelPolicy;
};

/** Texts are compared without regard to case. */
type ChannelSearch = {
	/** Part of the name or the title. */
	query?: string | undefined;
	/** The whole category. */
	category?: string | undefined;
	/** Only these. */
	names?: readonly ChannelName[] | undefined;
	limit: number;
};

/** A row of {@link CHANNEL_COLUMNS}. */
export type ChannelRow = {
	id: ChannelId;
	name: ChannelName;
	title: string;
	category: string | null;
	grace_window_seconds: number | null;
	ladder: string | null;
	policy: Partial<ChannelPolicy>;
	owner_id: string | null;
	owner_name: string | null;
	created_at: Date;
};

/** The columns for {@link toChannel}, in queries that use the table name `channels`. */
export const CHANNEL_COLUMNS = `channels.id, channels.name, title, category, grace_window_seconds, ladder, policy, owner_id,
	channels.created_at,
	(SELECT users.name FROM users WHERE users.id = channels.owner_id) AS owner_name`;
const MAX_LISTED = 1000;

/** Every method throws DATABASE_UNAVAILABLE when the database does not answer. */
export class ChannelStore {
	readonly #deps: { database: Queryable; clock: Clock };

	/** `database` may be the handle of a transaction. */
	constructor(deps: { database: Queryable; clock: Clock }) {
		this.#deps = deps;
	}

	/**
	 * Throws REQUEST_INVALID for a malformed or reserved name, NAME_TAKEN for the name of another channel or another
	 * user, LIMIT_REACHED when the owner has `maxChannels`.
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
			const [row] = await this.#deps.database.query<ChannelRow>(
				`INSERT INTO channels (id, name, title, category, grace_window_seconds, owner_id, created_at)
				SELECT $1::text, $2::text, $3::text, $4::text, $5::integer, $6::text, $7::timestamptz
				WHERE NOT EXISTS (SELECT id FROM users WHERE users.name = $2::text AND users.id IS DISTINCT FROM $6::text)
				AND ($6::text IS NULL OR (SELECT count(*) FROM channels WHERE owner_id = $6::text) < $8::integer)
				RETURNING ${CHANNEL_COLUMNS}`,
				[
					createId(this.#deps.clock.nowMs()),
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
		const [other] = await this.#deps.database.query<{ id: string }>('SELECT id FROM users WHERE name = $1', [name]);
		if (other !== undefined && other.id !== ownerId) {
			throw new SpillwayError('NAME_TAKEN', [name]);
		}
		throw new SpillwayError('LIMIT_REACHED', [`an account has at most ${details.owner?.maxChannels} channels here`]);
	}

	/** Returns the changed channel; undefined for an unknown id. */
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
		if ('ladderChoice' in change) {
			set('ladder', change.ladderChoice === undefined ? null : formatLadderChoice(change.ladderChoice));
		}
		if (change.policy !== undefined) {
			set('policy', JSON.stringify(change.policy));
		}
		if (sets.length === 0) {
			return this.findById(id);
		}
		const [row] = await this.#deps.database.query<ChannelRow>(
			`UPDATE channels SET ${sets.join(', ')} WHERE id = $1 RETURNING ${CHANNEL_COLUMNS}`,
			params,
		);
		return row === undefined ? undefined : toChannel(row);
	}

	/** Sorted by name. */
	async search({ query, category, names, limit }: ChannelSearch): Promise<Channel[]> {
		const params: (string | number | readonly string[])[] = [Math.min(limit, MAX_LISTED)];
		const conditions: string[] = [];
		if (query !== undefined) {
			// Users search for text, not for a pattern.
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
		const rows = await this.#deps.database.query<ChannelRow>(
			`SELECT ${CHANNEL_COLUMNS} FROM channels ${where} ORDER BY channels.name LIMIT $1`,
			params,
		);
		return rows.map(toChannel);
	}

	/** The categories in use, sorted, at most 1000; each in one of its spellings. */
	async listCategories(): Promise<string[]> {
		const rows = await this.#deps.database.query<{ category: string }>(
			`SELECT min(category) AS category FROM channels WHERE category IS NOT NULL
			GROUP BY lower(category) ORDER BY lower(category) LIMIT ${MAX_LISTED}`,
		);
		return rows.map(({ category }) => category);
	}

	/** Accepts any text; undefined for an impossible name. */
	async findByName(text: string): Promise<Channel | undefined> {
		const name = parseChannelName(text);
		return name === undefined ? undefined : this.#findOne('name', name);
	}

	async findById(id: string): Promise<Channel | undefined> {
		return this.#findOne('id', id);
	}

	async #findOne(column: 'id' | 'name', value: string): Promise<Channel | undefined> {
		const [row] = await this.#deps.database.query<ChannelRow>(
			`SELECT ${CHANNEL_COLUMNS} FROM channels WHERE ${column} = $1`,
			[value],
		);
		return row === undefined ? undefined : toChannel(row);
	}

	#now(): Date {
		return new Date(this.#deps.clock.nowMs());
	}
}

export function toChannel(row: ChannelRow): Channel {
	return {
		id: row.id,
		name: row.name,
		title: row.title,
		category: row.category ?? undefined,
		graceWindowSeconds: row.grace_window_seconds ?? undefined,
		ladderChoice: row.ladder === null ? undefined : parseLadderChoice(row.ladder),
		policy: { ...DEFAULT_CHANNEL_POLICY, ...row.policy },
		ownerId: row.owner_id ?? undefined,
		ownerName: row.owner_name ?? undefined,
		createdAt: row.created_at,
	};
}
