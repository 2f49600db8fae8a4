/** Log-ins in the database: one row each, with the hash of the valid refresh token. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { createId } from '../../core/ids.ts';
import type { Queryable } from '../platform/database/database.ts';
import { ACCESS_TOKEN_LIFE_SECONDS } from './access-token.ts';
import type { RefreshTokens } from './refresh-token.ts';

/** A session that is not refreshed for this long ends. */
export const REFRESH_TOKEN_LIFE_SECONDS = 30 * 24 * 3600;
/** Refreshes do not extend a log-in beyond this. */
const MAX_SESSION_LIFE_MS = 180 * 24 * 3600 * 1000;
/**
 * A replaced token is accepted again for this long, because an answer can be lost or two tabs can refresh at once
 * (RFC 9700 §4.14.2). It gets the same successor, so that a thief gains nothing.
 */
const REPEAT_WINDOW_MS = 10_000;
/** Log-ins of one account at a time; a new one ends the oldest. More than one person's devices. */
const MAX_SESSIONS_PER_USER = 20;

/** A starting server loads the sessions that ended within this time: their access tokens may not have expired. */
const REMEMBER_ENDED_MS = (ACCESS_TOKEN_LIFE_SECONDS + 60) * 1000;

type SessionEndReason = 'logged-out' | 'token-reused' | 'too-many-sessions' | 'password-changed';

type RefreshOutcome =
	| { outcome: 'refreshed'; sessionId: string; userId: string; token: string }
	/** The token is forged, or its session has ended. */
	| { outcome: 'refused' }
	/** The token was used before, so a copy of it exists. Its session has been ended. */
	| { outcome: 'reused'; sessionId: string };

type SessionRow = {
	user_id: string;
	token_hash: Uint8Array;
	previous_token_hash: Uint8Array | null;
	rotated_at: Date;
	expires_at: Date;
	ended_at: Date | null;
};

/** Begins, refreshes and ends sessions. Every method throws DATABASE_UNAVAILABLE when the database does not answer. */
export class SessionStore {
	readonly #deps: { database: Queryable; clock: Clock; tokens: RefreshTokens };

	constructor(deps: { database: Queryable; clock: Clock; tokens: RefreshTokens }) {
		this.#deps = deps;
	}

