/** The networks (address groups) that accounts or stream keys used lately, in memory and in the database. */
import { createHmac } from 'node:crypto';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { errorMessage } from '../../../core/errors/errors.ts';
import { addressKey } from '../../../core/limits/address-key.ts';
import { KnownGroups } from '../../../core/limits/known-groups.ts';
import type { Logger } from '../../../core/logger.ts';
import type { Queryable } from './database.ts';

/** A network is known for this long after its last use. */
const MEMORY_MS = 30 * 24 * 3600 * 1000;
/** Some 4 MB. */
const MAX_REMEMBERED = 20_000;
/** The last used networks of one owner that the database keeps. People who stream on the move have many. */
const MAX_NETWORKS_PER_OWNER = 20;
/** A network in constant use is written this often. */
const WRITE_INTERVAL_MS = 3600 * 1000;

const TABLES = {
	/** Owners are names of accounts. */
	account: { table: 'user_networks', owner: 'user_name' },
	/** Owners are ids of stream keys. */
	'stream-key': { table: 'stream_key_networks', owner: 'stream_key_id' },
} as const;

type KnownNetworksDependencies = {
	database: Queryable;
	clock: Clock;
	logger: Logger;
	/** Prevents guessing addresses from their hashes. */
	serverSecret: Uint8Array;
};

/** Holds no connections, so it need not be closed. */
export class KnownNetworks {
	readonly #deps: KnownNetworksDependencies;
	readonly #table: (typeof TABLES)[keyof typeof TABLES];
	readonly #ofOwners: KnownGroups;
	readonly #ofAnybody: KnownGroups;
	readonly #writtenLately: KnownGroups;

	constructor(deps: KnownNetworksDependencies, kind: keyof typeof TABLES) {
		const { clock } = deps;
		this.#deps = deps;
		this.#table = TABLES[kind];
		this.#ofOwners = new KnownGroups(clock, { memoryMs: MEMORY_MS, maxGroups: MAX_REMEMBERED });
		this.#ofAnybody = new KnownGroups(clock, { memoryMs: MEMORY_MS, maxGroups: MAX_REMEMBERED });
		this.#writtenLately = new KnownGroups(clock, { memoryMs: WRITE_INTERVAL_MS, maxGroups: MAX_REMEMBERED });
	}

	/** Reads the stored networks. Logs a warning and continues without them when the database is away. */
	async load(): Promise<void> {
		const { database, clock, logger } = this.#deps;
		const { table, owner: column } = this.#table;
		try {
			const rows = await database.query<{ owner: string; network_hash: Uint8Array }>(
				`SELECT ${column} AS owner, network_hash FROM ${table}
				WHERE last_used_at > $1 ORDER BY last_used_at DESC LIMIT ${MAX_REMEMBERED}`,
				[new Date(clock.nowMs() - MEMORY_MS)],
			);
			// The most recent last, because KnownGroups evicts the least recent entries.
			for (const { owner, network_hash: hash } of rows.toReversed()) {
				this.#rememberHash(owner, Buffer.from(hash).toString('base64url'));
			}
		} catch (error) {
			logger.warn({ reason: errorMessage(error) }, 'the known networks could not be read');
		}
	}

	/** Whether this owner used the network of the address lately, as far as this server knows. */
	has(owner: string, address: string): boolean {
		return this.#ofOwners.has(join(owner, this.#hash(address)));
	}

	/** Whether any owner used the network of the address lately, as far as this server knows. */
	hasAny(address: string): boolean {
		return this.#ofAnybody.has(this.#hash(address));
	}

	/** As {@link has}, but also queries the database for other servers. False while it is away. */
	async isKnown(owner: string, address: string): Promise<boolean> {
		if (this.has(owner, address)) {
			return true;
		}
		const hash = this.#hash(address);
		const { database, clock } = this.#deps;
		const { table, owner: column } = this.#table;
		const rows = await database
			.query(`SELECT 1 AS one FROM ${table} WHERE ${column} = $1 AND network_hash = $2 AND last_used_at > $3`, [
				owner,
				Buffer.from(hash, 'base64url'),
				new Date(clock.nowMs() - MEMORY_MS),
			])
			.catch(() => []);
		if (rows.length > 0) {
			this.#rememberHash(owner, hash);
		}
		return rows.length > 0;
	}

	/** Records that the owner authenticated from this address. Known at once; resolves after the attempt to store it. */
	async remember(owner: string, address: string): Promise<void> {
		const hash = this.#hash(address);
		this.#rememberHash(owner, hash);
		const pair = join(owner, hash);
		if (!this.#writtenLately.has(pair)) {
			this.#writtenLately.remember(pair);
			await this.#write(owner, Buffer.from(hash, 'base64url')).catch((error: unknown) =>
				this.#deps.logger.debug({ reason: errorMessage(error) }, 'a known network could not be written'),
			);
		}
	}

	async #write(owner: string, hash: Uint8Array): Promise<void> {
		const { database, clock } = this.#deps;
		const { table, owner: column } = this.#table;
		await database.query(
			`INSERT INTO ${table} (${column}, network_hash, first_used_at, last_used_at) VALUES ($1, $2, $3, $3)
			ON CONFLICT (${column}, network_hash) DO UPDATE SET last_used_at = $3`,
			[owner, hash, new Date(clock.nowMs())],
		);
		await database.query(
			`DELETE FROM ${table} WHERE ${column} = $1 AND network_hash IN (
				SELECT network_hash FROM ${table} WHERE ${column} = $1
				ORDER BY last_used_at DESC, network_hash OFFSET ${MAX_NETWORKS_PER_OWNER}
			)`,
			[owner],
		);
	}

	#rememberHash(owner: string, hash: string): void {
		this.#ofOwners.remember(join(owner, hash));
		this.#ofAnybody.remember(hash);
	}

	#hash(address: string): string {
		const { serverSecret } = this.#deps;
		return createHmac('sha256', serverSecret)
			.update(`network ${addressKey(address)}`)
			.digest('base64url');
	}
}

function join(owner: string, hash: string): string {
	return `${owner} ${hash}`;
}
