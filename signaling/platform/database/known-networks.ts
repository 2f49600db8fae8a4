/**
 * The networks (address groups) from which accounts or stream keys were used lately: in memory, and in the database for
 * the next start.
 */
import { createHmac } from 'node:crypto';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { errorMessage } from '../../../core/errors/errors.ts';
import { addressKey } from '../../../core/limits/address-key.ts';
import { KnownGroups } from '../../../core/limits/known-groups.ts';
import type { Logger } from '../../../core/logger.ts';
import type { Queryable } from './database.ts';

/** A network is known for this long after it was last used. */
const MEMORY_MS = 30 * 24 * 3600 * 1000;
/** Some 4 MB. */
const MAX_REMEMBERED = 20_000;
/** Networks of one owner that the database keeps, the last used ones. People who stream on the move have many. */
const MAX_NETWORKS_PER_OWNER = 20;
/** A network that is used all the time is written this often. */
const WRITE_INTERVAL_MS = 3600 * 1000;

/** Whose networks they are, and where they are stored. */
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
	/** Keeps addresses from being guessed out of their hashes. */
	serverSecret: Uint8Array;
};

/** Holds no connections, so it need not be closed. */
export class KnownNetworks {
	readonly #dependencies: KnownNetworksDependencies;
	readonly #table: string;
	readonly #ownerColumn: string;
	readonly #ofOwners: KnownGroups;
	readonly #ofAnybody: KnownGroups;
	readonly #writtenLately: KnownGroups;

	constructor(kind: keyof typeof TABLES, dependencies: KnownNetworksDependencies) {
		this.#dependencies = dependencies;
		this.#table = TABLES[kind].table;
		this.#ownerColumn = TABLES[kind].owner;
		const { clock } = dependencies;
		this.#ofOwners = new KnownGroups(clock, { memoryMs: MEMORY_MS, maxGroups: MAX_REMEMBERED });
		this.#ofAnybody = new KnownGroups(clock, { memoryMs: MEMORY_MS, maxGroups: MAX_REMEMBERED });
		this.#writtenLately = new KnownGroups(clock, { memoryMs: WRITE_INTERVAL_MS, maxGroups: MAX_REMEMBERED });
	}

	/** Takes up what is stored. Without a database it begins with nothing. */
	async load(): Promise<void> {
		const { database, clock, logger } = this.#dependencies;
		try {
			const rows = await database.query<{ owner: string; network_hash: Uint8Array }>(
				`SELECT ${this.#ownerColumn} AS owner, network_hash FROM ${this.#table}
				WHERE last_used_at > $1 ORDER BY last_used_at DESC LIMIT ${MAX_REMEMBERED}`,
				[new Date(clock.nowMs() - MEMORY_MS)],
			);
			// The last used ones last, as if they had just come.
			for (const { owner, network_hash: hash } of rows.toReversed()) {
				this.#rememberHash(owner, Buffer.from(hash).toString('base64url'));
			}
		} catch (error) {
			logger.warn({ reason: errorMessage(error) }, 'the networks that are known could not be read');
		}
	}

	/** Whether this owner used the network of the address lately, as far as this server has heard. */
	has(owner: string, address: string): boolean {
		return this.#ofOwners.has(join(owner, this.#hash(address)));
	}

	/** Whether any owner used the network of the address lately, as far as this server has heard. */
	hasAny(address: string): boolean {
		return this.#ofAnybody.has(this.#hash(address));
	}

	/** As {@link has}, and asks the database for what other servers have heard. False while that is away. */
	async isKnown(owner: string, address: string): Promise<boolean> {
		if (this.has(owner, address)) {
			return true;
		}
		const hash = this.#hash(address);
		const { database, clock } = this.#dependencies;
		const rows = await database
			.query(
				`SELECT 1 AS one FROM ${this.#table} WHERE ${this.#ownerColumn} = $1 AND network_hash = $2 AND last_used_at > $3`,
				[owner, Buffer.from(hash, 'base64url'), new Date(clock.nowMs() - MEMORY_MS)],
			)
			.catch(() => []);
		if (rows.length > 0) {
			this.#rememberHash(owner, hash);
		}
		return rows.length > 0;
	}

	/**
	 * The owner has shown who they are from this address. Known at once; resolves when it is written down, or could not
	 * be.
	 */
	async remember(owner: string, address: string): Promise<void> {
		const hash = this.#hash(address);
		this.#rememberHash(owner, hash);
		const pair = join(owner, hash);
		if (!this.#writtenLately.has(pair)) {
			this.#writtenLately.remember(pair);
			await this.#write(owner, Buffer.from(hash, 'base64url')).catch((error: unknown) =>
				this.#dependencies.logger.debug({ reason: errorMessage(error) }, 'a known network could not be written'),
			);
		}
	}

	async #write(owner: string, hash: Uint8Array): Promise<void> {
		const { database, clock } = this.#dependencies;
		const [table, column] = [this.#table, this.#ownerColumn];
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
		const { serverSecret } = this.#dependencies;
		return createHmac('sha256', serverSecret)
			.update(`network ${addressKey(address)}`)
			.digest('base64url');
	}
}

function join(owner: string, hash: string): string {
	return `${owner} ${hash}`;
}