	/** `endedSessionIds`: older sessions of the account that were ended for the new one. */
	async begin(userId: string): Promise<{ sessionId: string; token: string; endedSessionIds: string[] }> {
		const nowMs = this.#deps.clock.nowMs();
		const sessionId = createId<string>(nowMs);
		const token = this.#deps.tokens.createFirst(sessionId);
		await this.#deps.database.query(
			`INSERT INTO sessions (id, user_id, token_hash, rotated_at, created_at, expires_at) VALUES ($1, $2, $3, $4, $4, $5)`,
			[sessionId, userId, this.#deps.tokens.hash(token), new Date(nowMs), this.#expiry(nowMs)],
		);
		// Ended rows are kept only for the access tokens: a refresh token is refused without its row.
		await this.#deps.database.query(
			'DELETE FROM sessions WHERE user_id = $1 AND (ended_at <= $2 OR expires_at <= $2)',
			[userId, new Date(nowMs - REMEMBER_ENDED_MS)],
		);
		const ended = await this.#deps.database.query<{ id: string }>(
			`UPDATE sessions SET ended_at = $2, end_reason = 'too-many-sessions'
			WHERE user_id = $1 AND id IN (
				SELECT id FROM sessions WHERE user_id = $1 AND ended_at IS NULL ORDER BY id DESC OFFSET ${MAX_SESSIONS_PER_USER}
			) RETURNING id`,
			[userId, new Date(nowMs)],
		);
		return { sessionId, token, endedSessionIds: ended.map(({ id }) => id) };
	}

	/** Replaces the token by its successor, in one statement, so that only one of two concurrent calls wins. */
	async refresh(token: string): Promise<RefreshOutcome> {
		const sessionId = this.#deps.tokens.readSessionId(token);
		if (sessionId === undefined) {
			return { outcome: 'refused' };
		}
		const nowMs = this.#deps.clock.nowMs();
		const [hash, successor] = [this.#deps.tokens.hash(token), this.#deps.tokens.successor(token)];
		const [rotated] = await this.#deps.database.query<{ user_id: string }>(
			`UPDATE sessions SET token_hash = $3, previous_token_hash = $2, rotated_at = $4, expires_at = LEAST($5, created_at + $6 * interval '1 millisecond')
			WHERE id = $1 AND token_hash = $2 AND ended_at IS NULL AND expires_at > $4 RETURNING user_id`,
			[sessionId, hash, this.#deps.tokens.hash(successor), new Date(nowMs), this.#expiry(nowMs), MAX_SESSION_LIFE_MS],
		);
		if (rotated !== undefined) {
			return { outcome: 'refreshed', sessionId, userId: rotated.user_id, token: successor };
		}
		const [row] = await this.#deps.database.query<SessionRow>(
			`SELECT user_id, token_hash, previous_token_hash, rotated_at, expires_at, ended_at FROM sessions WHERE id = $1`,
			[sessionId],
		);
		if (row === undefined || row.ended_at !== null || row.expires_at.getTime() <= nowMs) {
			return { outcome: 'refused' };
		}
		const isRepeat =
			isEqual(row.previous_token_hash, hash) &&
			isEqual(row.token_hash, this.#deps.tokens.hash(successor)) &&
			nowMs - row.rotated_at.getTime() < REPEAT_WINDOW_MS;
		if (isRepeat) {
			return { outcome: 'refreshed', sessionId, userId: row.user_id, token: successor };
		}
		await this.end(sessionId, 'token-reused');
		return { outcome: 'reused', sessionId };
	}

	/** The session of a genuine refresh token; it may have ended. */
	readSessionId(token: string): string | undefined {
		return this.#deps.tokens.readSessionId(token);
	}

	/** Ends a session and makes its tokens invalid. */
	async end(sessionId: string, reason: SessionEndReason): Promise<void> {
		await this.#deps.database.query(
			'UPDATE sessions SET ended_at = $2, end_reason = $3 WHERE id = $1 AND ended_at IS NULL',
			[sessionId, new Date(this.#deps.clock.nowMs()), reason],
		);
	}

	/** Ends the account's other sessions; returns their ids. */
	async endOthers(userId: string, keptSessionId: string | undefined, reason: SessionEndReason): Promise<string[]> {
		const ended = await this.#deps.database.query<{ id: string }>(
			`UPDATE sessions SET ended_at = $3, end_reason = $4
			WHERE user_id = $1 AND id IS DISTINCT FROM $2 AND ended_at IS NULL RETURNING id`,
			[userId, keptSessionId ?? null, new Date(this.#deps.clock.nowMs()), reason],
		);
		return ended.map(({ id }) => id);
	}

	/** Returns the sessions that have ended, have expired, or never existed. */
	async findEnded(sessionIds: readonly string[]): Promise<string[]> {
		const rows = await this.#deps.database.query<{ id: string }>(
			`SELECT asked.id FROM unnest($1::text[]) AS asked (id) WHERE NOT EXISTS (
				SELECT 1 FROM sessions WHERE sessions.id = asked.id AND ended_at IS NULL AND expires_at > $2
			)`,
			[sessionIds, new Date(this.#deps.clock.nowMs())],
		);
		return rows.map(({ id }) => id);
	}

	/** Ended sessions whose access tokens may not have expired. */
	async listRecentlyEnded(): Promise<string[]> {
		const rows = await this.#deps.database.query<{ id: string }>('SELECT id FROM sessions WHERE ended_at > $1', [
			new Date(this.#deps.clock.nowMs() - REMEMBER_ENDED_MS),
		]);
		return rows.map(({ id }) => id);
	}

	#expiry(nowMs: number): Date {
		return new Date(nowMs + REFRESH_TOKEN_LIFE_SECONDS * 1000);
	}
}

function isEqual(one: Uint8Array | null, other: Uint8Array): boolean {
	return one !== null && Buffer.compare(one, other) === 0;
}
