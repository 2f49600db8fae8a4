/** The chat's data in the database: settings, staff, restrictions, chat tokens. */
import { createHash } from 'node:crypto';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../../core/errors/errors.ts';
import { createId, createSecret, type ChannelId } from '../../../core/ids.ts';
import { MAX_LISTED_RESTRICTIONS } from '../../../core/protocol/chat-limits.ts';
import type { ChannelChatSettings } from '../../../core/protocol/api/chat-settings.ts';
import { parseChatSettings } from '../../channels/moderator-store.ts';
import type { Queryable } from '../../platform/database/database.ts';
import type { ChannelStaff } from './chat-author.ts';
import type { User } from '../../accounts/user.ts';

export type ChannelChat = { policy: ChannelChatSettings; staff: ChannelStaff };

/** The subject may not write until a time; null: banned. */
export type Restriction = { subject: string; sinceMs: number; untilMs: number | null };

/** An author who may not write, as moderators see it. */
type RestrictedAuthor = {
	/** The author's name at the time, in lower case. */
	name: string;
	since: Date;
	/** Null: banned. */
	until: Date | null;
	/** Null when the moderator's account was deleted. */
	moderatorName: string | null;
};

/** A chat token as its owner sees it: everything but the secret. */
type ChatTokenRecord = { id: string; name: string; createdAt: Date };

/** Begins each chat token, so that people and secret scanners recognise a leaked one. */
export const CHAT_TOKEN_PREFIX = 'chat';
/** Restrictions that a room holds in memory, newest first; about 10 MB. */
const MAX_RESTRICTIONS = 50_000;
const MAX_TOKENS_PER_USER = 20;

export type RoomStore = Pick<
	ChatStore,
	'readChannel' | 'setSlowMode' | 'listRestrictions' | 'restrict' | 'release' | 'findUser'
>;

/** Every method throws DATABASE_UNAVAILABLE when the database does not answer. */
export class ChatStore {
	readonly #deps: { database: Queryable; clock: Clock };

	constructor(deps: { database: Queryable; clock: Clock }) {
		this.#deps = deps;
	}

