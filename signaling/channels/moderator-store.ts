/** The moderators and the settings of a channel's chat, in the database. */
import { Value } from 'typebox/value';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import type { ChannelId } from '../../core/ids.ts';
import { channelChatSettingsSchema, type ChannelChatSettings } from '../../core/protocol/api/chat-settings.ts';
import type { Queryable } from '../platform/database/database.ts';

/** More than any channel has. */
const MAX_MODERATORS = 200;

export const DEFAULT_CHAT_SETTINGS: ChannelChatSettings = {
	slowModeSeconds: 0,
	isAccountRequired: false,
	blockedWords: [],
};

/** Parses column `channels.chat`; absent or invalid settings become the defaults. */
export function parseChatSettings(stored: unknown): ChannelChatSettings {
	const settings = { ...DEFAULT_CHAT_SETTINGS, ...(stored as Partial<ChannelChatSettings> | null) };
	return Value.Check(channelChatSettingsSchema, settings) ? settings : DEFAULT_CHAT_SETTINGS;
}

/** Every method throws DATABASE_UNAVAILABLE when the database does not answer. */
export class ModeratorStore {
	readonly #deps: { database: Queryable; clock: Clock };

	constructor(deps: { database: Queryable; clock: Clock }) {
		this.#deps = deps;
	}

	async isModerator(channelId: ChannelId, userId: string): Promise<boolean> {
		const rows = await this.#deps.database.query(
			'SELECT user_id FROM channel_moderators WHERE channel_id = $1 AND user_id = $2',
			[channelId, userId],
		);
		return rows.length > 0;
	}

	/** Sorted by name. */
	async list(channelId: ChannelId): Promise<{ id: string; name: string }[]> {
		return this.#deps.database.query(
			`SELECT users.id, users.name FROM channel_moderators JOIN users ON users.id = channel_moderators.user_id
			WHERE channel_id = $1 ORDER BY users.name LIMIT ${MAX_MODERATORS}`,
			[channelId],
		);
	}

	/** Does nothing for a moderator. Throws LIMIT_REACHED. */
	async add(channelId: ChannelId, userId: string): Promise<void> {
		const rows = await this.#deps.database.query(
			`INSERT INTO channel_moderators (channel_id, user_id, created_at)
			SELECT $1::text, $2::text, $3::timestamptz
			WHERE (SELECT count(*) FROM channel_moderators WHERE channel_id = $1::text) < ${MAX_MODERATORS}
			ON CONFLICT (channel_id, user_id) DO NOTHING RETURNING user_id`,
			[channelId, userId, new Date(this.#deps.clock.nowMs())],
		);
		if (rows.length === 0 && !(await this.isModerator(channelId, userId))) {
			throw new SpillwayError('LIMIT_REACHED', [`a channel has at most ${MAX_MODERATORS} moderators`]);
		}
	}

	/** Does nothing for a user who is no moderator. */
	async remove(channelId: ChannelId, userId: string): Promise<void> {
		await this.#deps.database.query('DELETE FROM channel_moderators WHERE channel_id = $1 AND user_id = $2', [
			channelId,
			userId,
		]);
	}

	async readChatSettings(channelId: ChannelId): Promise<ChannelChatSettings> {
		const [row] = await this.#deps.database.query<{ chat: unknown }>('SELECT chat FROM channels WHERE id = $1', [
			channelId,
		]);
		return parseChatSettings(row?.chat);
	}

	/** Changes the given settings, in one statement, and returns all. */
	async changeChatSettings(channelId: ChannelId, change: Partial<ChannelChatSettings>): Promise<ChannelChatSettings> {
		const [row] = await this.#deps.database.query<{ chat: unknown }>(
			'UPDATE channels SET chat = chat || $2::jsonb WHERE id = $1 RETURNING chat',
			[channelId, JSON.stringify(change)],
		);
		return parseChatSettings(row?.chat);
	}
}
