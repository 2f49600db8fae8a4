/** Path secrets: 128 random bits in the addresses of media. Makes and retires them, and finds what is behind one. */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError, type ErrorCode } from '../../core/errors/errors.ts';
import { createLruCache } from '../../core/limits/lru-cache.ts';
import type { Queryable } from '../platform/database/database.ts';

const SECRET = /^[A-Za-z0-9_-]{22}$/;
/** What an address leads to is asked of the database again after so long, because another node may have changed it. */
const REMEMBERED_MS = 2000;
const MAX_REMEMBERED = 10_000;

/** Safe in an address. */
export function createPathSecret(): string {
	return randomBytes(16).toString('base64url');
}

/** From now on their addresses answer 410. In the transaction that replaces them. */
export async function retirePathSecrets(handle: Queryable, secrets: readonly string[], at: Date): Promise<void> {
	await handle.query(
		'INSERT INTO retired_path_secrets (path_secret, retired_at) SELECT unnest($1::text[]), $2::timestamptz',
		[secrets, at],
	);
}

/** The address was valid once. */
export async function isPathSecretRetired(database: Queryable, secret: string): Promise<boolean> {
	const rows = await database.query('SELECT path_secret FROM retired_path_secrets WHERE path_secret = $1', [secret]);
	return rows.length > 0;
}

type SecretDirectoryDependencies<Record> = {
	/** `gone`: it was valid once. */
	find: (secret: string) => Promise<Record | 'gone' | undefined>;
	clock: Clock;
	/** What is thrown for those. */
	errors: { missing: ErrorCode; gone: ErrorCode };
};

/** Finds what is behind an address, for players that ask often. */
export class SecretDirectory<Record extends object> {
	readonly #deps: SecretDirectoryDependencies<Record>;
	readonly #remembered = createLruCache<string, { atMs: number; found: Promise<Record | 'gone' | undefined> }>(
		MAX_REMEMBERED,
	);

	constructor(deps: SecretDirectoryDependencies<Record>) {
		this.#deps = deps;
	}

	/** Throws the error of a missing one, or of one that is gone. */
	async find(secret: string): Promise<Record> {
		const { errors } = this.#deps;
		const found = SECRET.test(secret) ? await this.#look(secret) : undefined;
		if (found === undefined) {
			throw new SpillwayError(errors.missing);
		}
		if (found === 'gone') {
			throw new SpillwayError(errors.gone);
		}
		return found;
	}

	/** What is behind it has changed on this node; undefined: what is behind several. */
	forget(secret?: string): void {
		if (secret === undefined) {
			this.#remembered.clear();
		} else {
			this.#remembered.delete(secret);
		}
	}

	#look(secret: string): Promise<Record | 'gone' | undefined> {
		const { find, clock } = this.#deps;
		const nowMs = clock.monotonicMs();
		const known = this.#remembered.get(secret);
		if (known !== undefined && nowMs - known.atMs < REMEMBERED_MS) {
			return known.found;
		}
		const found = find(secret);
		this.#remembered.set(secret, { atMs: nowMs, found });
		found.catch(() => this.forget(secret));
		return found;
	}
}
