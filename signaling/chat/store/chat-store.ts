/** What chat keeps in the database: settings, staff, restrictions, chat tokens. */
import { createHash } from 'node:crypto';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../../core/errors/errors.ts';
import { createId, createSecret, type ChannelId } from '../../../core/ids.ts';
import { MAX_LISTED_RESTRICTIONS } from '../../../core/protocol/chat-constants.ts';
import type { ChannelChatSettings } from '../../../core/protocol/api/chat-settings.ts';
import { parseChatSettings } from '../../channels/moderator-store.ts';
import type { Queryable } from '../../platform/database/database.ts';
import type { ChannelStaff } from './chat-author.ts';
import type { User } from '../../accounts/user.ts';

/** What a room needs to know about its channel. @internal for tests */
export type ChannelChat = { policy: ChannelChatSettings; staff: ChannelStaff };

/** Somebody may not write until a time; null: for good. */
export type Restriction = { subject: string; sinceMs: number; untilMs: number | null };

/** Somebody who may not write, as those who keep order see it. */
export type RestrictedAuthor = {
	/** Lower case, as the author was called then. */
	name: string;
	since: Date;
	/** Null: banned, for good. */
	until: Date | null;
	/** Who did it; null when that account is gone. */
	moderatorName: string | null;
};

/** A chat token as its owner sees it later: everything but the token. */
type ChatTokenRecord = { id: string; name: string; createdAt: Date };

/** Begins each chat token, so that a leaked one is recognised. */
export const CHAT_TOKEN_PREFIX = 'chat';
/** Restrictions that a room holds in memory, newest first; some 10 MB. */
const MAX_RESTRICTIONS = 50_000;
const MAX_TOKENS_PER_USER = 20;

/** What a room asks of it. */
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

	/** Settings and staff; undefined when there is no such channel. */
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

	/** For the command /slow; the other settings stay. */
	async setSlowMode(channelId: ChannelId, seconds: number): Promise<void> {
		await this.#deps.database.query('UPDATE channels SET chat = chat || $2::jsonb WHERE id = $1', [
			channelId,
			JSON.stringify({ slowModeSeconds: seconds }),
		]);
	}

	/** All that hold now, at most 50 000. */
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

	/** Whom they keep from writing now, newest first, at most {@link MAX_LISTED_RESTRICTIONS}. */
	async listRestricted(channelId: ChannelId): Promise<RestrictedAuthor[]> {
		const rows = await this.#deps.database.query<{
			author_name: string;
			since: Date;
			is_ban: boolean;
			expires_at: Date | null;
			moderator_name: string | null;
		}>(
			// An account has two marks, its own and that of its address.
			`SELECT author_name, max(chat_restrictions.created_at) AS since, bool_or(expires_at IS NULL) AS is_ban,
				max(expires_at) AS expires_at, max(users.name) AS moderator_name
			FROM chat_restrictions LEFT JOIN users ON users.id = moderator_id
			WHERE channel_id = $1 AND (expires_at IS NULL OR expires_at > $2)
			GROUP BY author_name ORDER BY since DESC, author_name LIMIT ${MAX_LISTED_RESTRICTIONS}`,
			[channelId, this.#now()],
		);
		return rows.map((row) => ({
			name: row.author_name,
			since: row.since,
			until: row.is_ban ? null : row.expires_at,
			moderatorName: row.moderator_name,
		}));
	}

	/**
	 * A new one takes the place of an old one of the same subject, but a timeout not that of a ban. What has run out
	 * meanwhile is swept.
	 */
	async restrict(
		channelId: ChannelId,
		target: {
			subjects: readonly string[];
			authorName: string;
			untilMs: number | null;
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

	/** Removes what was laid on that name; returns the subjects. */
	async release(channelId: ChannelId, authorName: string): Promise<string[]> {
		const rows = await this.#deps.database.query<{ subject: string }>(
			'DELETE FROM chat_restrictions WHERE channel_id = $1 AND author_name = $2 RETURNING subject',
			[channelId, authorName.toLowerCase()],
		);
		return rows.map((row) => row.subject);
	}

	/** An account by its name. */
	async findUser(name: string): Promise<User | undefined> {
		const [row] = await this.#deps.database.query<User>('SELECT id, name, role FROM users WHERE name = $1', [
			name.toLowerCase(),
		]);
		return row;
	}

	/** Makes a token and returns the only copy that there will ever be. Throws REQUEST_INVALID for the 21st. */
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
		const rows = await this.#deps.database.query<{ id: string; name: string; created_at: Date }>(
			'SELECT id, name, created_at FROM chat_tokens WHERE user_id = $1 ORDER BY id',
			[userId],
		);
		return rows.map((row) => ({ id: row.id, name: row.name, createdAt: row.created_at }));
	}

	/** False when the user has no such token. */
	async deleteToken(userId: string, tokenId: string): Promise<boolean> {
		const rows = await this.#deps.database.query(
			'DELETE FROM chat_tokens WHERE user_id = $1 AND id = $2 RETURNING id',
			[userId, tokenId],
		);
		return rows.length > 0;
	}

	/** Whose token it is. */
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

	/** Those of the tokens that are no more. */
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
