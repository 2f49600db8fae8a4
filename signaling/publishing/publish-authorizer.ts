/** Decides who may publish: stream key → channel, or why not. The one door for WHIP and RTMP alike. */
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
import type { StreamKeyOwner } from './stream-key-store.ts';
import { hashStreamKey } from './stream-key.ts';

/**
 * An answer this young is used again without asking: a reconnecting encoder costs no query. A revoked key may live as
 * long.
 */
const FRESH_MS = 5000;
/** While the database is away, an answer this old still counts, so that whoever was live can come back. */
const OUTAGE_GRACE_MS = 600_000;
/** Keys that are remembered; beyond them the one that was used longest ago is forgotten. About 5 MB. */
const MAX_REMEMBERED_KEYS = 10_000;
/** Keys that one attempt may try. */
const MAX_CANDIDATE_COUNT = 3;
/**
 * Nobody finds a key of this length by trying, so it is looked up however many wrong ones came from the same address.
 * Ours have 37 characters; one that was chosen by hand may be short.
 */
const MIN_UNGUESSABLE_LENGTH = 20;

/** Where keys are looked up; the channel store is one. */
interface StreamKeyLookup {
	/** Undefined for unknown, wrong and revoked keys alike; throws DATABASE_UNAVAILABLE. */
	findByStreamKey(streamKey: string): Promise<StreamKeyOwner | undefined>;
	/** The valid keys, the newest first, at most `limit`. */
	listValidKeys(limit: number): Promise<readonly { id: string; hash: Uint8Array }[]>;
}

/** What of the configuration concerns publishers. */
export type PublishAuthorizerOptions = {
	/** For channels that say nothing else, seconds. */
	defaultGraceWindowSeconds: number;
	/** Whose channels may publish. Default: everybody's. */
	whoMayPublish?: WhoMayPublish;
};

type PublishAuthorizerDependencies = {
	lookup: StreamKeyLookup;
	/** From where which key was used. */
	networks: Pick<KnownNetworks, 'has' | 'hasAny' | 'remember'>;
	clock: Clock;
	logger: Logger;
	/** Keys are remembered by their hash only. */
	serverSecret: Uint8Array;
};

/** `permission` is undefined until the key is used for the first time since the start. */
type Remembered = { streamKeyId: string; permission: PublishPermission | undefined; confirmedAtMs: number };

/** Holds no connections, so it need not be closed. */
export class PublishAuthorizer {
	readonly #deps: PublishAuthorizerDependencies;
	readonly #options: PublishAuthorizerOptions;
	readonly #limiter: AttemptLimiter;
	// Keys that are good as far as we have heard, by hash.
	readonly #remembered = new LRUCache<string, Remembered>({ max: MAX_REMEMBERED_KEYS });
	// Queries under way, by the key's hash.
	readonly #lookUps = new Map<string, Promise<PublishPermission | undefined>>();

	constructor(deps: PublishAuthorizerDependencies, options: PublishAuthorizerOptions) {
		this.#deps = deps;
		this.#options = options;
		this.#limiter = new AttemptLimiter(deps.clock);
	}

	/**
	 * Takes up which keys are valid, so that they are known before their first use. Without a database it begins with
	 * none.
	 */
	async load(): Promise<void> {
		try {
			const keys = await this.#deps.lookup.listValidKeys(MAX_REMEMBERED_KEYS);
			for (const { id, hash } of keys.toReversed()) {
				this.expect(id, hash);
			}
		} catch (error) {
			this.#deps.logger.warn({ reason: errorMessage(error) }, 'the valid stream keys could not be read');
		}
	}

