/** Decides who may publish: stream key → channel, or why not. The one door for WHIP and RTMP alike. */
import type { Clock } from '../../core/clock.ts';
import { SpillwayError } from '../../core/errors.ts';
import type { ChannelId, ChannelName } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import { AttemptLimiter } from './attempt-limiter.ts';
import type { StreamKeyOwner } from './channel-store.ts';
import { hashStreamKey, MAX_STREAM_KEY_LENGTH } from './stream-key.ts';

/** An answer this young is used again without asking: a reconnecting encoder costs no query. A revoked key may live as long. */
const FRESH_MS = 5000;
/** While the database is away, an answer this old still counts, so that whoever was live can come back. */
const OUTAGE_GRACE_MS = 600_000;
/** Keys that are remembered; beyond them the one that was used longest ago is forgotten. */
const MAX_REMEMBERED_KEYS = 1000;
/** Keys that one attempt may try. */
const MAX_CANDIDATE_COUNT = 3;

/** What a publisher may do. */
export type PublishGrant = {
	channelId: ChannelId;
	channelName: ChannelName;
	/** How long the broadcast waits for this publisher when it is lost. */
	graceWindowMs: number;
	/** Which key it used, so that revoking that key can end the session. */
	streamKeyId: string;
};

/** Where keys are looked up; the channel store is one. */
export interface StreamKeyLookup {
	/** Undefined for unknown, wrong and revoked keys alike; throws DATABASE_UNAVAILABLE. */
	findByStreamKey(streamKey: string): Promise<StreamKeyOwner | undefined>;
}

/** What {@link PublishAuthorizer} needs. */
export type PublishAuthorizerOptions = {
	lookup: StreamKeyLookup;
	clock: Clock;
	logger: Logger;
	/** Keys are remembered by their hash only. */
	serverSecret: Uint8Array;
	/** For channels that say nothing else, seconds. */
	defaultGraceWindowSeconds: number;
};

type Remembered = { grant: PublishGrant; confirmedAtMs: number };

/** Holds no connections, so it need not be closed. */
export class PublishAuthorizer {
	readonly #options: PublishAuthorizerOptions;
	readonly #limiter: AttemptLimiter;
	// In order of use, oldest first.
	readonly #remembered = new Map<string, Remembered>();

	constructor(options: PublishAuthorizerOptions) {
		this.#options = options;
		this.#limiter = new AttemptLimiter(options.clock);
	}

	/**
	 * Takes one key, or those that an encoder's address may hold: the first that is good counts, and all are one attempt. Throws
	 * STREAM_KEY_MISSING; STREAM_KEY_REFUSED, the same for unknown, wrong and revoked keys; TOO_MANY_ATTEMPTS after
	 * several wrong ones from one address; DATABASE_UNAVAILABLE for keys that were not in use shortly before.
	 */
	async authorize(streamKey: string | readonly string[], remoteAddress: string): Promise<PublishGrant> {
		const candidates = (typeof streamKey === 'string' ? [streamKey] : streamKey).filter((key) => key !== '');
		if (candidates.length === 0) {
			throw new SpillwayError('STREAM_KEY_MISSING');
		}
		const waitMs = this.#limiter.begin(remoteAddress);
		if (waitMs > 0) {
			const waitSeconds = Math.ceil(waitMs / 1000);
			throw new SpillwayError('TOO_MANY_ATTEMPTS', [waitSeconds], { retryAfterSeconds: waitSeconds });
		}
		let grant: PublishGrant | undefined;
		try {
			grant = await this.#findFirst(candidates.slice(0, MAX_CANDIDATE_COUNT));
		} catch (error) {
			// Not the publisher's fault.
			this.#limiter.succeed(remoteAddress);
			throw error;
		}
		if (grant === undefined) {
			this.#options.logger.info({ remoteAddress }, 'a publisher was refused: wrong stream key');
			throw new SpillwayError('STREAM_KEY_REFUSED');
		}
		this.#limiter.succeed(remoteAddress);
		return grant;
	}

	/** Forgets what is known about a channel's keys, so that a new grace window counts for the next publisher. */
	forgetChannel(channelId: ChannelId): void {
		for (const [hash, { grant }] of this.#remembered) {
			if (grant.channelId === channelId) {
				this.#remembered.delete(hash);
			}
		}
	}

	/** Forgets what is known about a key, so that revoking it works at once on this server. */
	forget(streamKeyId: string): void {
		for (const [hash, { grant }] of this.#remembered) {
			if (grant.streamKeyId === streamKeyId) {
				this.#remembered.delete(hash);
			}
		}
	}

	async #findFirst(candidates: readonly string[]): Promise<PublishGrant | undefined> {
		let failure: unknown;
		for (const candidate of candidates) {
			try {
				const grant = candidate.length > MAX_STREAM_KEY_LENGTH ? undefined : await this.#find(candidate);
				if (grant !== undefined) {
					return grant;
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

	async #find(streamKey: string): Promise<PublishGrant | undefined> {
		const hash = Buffer.from(hashStreamKey(this.#options.serverSecret, streamKey)).toString('base64');
		const remembered = this.#remembered.get(hash);
		const ageMs = this.#options.clock.monotonicMs() - (remembered?.confirmedAtMs ?? -Infinity);
		if (remembered !== undefined && ageMs < FRESH_MS) {
			return remembered.grant;
		}
		try {
			const owner = await this.#options.lookup.findByStreamKey(streamKey);
			const grant = owner === undefined ? undefined : this.#toGrant(owner);
			this.#remember(hash, grant);
			return grant;
		} catch (error) {
			const isOutage = error instanceof SpillwayError && error.code === 'DATABASE_UNAVAILABLE';
			if (isOutage && remembered !== undefined && ageMs < OUTAGE_GRACE_MS) {
				this.#options.logger.warn(
					{ channelId: remembered.grant.channelId },
					'the database is away; a publisher is let in by what was known before',
				);
				return remembered.grant;
			}
			throw error;
		}
	}

	#toGrant({ streamKeyId, channel }: StreamKeyOwner): PublishGrant {
		const graceWindowSeconds = channel.graceWindowSeconds ?? this.#options.defaultGraceWindowSeconds;
		return { channelId: channel.id, channelName: channel.name, graceWindowMs: graceWindowSeconds * 1000, streamKeyId };
	}

	#remember(hash: string, grant: PublishGrant | undefined): void {
		this.#remembered.delete(hash);
		if (grant === undefined) {
			return;
		}
		this.#remembered.set(hash, { grant, confirmedAtMs: this.#options.clock.monotonicMs() });
		if (this.#remembered.size > MAX_REMEMBERED_KEYS) {
			const oldest = this.#remembered.keys().next();
			if (oldest.done !== true) {
				this.#remembered.delete(oldest.value);
			}
		}
	}
}
