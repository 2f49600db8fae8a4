/** The media of one live broadcast, in memory: all that the live path reads and writes. */

/** Names are `track/file`, never reused, and their bytes never change. The broadcast keeps the memory bound. */
export class LiveWindow {
	readonly #entries = new Map<string, Uint8Array>();
	readonly #aliases = new Map<string, string[]>();
	readonly #aliasNames = new Set<string>();
	#totalBytes = 0;

	/** Bytes held, aliases not counted. */
	get totalBytes(): number {
		return this.#totalBytes;
	}

	/** Stores bytes that the caller does not change afterwards. */
	put(name: string, bytes: Uint8Array): void {
		this.delete(name);
		this.#entries.set(name, bytes);
		this.#totalBytes += bytes.length;
	}

	/** Makes a name refer to a range of another name's bytes: parts, once their segment is complete. */
	alias(name: string, target: { name: string; startByte: number; endByte: number }): void {
		const bytes = this.#entries.get(target.name);
		if (bytes === undefined) {
			return;
		}
		this.delete(name);
		this.#entries.set(name, bytes.subarray(target.startByte, target.endByte));
		const aliases = this.#aliases.get(target.name) ?? [];
		aliases.push(name);
		this.#aliases.set(target.name, aliases);
		this.#aliasNames.add(name);
	}

	get(name: string): Uint8Array | undefined {
		return this.#entries.get(name);
	}

	/** Deletes the name, and all names that refer to ranges of its bytes. */
	delete(name: string): void {
		const bytes = this.#entries.get(name);
		if (bytes === undefined) {
			return;
		}
		this.#entries.delete(name);
		if (!this.#aliasNames.delete(name)) {
			this.#totalBytes -= bytes.length;
		}
		for (const alias of this.#aliases.get(name) ?? []) {
			this.delete(alias);
		}
		this.#aliases.delete(name);
	}

	clear(): void {
		this.#entries.clear();
		this.#aliases.clear();
		this.#aliasNames.clear();
		this.#totalBytes = 0;
	}
}
