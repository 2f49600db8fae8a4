/** Finds recent authors by the names that moderators type. */
import type { ChatMessage } from '../../../core/protocol/signaling/signaling-messages.ts';

/** An author that a moderator can name. */
export type KnownAuthor = {
	id: string;
	name: string;
	badges: ChatMessage['author']['badges'];
	subjects: readonly string[];
};

/** Beyond it the author with the oldest message is evicted. */
const MAX_AUTHORS = 5000;

/** Holds the recent authors of all nodes. */
export class AuthorDirectory {
	readonly #authors = new Map<string, KnownAuthor>();

	add(author: KnownAuthor): void {
		const key = author.name.toLowerCase();
		this.#authors.delete(key);
		this.#authors.set(key, author);
		if (this.#authors.size > MAX_AUTHORS) {
			this.#authors.delete(this.#authors.keys().next().value!);
		}
	}

	/** Ignores case. */
	find(name: string): KnownAuthor | undefined {
		return this.#authors.get(name.toLowerCase());
	}
}

/** Moderators may act only on authors of a lower rank. */
export function rankOf(badges: KnownAuthor['badges']): number {
	return badges.includes('admin') ? 3 : badges.includes('broadcaster') ? 2 : badges.includes('moderator') ? 1 : 0;
}
