/** A map of keys to sets of values, without empty sets. */
export class SetMap<Key, Value> {
	readonly #sets = new Map<Key, Set<Value>>();

	keys(): Iterable<Key> {
		return this.#sets.keys();
	}

	get(key: Key): ReadonlySet<Value> | undefined {
		return this.#sets.get(key);
	}

	add(key: Key, value: Value): void {
		this.#sets.set(key, (this.#sets.get(key) ?? new Set()).add(value));
	}

	delete(key: Key, value: Value): void {
		const set = this.#sets.get(key);
		set?.delete(value);
		if (set?.size === 0) {
			this.#sets.delete(key);
		}
	}
}
