/**
 * Members by group, with the largest group and its oldest and newest member. Adding and deleting take the same time for
 * any number of members.
 */

/** Each member is in one group. */
export class GroupedMembers<Member> {
	readonly #groupOf = new Map<Member, string>();
	// Members of a group, oldest first.
	readonly #groups = new Map<string, Set<Member>>();
	// Groups by their size, in the order in which they reached it.
	readonly #bySize = new Map<number, Set<string>>();
	#largestSize = 0;

	get size(): number {
		return this.#groupOf.size;
	}

	/** Members of the largest group; 0 when there are none. */
	get largestSize(): number {
		return this.#largestSize;
	}

	sizeOf(group: string): number {
		return this.#groups.get(group)?.size ?? 0;
	}

	/** Throws a TypeError when the member is in already. */
	add(member: Member, group: string): void {
		if (this.#groupOf.has(member)) {
			throw new TypeError('GroupedMembers.add() was called twice for one member.');
		}
		this.#groupOf.set(member, group);
		const members = this.#groups.get(group) ?? new Set<Member>();
		this.#groups.set(group, members);
		members.add(member);
		this.#move(group, members.size - 1, members.size);
	}

	/** False when it was not in. */
	delete(member: Member): boolean {
		const group = this.#groupOf.get(member);
		if (group === undefined) {
			return false;
		}
		this.#groupOf.delete(member);
		const members = this.#groups.get(group)!;
		members.delete(member);
		if (members.size === 0) {
			this.#groups.delete(group);
		}
		this.#move(group, members.size + 1, members.size);
		return true;
	}

	/** The oldest member of a group; of the largest group by default. */
	oldest(group: string | undefined = this.#largest()): Member | undefined {
		return group === undefined ? undefined : this.#groups.get(group)?.values().next().value;
	}

	/** The newest member of a group; of the largest group by default. */
	newest(group: string | undefined = this.#largest()): Member | undefined {
		return group === undefined ? undefined : [...(this.#groups.get(group) ?? [])].at(-1);
	}

	#largest(): string | undefined {
		return this.#bySize.get(this.#largestSize)?.values().next().value;
	}

	#move(group: string, from: number, to: number): void {
		const left = this.#bySize.get(from);
		left?.delete(group);
		if (left?.size === 0) {
			this.#bySize.delete(from);
		}
		if (to > 0) {
			const entered = this.#bySize.get(to) ?? new Set<string>();
			this.#bySize.set(to, entered);
			entered.add(group);
		}
		// Sizes change by one, so no smaller one can be the largest.
		if (to > this.#largestSize || (from === this.#largestSize && !this.#bySize.has(from))) {
			this.#largestSize = to;
		}
	}
}