	/** Undefined for an unknown channel. */
	async readChannel(channelId: ChannelId): Promise<ChannelChat | undefined> {
		const [row] = await this.#deps.database.query<{ owner_id: string | null; chat: unknown }>(
			'SELECT owner_id, chat FROM channels WHERE id = $1',
			[channelId],
		);
		if (row === undefined) {
			return undefined;
		}
		const moderators = await this.#deps.database.query<{ user_id: string }>(
			'SELECT user_id FROM channel_moderators WHERE channel_id = $1 ORDER BY created_at LIMIT 1000',
			[channelId],
		);
		return {
			policy: parseChatSettings(row.chat),
			staff: { ownerId: row.owner_id, moderatorIds: new Set(moderators.map(({ user_id }) => user_id)) },
		};
	}

	/** The other settings stay. */
	async setSlowMode(channelId: ChannelId, seconds: number): Promise<void> {
		await this.#deps.database.query('UPDATE channels SET chat = chat || $2::jsonb WHERE id = $1', [
			channelId,
			JSON.stringify({ slowModeSeconds: seconds }),
		]);
	}

	/** The restrictions in force, newest first, at most 50 000. */
	async listRestrictions(channelId: ChannelId): Promise<Restriction[]> {
		const rows = await this.#deps.database.query<{ subject: string; created_at: Date; expires_at: Date | null }>(
			`SELECT subject, created_at, expires_at FROM chat_restrictions WHERE channel_id = $1 AND (expires_at IS NULL OR expires_at > $2)
			ORDER BY created_at DESC LIMIT ${MAX_RESTRICTIONS}`,
			[channelId, this.#now()],
		);
		return rows.map((row) => ({
			subject: row.subject,
			sinceMs: row.created_at.getTime(),
			untilMs: row.expires_at?.getTime() ?? null,
		}));
	}

	/** The restricted authors, newest first, at most {@link MAX_LISTED_RESTRICTIONS}. */
	async listRestricted(channelId: ChannelId): Promise<RestrictedAuthor[]> {
		return this.#deps.database.query(
			// An account has two marks, its own and that of its address.
			`SELECT author_name AS name, max(chat_restrictions.created_at) AS since,
				CASE WHEN bool_and(expires_at IS NOT NULL) THEN max(expires_at) END AS until, max(users.name) AS "moderatorName"
			FROM chat_restrictions LEFT JOIN users ON users.id = moderator_id
			WHERE channel_id = $1 AND (expires_at IS NULL OR expires_at > $2)
			GROUP BY author_name ORDER BY since DESC, author_name LIMIT ${MAX_LISTED_RESTRICTIONS}`,
			[channelId, this.#now()],
		);
	}

	/** Replaces earlier restrictions of the subjects, except a ban by a timeout. Deletes expired restrictions. */
	async restrict(
		channelId: ChannelId,
		target: Pick<Restriction, 'untilMs'> & {
			subjects: readonly string[];
			authorName: string;
			moderatorId: string | undefined;
		},
	): Promise<void> {
		const expiresAt = target.untilMs === null ? null : new Date(target.untilMs);
		await this.#deps.database.query('DELETE FROM chat_restrictions WHERE channel_id = $1 AND expires_at < $2', [
			channelId,
			this.#now(),
		]);
		for (const subject of target.subjects) {
			await this.#deps.database.query(
				`INSERT INTO chat_restrictions (id, channel_id, subject, author_name, moderator_id, created_at, expires_at)
				VALUES ($1, $2, $3, $4, $5, $6, $7)
				ON CONFLICT ON CONSTRAINT chat_restrictions_subject_key DO UPDATE SET author_name = excluded.author_name,
					moderator_id = excluded.moderator_id, created_at = excluded.created_at, expires_at = excluded.expires_at
				WHERE chat_restrictions.expires_at IS NOT NULL OR excluded.expires_at IS NULL`,
				[
					createId(this.#deps.clock.nowMs()),
					channelId,
					subject,
					target.authorName.toLowerCase(),
					target.moderatorId ?? null,
					this.#now(),
					expiresAt,
				],
			);
		}
	}

	/** Deletes the restrictions of that name; returns the subjects. */
	async release(channelId: ChannelId, authorName: string): Promise<string[]> {
		const rows = await this.#deps.database.query<{ subject: string }>(
			'DELETE FROM chat_restrictions WHERE channel_id = $1 AND author_name = $2 RETURNING subject',
			[channelId, authorName.toLowerCase()],
		);
		return rows.map((row) => row.subject);
	}

	/** Ignores case. */
	async findUser(name: string): Promise<User | undefined> {
		const [row] = await this.#deps.database.query<User>('SELECT id, name, role FROM users WHERE name = $1', [
			name.toLowerCase(),
		]);
		return row;
	}

	/** Makes a token and returns its only copy. Throws REQUEST_INVALID for the 21st. */
	async createToken(userId: string, name: string): Promise<{ id: string; token: string }> {
		const token = createSecret(CHAT_TOKEN_PREFIX);
		const id = createId<string>(this.#deps.clock.nowMs());
		const rows = await this.#deps.database.query(
			`INSERT INTO chat_tokens (id, user_id, name, token_hash, created_at)
			SELECT $1::text, $2::text, $3::text, $4::bytea, $5::timestamptz
			WHERE (SELECT count(*) FROM chat_tokens WHERE user_id = $2::text) < ${MAX_TOKENS_PER_USER} RETURNING id`,
			[id, userId, name, hashToken(token), this.#now()],
		);
		if (rows.length === 0) {
			throw new SpillwayError('REQUEST_INVALID', [`you have ${MAX_TOKENS_PER_USER} chat tokens; delete one first`]);
		}
		return { id, token };
	}

	/** Oldest first. */
	async listTokens(userId: string): Promise<ChatTokenRecord[]> {
		return this.#deps.database.query(
			'SELECT id, name, created_at AS "createdAt" FROM chat_tokens WHERE user_id = $1 ORDER BY id',
			[userId],
		);
	}

	/** False when the user has no such token. */
	async deleteToken(userId: string, tokenId: string): Promise<boolean> {
		const rows = await this.#deps.database.query(
			'DELETE FROM chat_tokens WHERE user_id = $1 AND id = $2 RETURNING id',
			[userId, tokenId],
		);
		return rows.length > 0;
	}

	/** Undefined for an unknown token. */
	async findByToken(token: string): Promise<{ user: User; tokenId: string } | undefined> {
		const [row] = await this.#deps.database.query<User & { token_id: string }>(
			`SELECT users.id, users.name, users.role, chat_tokens.id AS token_id
			FROM chat_tokens JOIN users ON users.id = chat_tokens.user_id WHERE token_hash = $1`,
			[hashToken(token)],
		);
		return row === undefined
			? undefined
			: { user: { id: row.id, name: row.name, role: row.role }, tokenId: row.token_id };
	}

	/** Returns the ids that do not exist. */
	async findDeletedTokens(tokenIds: readonly string[]): Promise<string[]> {
		const rows = await this.#deps.database.query<{ id: string }>(
			`SELECT asked.id FROM unnest($1::text[]) AS asked (id)
			WHERE NOT EXISTS (SELECT 1 FROM chat_tokens WHERE chat_tokens.id = asked.id)`,
			[tokenIds],
		);
		return rows.map(({ id }) => id);
	}

	#now(): Date {
		return new Date(this.#deps.clock.nowMs());
	}
}

function hashToken(token: string): Uint8Array {
	return createHash('sha256').update(token).digest();
}
