/**
 * A pool that untrusted clients can fill. Each group has a share, some places are reserved for known members, and a
 * full pool displaces a member of the largest group. So no client can keep others out by connecting often.
 */
import { GroupedMembers } from './grouped-members.ts';

export type SharePoolLimits = {
	/** Members in all. */
	capacity: number;
	/** Places that unknown members never get. */
	reserve: number;
	/** Members of one group, without confirmed ones. */
	share: number;
};

/**
 * What happens when there is no room. `displace-oldest` is for short states, such as connecting: a new member is always
 * admitted and displaces the oldest. `refuse` is for lasting states, such as watching: a new member is admitted only
 * when another group has at least two members more. It displaces the newest member of that group.
 * @internal for tests
 */
export type WhenFull = 'displace-oldest' | 'refuse';

/** Result for a new member. The caller ends the displaced member, which the pool has removed already. */
type Admission<Member> =
	{ isAdmitted: true; displaced: Member | undefined } | { isAdmitted: false; reason: 'pool-full' | 'share-full' };

type Plan<Member> = { isKnown: boolean; displaced: Member | undefined } | { reason: 'pool-full' | 'share-full' };

export class SharePool<Member> {
	readonly #limits: SharePoolLimits;
	readonly #whenFull: WhenFull;
	readonly #unknown = new GroupedMembers<Member>();
	readonly #known = new GroupedMembers<Member>();
	readonly #confirmed = new Set<Member>();

	constructor(limits: SharePoolLimits, whenFull: WhenFull) {
		this.#limits = limits;
		this.#whenFull = whenFull;
	}

	get size(): number {
		return this.#unknown.size + this.#known.size + this.#confirmed.size;
	}

	/** Members that are neither known nor confirmed. */
	get unknownCount(): number {
		return this.#unknown.size;
	}

	/** Members of a group, without confirmed ones. */
	countOf(group: string): number {
		return this.#unknown.sizeOf(group) + this.#known.sizeOf(group);
	}

	/** Whether {@link admit} succeeds now. Changes nothing. */
	hasRoom(group: string, isMemberKnown: boolean): boolean {
		return !('reason' in this.#plan(group, isMemberKnown));
	}

	/**
	 * Admits a member, or returns why not. `isMemberKnown`: there is a reason to trust the member; this then holds for
	 * its group as long as the member is in.
	 */
	admit(member: Member, group: string, isMemberKnown: boolean): Admission<Member> {
		const plan = this.#plan(group, isMemberKnown);
		if ('reason' in plan) {
			return { isAdmitted: false, reason: plan.reason };
		}
		if (plan.displaced !== undefined) {
			this.release(plan.displaced);
		}
		(plan.isKnown ? this.#known : this.#unknown).add(member, group);
		return { isAdmitted: true, displaced: plan.displaced };
	}

	/** The member is authenticated: it does not count for its group and is never displaced. */
	confirm(member: Member): void {
		if (this.#unknown.delete(member) || this.#known.delete(member)) {
			this.#confirmed.add(member);
		}
	}

	/** Removes the member. Does nothing when it is not in. */
	release(member: Member): void {
		if (!this.#confirmed.delete(member) && !this.#unknown.delete(member)) {
			this.#known.delete(member);
		}
	}

	#plan(group: string, isMemberKnown: boolean): Plan<Member> {
		const isKnown = isMemberKnown || this.#known.sizeOf(group) > 0;
		if (this.countOf(group) >= this.#limits.share) {
			return this.#whenFull === 'refuse'
				? { reason: 'share-full' }
				: { isKnown, displaced: this.#unknown.oldest(group) ?? this.#known.oldest(group) };
		}
		const isFull = isKnown ? this.size >= this.#limits.capacity : this.#unknown.size >= this.#unknownCapacity();
		if (!isFull) {
			return { isKnown, displaced: undefined };
		}
		const displaced = this.#findRoom(group, isKnown);
		return displaced === undefined ? { reason: 'pool-full' } : { isKnown, displaced };
	}

	#unknownCapacity(): number {
		const { capacity, reserve } = this.#limits;
		return capacity - Math.max(reserve, this.#known.size + this.#confirmed.size);
	}

	#findRoom(group: string, isKnown: boolean): Member | undefined {
		if (this.#whenFull === 'displace-oldest') {
			return this.#unknown.oldest() ?? (isKnown ? this.#known.oldest() : undefined);
		}
		return this.#unknown.largestSize > this.countOf(group) + 1 ? this.#unknown.newest() : undefined;
	}
}
