/**
 * A pool that strangers can fill: each group has a share, some places are kept for those who are known, and when all is
 * taken a member of the group that holds most gives way. So nobody keeps anybody else out by coming often.
 */
import { GroupedMembers } from './grouped-members.ts';

/** Bounds of a pool. */
export type SharePoolLimits = {
	/** Members in all. */
	capacity: number;
	/** Places that strangers never take. */
	reserve: number;
	/** Members of one group, confirmed ones apart. */
	share: number;
};

/**
 * What happens when there is no room. `displace-oldest` is for what is soon over, such as connecting: the newcomer
 * always comes in, and who has had most time goes. `refuse` is for what lasts, such as watching: a newcomer comes in
 * only when another group holds at least two more than theirs, and the newest member of that group goes.
 * @internal for tests
 */
export type WhenFull = 'displace-oldest' | 'refuse';

/** What became of a newcomer. The caller ends whoever was displaced; the pool has forgotten them already. */
type Admission<Member> =
	{ isAdmitted: true; displaced: Member | undefined } | { isAdmitted: false; reason: 'pool-full' | 'share-full' };

type Plan<Member> = { isKnown: boolean; displaced: Member | undefined } | { reason: 'pool-full' | 'share-full' };

/** Counts members; holds no resources. */
export class SharePool<Member> {
	readonly #limits: SharePoolLimits;
	readonly #whenFull: WhenFull;
	readonly #strangers = new GroupedMembers<Member>();
	readonly #known = new GroupedMembers<Member>();
	readonly #confirmed = new Set<Member>();

	constructor(limits: SharePoolLimits, whenFull: WhenFull) {
		this.#limits = limits;
		this.#whenFull = whenFull;
	}

	/** All members. */
	get size(): number {
		return this.#strangers.size + this.#known.size + this.#confirmed.size;
	}

	/** Members that are neither known nor confirmed. */
	get strangerCount(): number {
		return this.#strangers.size;
	}

	/** Members of a group, confirmed ones apart. */
	countOf(group: string): number {
		return this.#strangers.sizeOf(group) + this.#known.sizeOf(group);
	}

	/** Whether {@link admit} lets somebody in now. Changes nothing. */
	hasRoom(group: string, isMemberKnown: boolean): boolean {
		return !('reason' in this.#plan(group, isMemberKnown));
	}

	/**
	 * Lets somebody in, or says why not. `isMemberKnown`: there is a reason to believe that they are no stranger; it then
	 * holds for their group as long as they are in.
	 */
	admit(member: Member, group: string, isMemberKnown: boolean): Admission<Member> {
		const plan = this.#plan(group, isMemberKnown);
		if ('reason' in plan) {
			return { isAdmitted: false, reason: plan.reason };
		}
		if (plan.displaced !== undefined) {
			this.release(plan.displaced);
		}
		(plan.isKnown ? this.#known : this.#strangers).add(member, group);
		return { isAdmitted: true, displaced: plan.displaced };
	}

	/** They have shown who they are: they count no longer for their group and are never displaced. */
	confirm(member: Member): void {
		if (this.#strangers.delete(member) || this.#known.delete(member)) {
			this.#confirmed.add(member);
		}
	}

	/** They are gone. Does nothing for who is not in. */
	release(member: Member): void {
		if (!this.#confirmed.delete(member) && !this.#strangers.delete(member)) {
			this.#known.delete(member);
		}
	}

	#plan(group: string, isMemberKnown: boolean): Plan<Member> {
		const isKnown = isMemberKnown || this.#known.sizeOf(group) > 0;
		if (this.countOf(group) >= this.#limits.share) {
			return this.#whenFull === 'refuse'
				? { reason: 'share-full' }
				: { isKnown, displaced: this.#strangers.oldest(group) ?? this.#known.oldest(group) };
		}
		const isFull = isKnown ? this.size >= this.#limits.capacity : this.#strangers.size >= this.#strangerCapacity();
		if (!isFull) {
			return { isKnown, displaced: undefined };
		}
		const displaced = this.#findRoom(group, isKnown);
		return displaced === undefined ? { reason: 'pool-full' } : { isKnown, displaced };
	}

	#strangerCapacity(): number {
		const { capacity, reserve } = this.#limits;
		return capacity - Math.max(reserve, this.#known.size + this.#confirmed.size);
	}

	#findRoom(group: string, isKnown: boolean): Member | undefined {
		if (this.#whenFull === 'displace-oldest') {
			return this.#strangers.oldest() ?? (isKnown ? this.#known.oldest() : undefined);
		}
		return this.#strangers.largestSize > this.countOf(group) + 1 ? this.#strangers.newest() : undefined;
	}
}
