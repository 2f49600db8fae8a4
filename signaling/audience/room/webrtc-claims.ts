/**
 * Claims to WebRTC places of which nothing has come yet: of viewers without a transport, told WebRTC or waiting for it.
 * Of one address group some are as good as anybody's, once told for as long as connecting takes; the others give way.
 * Otherwise a few strangers with sockets, who never watch, would hold all places. Holds no resources.
 */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import type { ChannelName, ViewerId } from '../../../core/ids.ts';
import { senderKey } from '../../../core/limits/address-key.ts';

/**
 * Good claims of one address group at a time. They matter only where places are scarce; connecting takes a second or
 * two.
 * @internal for tests
 */
export const CLAIMS_PER_GROUP = 10;
/** How long a claim is good: as long as a transport may take to open. @internal for tests */
export const CLAIM_LIFE_MS = 20_000;

/** A viewer as claims see them. @internal for tests */
export type Claimant = {
	id: ViewerId;
	channelName: ChannelName;
	/** Undefined: they have had no socket yet. */
	address: string | undefined;
	isToldWebRtc: boolean;
	hasTransport: boolean;
};

type Claim = { group: string; channelName: ChannelName; toldAtMs: number | undefined };

/** Those of one server, all channels together. */
export class WebRtcClaims {
	readonly #clock: Clock;
	readonly #claims = new Map<ViewerId, Claim>();
	/** Claims of a group, oldest first. */
	readonly #byGroup = new Map<string, Set<ViewerId>>();
	/** Who was told WebRTC and whose claim is not good. */
	readonly #weak = new Map<ChannelName, Set<ViewerId>>();

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** Looks at a viewer anew. True: they give way to anybody whose claim is good, and to whoever has connected. */
	isUnproven({ id, channelName, address, isToldWebRtc, hasTransport }: Claimant): boolean {
		// Who has had no socket yet cannot be told anything.
		if (hasTransport || address === undefined) {
			this.forget(id);
			return false;
		}
		const claim = this.#claims.get(id) ?? this.#add(id, { group: senderKey(address) ?? id, channelName });
		const nowMs = this.#clock.monotonicMs();
		claim.toldAtMs = isToldWebRtc ? (claim.toldAtMs ?? nowMs) : undefined;
		const isLate = claim.toldAtMs !== undefined && nowMs - claim.toldAtMs >= CLAIM_LIFE_MS;
		const isWeak = isLate || !this.#isEarly(id, claim);
		if (isWeak && isToldWebRtc) {
			addTo(this.#weak, claim.channelName, id);
		} else {
			deleteFrom(this.#weak, claim.channelName, id);
		}
		return isWeak;
	}

	/** They are gone. Does nothing for who has no claim. */
	forget(id: ViewerId): void {
		const claim = this.#claims.get(id);
		if (claim === undefined) {
			return;
		}
		this.#claims.delete(id);
		const { group, channelName } = claim;
		deleteFrom(this.#byGroup, group, id);
		deleteFrom(this.#weak, channelName, id);
	}

	/** What {@link isUnproven} said last of a viewer who was told WebRTC. */
	isWeak(id: ViewerId, channelName: ChannelName): boolean {
		return this.#weak.get(channelName)?.has(id) ?? false;
	}

	/** Claims in a channel that are not good: other channels need not make room for them. */
	weakCount(channelName: ChannelName): number {
		return this.#weak.get(channelName)?.size ?? 0;
	}

	#add(id: ViewerId, place: Omit<Claim, 'toldAtMs'>): Claim {
		const claim: Claim = { ...place, toldAtMs: undefined };
		this.#claims.set(id, claim);
		addTo(this.#byGroup, claim.group, id);
		return claim;
	}

	// Among the first of their group.
	#isEarly(id: ViewerId, { group }: Claim): boolean {
		let rank = 0;
		for (const member of this.#byGroup.get(group)!) {
			if (member === id) {
				return true;
			}
			if (++rank === CLAIMS_PER_GROUP) {
				return false;
			}
		}
		return false;
	}
}

function addTo<Key>(sets: Map<Key, Set<ViewerId>>, key: Key, id: ViewerId): void {
	sets.set(key, (sets.get(key) ?? new Set<ViewerId>()).add(id));
}

function deleteFrom<Key>(sets: Map<Key, Set<ViewerId>>, key: Key, id: ViewerId): void {
	const set = sets.get(key);
	set?.delete(id);
	if (set?.size === 0) {
		sets.delete(key);
	}
}
