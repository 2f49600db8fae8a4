/** Accounts in the database. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import { createId } from '../../core/ids.ts';
import { isUniqueViolation, type Queryable } from '../platform/database/database.ts';
import type { UserRole } from '../../core/protocol/api/account.ts';
import type { User } from './user.ts';

/** An account with its password hash: never send it to a client. */
export type UserRecord = Omit<User, 'sessionId'> & { passwordHash: string };
const USER_COLUMNS = 'id, name, role, password_hash AS "passwordHash"';

/** Reads and writes accounts. Every method throws DATABASE_UNAVAILABLE when the database does not answer. */
export class UserStore {
	readonly #deps: { database: Queryable; clock: Clock };

	constructor(deps: { database: Queryable; clock: Clock }) {
		this.#deps = deps;
	}

	/** `name`: normalised by parseUserName(). */
	async findByName(name: string): Promise<UserRecord | undefined> {
		return this.#findOne('name', name);
	}

	async findById(id: string): Promise<UserRecord | undefined> {
		return this.#findOne('id', id);
	}

	/** True when an account or a channel has the name, so that no user can pose as the owner of another's channel. */
	async isNameTaken(name: string): Promise<boolean> {
		const rows = await this.#deps.database.query(
			'SELECT id FROM users WHERE name = $1 UNION ALL SELECT id FROM channels WHERE name = $1',
			[name],
		);
		return rows.length > 0;
	}

	/** Throws NAME_TAKEN. `name`: normalised by parseNewUserName(). */
	async create(name: string, passwordHash: string): Promise<UserRecord> {
		const nowMs = this.#deps.clock.nowMs();
		try {
			const [user] = await this.#deps.database.query<UserRecord>(
				`INSERT INTO users (id, name, password_hash, role, created_at)
				SELECT $1::text, $2::text, $3::text, 'viewer', $4::timestamptz
				WHERE NOT EXISTS (SELECT id FROM channels WHERE name = $2::text)
				RETURNING ${USER_COLUMNS}`,
				[createId(nowMs), name, passwordHash, new Date(nowMs)],
			);
			if (user !== undefined) {
				return user;
			}
		} catch (error) {
			if (!isUniqueViolation(error, 'users_name_key')) {
				throw error;
			}
		}
		throw new SpillwayError('NAME_TAKEN', [name]);
	}

	/** Replaces the hash unless it has changed since it was read: a concurrent log-in does the same work. */
	async replacePasswordHash(id: string, previousHash: string, nextHash: string): Promise<void> {
		await this.#deps.database.query('UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2', [
			id,
			previousHash,
			nextHash,
		]);
	}

	/** Makes a viewer a streamer; other roles stay. Returns the new role. */
	async becomeStreamer(id: string): Promise<UserRole | undefined> {
		const [row] = await this.#deps.database.query<{ role: UserRole }>(
			"UPDATE users SET role = CASE role WHEN 'viewer' THEN 'streamer' ELSE role END WHERE id = $1 RETURNING role",
			[id],
		);
		return row?.role;
	}

	/** For the operator and for tests: the API has no route for it. */
	async setRole(id: string, role: UserRole): Promise<void> {
		await this.#deps.database.query('UPDATE users SET role = $2 WHERE id = $1', [id, role]);
	}

	/** Approves an account for publishing, or withdraws the approval. False for an unknown account. */
	async setPublishingApproved(name: string, isApproved: boolean): Promise<boolean> {
		const rows = await this.#deps.database.query(
			'UPDATE users SET is_publishing_approved = $2 WHERE name = $1 RETURNING id',
			[name, isApproved],
		);
		return rows.length > 0;
	}

	/** The channels of an account, oldest first. */
	async listChannels(userId: string): Promise<{ id: string; name: string }[]> {
		return this.#deps.database.query('SELECT id, name FROM channels WHERE owner_id = $1 ORDER BY id LIMIT 100', [
			userId,
		]);
	}

	async #findOne(column: 'id' | 'name', value: string): Promise<UserRecord | undefined> {
		const [user] = await this.#deps.database.query<UserRecord>(
			`SELECT ${USER_COLUMNS} FROM users WHERE ${column} = $1`,
			[value],
		);
		return user;
	}
}
