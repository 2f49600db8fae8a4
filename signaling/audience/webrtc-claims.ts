/**
 * Claims to WebRTC places of which nothing has come yet: who was told WebRTC and has no transport. Of one address group some are as
 * good as anybody's, for as long as connecting takes; the others give way. Otherwise a few strangers with sockets, who never
 * watch, would hold all places. Holds no resources.
 */
import type { Clock } from '../../core/clock.ts';
import type { ChannelName, ViewerId } from '../../core/ids.ts';
import { addressKey, isLoopback } from '../../core/limits/address-key.ts';

/** Good claims of one address group at a time. They matter only where places are scarce; connecting takes a second or two. */
export const CLAIMS_PER_GROUP = 10;
/** How long a claim is good: as long as a transport may take to open. */
export const CLAIM_LIFE_MS = 20_000;

/** A viewer as claims see them. */
export type Claimant = {
	id: ViewerId;
	channelName: ChannelName;
	/** Undefined: they have had no socket yet. */
	address: string | undefined;
	isToldWebRtc: boolean;
	hasTransport: boolean;
};

type Claim = { group: string; channelName: ChannelName; sinceMs: number };

/** Those of one server, all channels together. */
export class WebRtcClaims {
	readonly #clock: Clock;
	readonly #claims = new Map<ViewerId, Claim>();
	/** Claims of a group, oldest first. */
	readonly #byGroup = new Map<string, Set<ViewerId>>();
	/** Who holds a claim that is not good. */
	readonly #weak = new Map<ChannelName, Set<ViewerId>>();

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** Looks at a viewer anew. True: they give way to anybody whose claim is good, and to whoever has connected. */
	isUnproven({ id, channelName, address, isToldWebRtc, hasTransport }: Claimant): boolean {
		if (!isToldWebRtc || hasTransport) {
			this.forget(id);
			const group = groupOf(id, address);
			return !hasTransport && (this.#byGroup.get(group)?.size ?? 0) >= CLAIMS_PER_GROUP;
		}
		const claim = this.#claims.get(id) ?? this.#add(id, { group: groupOf(id, address), channelName });
		const isLate = this.#clock.monotonicMs() - claim.sinceMs >= CLAIM_LIFE_MS;
		const isWeak = isLate || !this.#isEarly(id, claim);
		if (isWeak) {
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

	#add(id: ViewerId, place: Omit<Claim, 'sinceMs'>): Claim {
		const claim = { ...place, sinceMs: this.#clock.monotonicMs() };
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

// Behind a proxy on this machine that names nobody, everybody has a loopback address.
function groupOf(id: ViewerId, address: string | undefined): string {
	return address === undefined || isLoopback(address) ? id : addressKey(address);
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
