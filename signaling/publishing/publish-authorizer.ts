/** Decides who may publish: finds the channel of a stream key, or the reason to refuse. Serves both WHIP and RTMP. */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { errorMessage, SpillwayError } from '../../core/errors/errors.ts';
import type { ChannelId } from '../../core/ids.ts';
import { addressKey } from '../../core/limits/address-key.ts';
import { AttemptLimiter } from '../../core/limits/attempt-limiter.ts';
import type { Logger } from '../../core/logger.ts';
import type { PublishPermission } from '../../ingest/broadcast/broadcast-registry.ts';
import type { KnownNetworks } from '../platform/database/known-networks.ts';
import { assertMayPublish, type WhoMayPublish } from './publish-policy.ts';
import { MAX_STREAM_KEY_LENGTH } from '../../core/protocol/api/stream-key.ts';
import type { StreamKeyOwner, StreamKeyStore } from './stream-key-store.ts';
import { hashStreamKey } from './stream-key.ts';

/** Younger answers are reused, so that a reconnecting encoder costs no query. A revoked key can stay valid as long. */
const FRESH_MS = 5000;
/** While the database is unavailable, older answers are reused up to this age, so that live publishers can return. */
const OUTAGE_GRACE_MS = 600_000;
/** Cached keys; beyond them the least recently used one is evicted. About 5 MB. */
const MAX_CACHED_KEYS = 10_000;
/** Keys per attempt. */
const MAX_CANDIDATE_COUNT = 3;
/**
 * A key of this length cannot be guessed, so it is looked up despite wrong ones from the same address. Generated keys
 * have 37 characters; a key chosen by hand can be shorter.
 */
const MIN_UNGUESSABLE_LENGTH = 20;

export type PublishAuthorizerOptions = {
	/** For channels without a setting. */
	defaultGraceWindowSeconds: number;
	/** Default: everybody. */
	whoMayPublish?: WhoMayPublish;
};

type PublishAuthorizerDependencies = {
	streamKeys: Pick<StreamKeyStore, 'findByStreamKey' | 'listValidKeys'>;
	/** The networks from which each key was used. */
	networks: Pick<KnownNetworks, 'has' | 'hasAny' | 'remember'>;
	clock: Clock;
	logger: Logger;
	/** Keys are cached by their hash only. */
	serverSecret: Uint8Array;
};

/** `permission` is undefined until the first use of the key. */
type CachedKey = { streamKeyId: string; permission: PublishPermission | undefined; confirmedAtMs: number };

export class PublishAuthorizer {
	readonly #deps: PublishAuthorizerDependencies;
	readonly #options: PublishAuthorizerOptions;
	readonly #limiter: AttemptLimiter;
	/** Keys believed to be valid, by hash. */
	readonly #cached = new LRUCache<string, CachedKey>({ max: MAX_CACHED_KEYS });
	/** Running queries, by the key's hash. */
	readonly #lookUps = new Map<string, Promise<PublishPermission | undefined>>();

	constructor(deps: PublishAuthorizerDependencies, options: PublishAuthorizerOptions) {
		this.#deps = deps;
		this.#options = options;
		this.#limiter = new AttemptLimiter(deps.clock);
	}

	/** Loads the valid keys, so that they are known before their first use. Begins with none without a database. */
	async load(): Promise<void> {
		try {
			const keys = await this.#deps.streamKeys.listValidKeys(MAX_CACHED_KEYS);
			for (const { id, hash } of keys.toReversed()) {
				this.addKey(id, hash);
			}
		} catch (error) {
			this.#deps.logger.warn({ reason: errorMessage(error) }, 'the valid stream keys could not be read');
		}
	}