	/** A key has been made. */
	expect(streamKeyId: string, hash: Uint8Array): void {
		this.#remembered.set(Buffer.from(hash).toString('base64'), {
			streamKeyId,
			permission: undefined,
			confirmedAtMs: -Infinity,
		});
	}

	/**
	 * Takes one key, or those that an encoder's address may hold: the first that is good counts, and all are one attempt.
	 *
	 * Throws STREAM_KEY_MISSING; STREAM_KEY_REFUSED, the same for unknown, wrong and revoked keys; TOO_MANY_ATTEMPTS
	 * after several wrong ones from one address group, but never for a key that is good and too long to be guessed, or
	 * was used from there before; RATE_LIMITED while too many of the group are being checked; PUBLISHING_NOT_ALLOWED;
	 * DATABASE_UNAVAILABLE for keys that were not in use shortly before.
	 */
	async authorize(streamKey: string | readonly string[], remoteAddress: string): Promise<PublishPermission> {
		const candidates = (typeof streamKey === 'string' ? [streamKey] : streamKey).filter((key) => key !== '');
		if (candidates.length === 0) {
			throw new SpillwayError('STREAM_KEY_MISSING');
		}
		const keys = candidates.slice(0, MAX_CANDIDATE_COUNT).filter((key) => key.length <= MAX_STREAM_KEY_LENGTH);
		const expected = keys.filter((key) => this.#isExpected(key, remoteAddress));
		let permission = await this.#findFirst(expected);
		if (permission === undefined) {
			const attempt = this.#limiter.beginOrThrow(addressKey(remoteAddress));
			try {
				permission = await this.#findFirst(keys.filter((key) => !expected.includes(key)));
			} catch (error) {
				// Not the publisher's fault.
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

	/** Whether somebody published from the address group lately: some places are kept for them. */
	isKnownAddress(remoteAddress: string): boolean {
		return this.#deps.networks.hasAny(remoteAddress);
	}

	/** Forgets what is known about a channel's keys, so that a new grace window counts for the next publisher. */
	forgetChannel(channelId: ChannelId): void {
		for (const remembered of this.#remembered.values()) {
			if (remembered.permission?.channelId === channelId) {
				remembered.permission = undefined;
			}
		}
	}

	/** Forgets what is known about a key, so that revoking it works at once on this server. */
	forget(streamKeyId: string): void {
		for (const [hash, remembered] of this.#remembered) {
			if (remembered.streamKeyId === streamKeyId) {
				this.#remembered.delete(hash);
			}
		}
	}

	// Wrong keys from the same address must not lock out the right one.
	#isExpected(streamKey: string, remoteAddress: string): boolean {
		const remembered = this.#remembered.peek(this.#hash(streamKey));
		return (
			remembered !== undefined &&
			(streamKey.length >= MIN_UNGUESSABLE_LENGTH || this.#deps.networks.has(remembered.streamKeyId, remoteAddress))
		);
	}

	#recordUse({ streamKeyId, channelId }: PublishPermission, remoteAddress: string): void {
		const { networks, logger } = this.#deps;
		if (!networks.has(streamKeyId, remoteAddress)) {
			logger.info({ channelId, streamKeyId }, 'a stream key is used from a network that it was not used from lately');
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
				// The database is away; a later candidate may be the key that was in use shortly before.
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
		const { permission: known, confirmedAtMs = -Infinity } = this.#remembered.peek(hash) ?? {};
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
					'the database is away; a publisher is let in by what was known before',
				);
				return known;
			}
			throw error;
		}
	}

	// Encoders that come together with one key share a query.
	#lookUp(hash: string, streamKey: string): Promise<PublishPermission | undefined> {
		let lookUp = this.#lookUps.get(hash);
		if (lookUp === undefined) {
			lookUp = this.#deps.lookup
				.findByStreamKey(streamKey)
				.then((owner) => this.#takeAnswer(hash, owner))
				.finally(() => this.#lookUps.delete(hash));
			this.#lookUps.set(hash, lookUp);
		}
		return lookUp;
	}

	#takeAnswer(hash: string, owner: StreamKeyOwner | undefined): PublishPermission | undefined {
		if (owner === undefined) {
			this.#remembered.delete(hash);
			return undefined;
		}
		const permission = this.#toPermission(owner);
		this.#remembered.set(hash, {
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
			streamKeyId,
			owner,
		};
	}
}
