/**
 * Claims to WebRTC places by viewers without a transport, who are assigned WebRTC or wait for it. Some claims of one
 * address group are good, once assigned for as long as connecting takes; the others give way to every other viewer.
 * Otherwise a few untrusted clients with sockets, who never watch, could hold all places.
 */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import type { ChannelName, ViewerId } from '../../../core/ids.ts';
import { senderKey } from '../../../core/limits/address-key.ts';
import { SetMap } from './set-map.ts';

/** Good claims of one address group at a time; connecting takes a second or two. @internal for tests */
export const CLAIMS_PER_GROUP = 10;
/** How long a claim is good: as long as a transport may take to open. @internal for tests */
export const CLAIM_LIFE_MS = 20_000;

/** @internal for tests */
export type Claimant = {
	id: ViewerId;
	channelName: ChannelName;
	/** Undefined before their first socket. */
	address: string | undefined;
	isAssignedWebRtc: boolean;
	hasTransport: boolean;
};

type Claim = { group: string; channelName: ChannelName; assignedAtMs: number | undefined };

/** The claims of one server, all channels together. */
export class WebRtcClaims {
	readonly #clock: Clock;
	readonly #claims = new Map<ViewerId, Claim>();
	/** Claims of a group, oldest first. */
	readonly #byGroup = new SetMap<string, ViewerId>();
	/** Viewers who are assigned WebRTC and whose claim is not good. */
	readonly #weak = new SetMap<ChannelName, ViewerId>();

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** Judges a viewer as they are now. True: they give way to every viewer with a good claim or a transport. */
	isUnproven({ id, channelName, address, isAssignedWebRtc, hasTransport }: Claimant): boolean {
		// A viewer without an address has had no socket, so they are assigned nothing.
		if (hasTransport || address === undefined) {
			this.delete(id);
			return false;
		}
		const claim = this.#claims.get(id) ?? this.#add(id, { group: senderKey(address) ?? id, channelName });
		const nowMs = this.#clock.monotonicMs();
		claim.assignedAtMs = isAssignedWebRtc ? (claim.assignedAtMs ?? nowMs) : undefined;
		const isLate = claim.assignedAtMs !== undefined && nowMs - claim.assignedAtMs >= CLAIM_LIFE_MS;
		const isWeak = isLate || !this.#isEarly(id, claim);
		if (isWeak && isAssignedWebRtc) {
			this.#weak.add(claim.channelName, id);
		} else {
			this.#weak.delete(claim.channelName, id);
		}
		return isWeak;
	}

	/** The viewer has left. Does nothing without a claim. */
	delete(id: ViewerId): void {
		const claim = this.#claims.get(id);
		if (claim !== undefined) {
			this.#claims.delete(id);
			this.#byGroup.delete(claim.group, id);
			this.#weak.delete(claim.channelName, id);
		}
	}

	/** Whether the viewer is assigned WebRTC and was unproven at the last {@link isUnproven}. */
	isWeak(id: ViewerId, channelName: ChannelName): boolean {
		return this.#weak.get(channelName)?.has(id) ?? false;
	}

	/** Claims in a channel that are not good: other channels need not make room for them. */
	weakCount(channelName: ChannelName): number {
		return this.#weak.get(channelName)?.size ?? 0;
	}

	#add(id: ViewerId, place: Omit<Claim, 'assignedAtMs'>): Claim {
		const claim: Claim = { ...place, assignedAtMs: undefined };
		this.#claims.set(id, claim);
		this.#byGroup.add(claim.group, id);
		return claim;
	}

	// Whether they are among the first of their group.
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
