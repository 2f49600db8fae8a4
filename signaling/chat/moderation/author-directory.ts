/** Finds authors by the names that moderators type. */
import type { ChatMessage } from '../../../core/protocol/signaling/signaling-messages.ts';

/** Whom a moderator can name. */
export type KnownAuthor = {
	id: string;
	name: string;
	badges: ChatMessage['author']['badges'];
	subjects: readonly string[];
};

/** Authors that are remembered; who was silent longest goes first. */
const MAX_AUTHORS = 5000;

/** Those who said something lately, on any node. */
export class AuthorDirectory {
	readonly #authors = new Map<string, KnownAuthor>();

	/** Takes note of an author. */
	add(author: KnownAuthor): void {
		const key = author.name.toLowerCase();
		this.#authors.delete(key);
		this.#authors.set(key, author);
		if (this.#authors.size > MAX_AUTHORS) {
			this.#authors.delete(this.#authors.keys().next().value!);
		}
	}

	/** In any case of letters. */
	find(name: string): KnownAuthor | undefined {
		return this.#authors.get(name.toLowerCase());
	}
}

/** Who may act on whom: only upwards counts, equals leave each other alone. */
export function rankOf(badges: KnownAuthor['badges']): number {
	return badges.includes('admin') ? 3 : badges.includes('broadcaster') ? 2 : badges.includes('moderator') ? 1 : 0;
}