	/** Call it when a key is made. */
	addKey(streamKeyId: string, hash: Uint8Array): void {
		this.#cached.set(Buffer.from(hash).toString('base64'), {
			streamKeyId,
			permission: undefined,
			confirmedAtMs: -Infinity,
		});
	}

	/**
	 * Accepts one key, or the candidates in an encoder's address: the first valid one counts, and all are one attempt.
	 *
	 * Throws:
	 *
	 * - STREAM_KEY_MISSING without a key;
	 * - STREAM_KEY_REFUSED, the same for unknown, wrong and revoked keys;
	 * - TOO_MANY_ATTEMPTS after several wrong ones from one address group. It is not thrown for a valid key that is too
	 *   long to guess or was used from there before;
	 * - RATE_LIMITED while too many of the group are being checked;
	 * - PUBLISHING_NOT_ALLOWED when the owner may not publish;
	 * - DATABASE_UNAVAILABLE for keys that were not used recently.
	 */
	async authorize(streamKey: string | readonly string[], remoteAddress: string): Promise<PublishPermission> {
		const candidates = (typeof streamKey === 'string' ? [streamKey] : streamKey).filter((key) => key !== '');
		if (candidates.length === 0) {
			throw new SpillwayError('STREAM_KEY_MISSING');
		}
		const keys = candidates.slice(0, MAX_CANDIDATE_COUNT).filter((key) => key.length <= MAX_STREAM_KEY_LENGTH);
		const trusted = keys.filter((key) => this.#isTrusted(key, remoteAddress));
		let permission = await this.#findFirst(trusted);
		if (permission === undefined) {
			const attempt = this.#limiter.beginOrThrow(addressKey(remoteAddress));
			try {
				permission = await this.#findFirst(keys.filter((key) => !trusted.includes(key)));
			} catch (error) {
				// A failed look-up does not count as a wrong key.
				attempt.end();
				throw error;
			}
			if (permission === undefined) {
				attempt.fail();
				this.#deps.logger.info({ remoteAddress }, 'a publisher was refused: wrong stream key');
				throw new SpillwayError('STREAM_KEY_REFUSED');
			}
			attempt.end();
		}
		this.#recordUse(permission, remoteAddress);
		assertMayPublish(this.#options.whoMayPublish ?? 'everybody', permission.owner);
		return permission;
	}

	/** True when a key was used from the address group recently: some places are reserved for it. */
	isKnownAddress(remoteAddress: string): boolean {
		return this.#deps.networks.hasAny(remoteAddress);
	}

	/** Evicts the permissions of a channel's keys, so that changed settings apply to the next publisher. */
	evictChannel(channelId: ChannelId): void {
		for (const cached of this.#cached.values()) {
			if (cached.permission?.channelId === channelId) {
				cached.permission = undefined;
			}
		}
	}

	/** Evicts a key, so that its revocation applies at once on this server. */
	evictKey(streamKeyId: string): void {
		for (const [hash, cached] of this.#cached) {
			if (cached.streamKeyId === streamKeyId) {
				this.#cached.delete(hash);
			}
		}
	}

	// Wrong keys from the same address must not lock out a valid one.
	#isTrusted(streamKey: string, remoteAddress: string): boolean {
		const cached = this.#cached.peek(this.#hash(streamKey));
		return (
			cached !== undefined &&
			(streamKey.length >= MIN_UNGUESSABLE_LENGTH || this.#deps.networks.has(cached.streamKeyId, remoteAddress))
		);
	}

	#recordUse({ streamKeyId, channelId }: PublishPermission, remoteAddress: string): void {
		const { networks, logger } = this.#deps;
		if (!networks.has(streamKeyId, remoteAddress)) {
			logger.info({ channelId, streamKeyId }, 'a stream key is used from a network without recent use');
		}
		void networks.remember(streamKeyId, remoteAddress);
	}

	async #findFirst(streamKeys: readonly string[]): Promise<PublishPermission | undefined> {
		let failure: unknown;
		for (const streamKey of streamKeys) {
			try {
				const permission = await this.#find(streamKey);
				if (permission !== undefined) {
					return permission;
				}
			} catch (error) {
				// During a database outage, a later candidate can be a cached key.
				failure ??= error;
			}
		}
		if (failure !== undefined) {
			throw failure;
		}
		return undefined;
	}

	async #find(streamKey: string): Promise<PublishPermission | undefined> {
		const hash = this.#hash(streamKey);
		const { permission: known, confirmedAtMs = -Infinity } = this.#cached.peek(hash) ?? {};
		const ageMs = this.#deps.clock.monotonicMs() - confirmedAtMs;
		if (known !== undefined && ageMs < FRESH_MS) {
			return known;
		}
		try {
			return await this.#lookUp(hash, streamKey);
		} catch (error) {
			const isOutage = error instanceof SpillwayError && error.code === 'DATABASE_UNAVAILABLE';
			if (isOutage && known !== undefined && ageMs < OUTAGE_GRACE_MS) {
				this.#deps.logger.warn(
					{ channelId: known.channelId },
					'the database is unavailable; a publisher is admitted by a cached permission',
				);
				return known;
			}
			throw error;
		}
	}

	// Concurrent look-ups of one key share a query.
	#lookUp(hash: string, streamKey: string): Promise<PublishPermission | undefined> {
		let lookUp = this.#lookUps.get(hash);
		if (lookUp === undefined) {
			lookUp = this.#deps.streamKeys
				.findByStreamKey(streamKey)
				.then((owner) => this.#recordAnswer(hash, owner))
				.finally(() => this.#lookUps.delete(hash));
			this.#lookUps.set(hash, lookUp);
		}
		return lookUp;
	}

	#recordAnswer(hash: string, owner: StreamKeyOwner | undefined): PublishPermission | undefined {
		if (owner === undefined) {
			this.#cached.delete(hash);
			return undefined;
		}
		const permission = this.#toPermission(owner);
		this.#cached.set(hash, {
			streamKeyId: permission.streamKeyId,
			permission,
			confirmedAtMs: this.#deps.clock.monotonicMs(),
		});
		return permission;
	}

	#hash(streamKey: string): string {
		return Buffer.from(hashStreamKey(this.#deps.serverSecret, streamKey)).toString('base64');
	}

	#toPermission({ streamKeyId, channel, owner }: StreamKeyOwner): PublishPermission {
		const graceWindowSeconds = channel.graceWindowSeconds ?? this.#options.defaultGraceWindowSeconds;
		return {
			channelId: channel.id,
			channelName: channel.name,
			graceWindowMs: graceWindowSeconds * 1000,
			ladderChoice: channel.ladderChoice,
			streamKeyId,
			owner,
		};
	}
}
