/** The newest messages of a room as this node told them, for those who join. */
import type { ChatMessage } from '../../../core/protocol/signaling/signaling-messages.ts';

/** Messages kept for those who come back; who was away for longer has a gap. */
const MAX_RECENT = 500;
/** Messages that a newcomer gets. */
const NEWCOMER_COUNT = 50;

type Recent = { message: ChatMessage; isLate: boolean; isRemoved: boolean };

/** In the order of telling, which is the same on all nodes as long as the bus is there. */
export class RecentMessages {
	readonly #recent: Recent[] = [];

	/** `isLate`: written while the bus was lost; others may have been told of it later than of what follows. */
	add(message: ChatMessage, isLate: boolean): void {
		this.#recent.push({ message, isLate, isRemoved: false });
		this.#recent.splice(0, this.#recent.length - MAX_RECENT);
	}

	/** The message, unless it was removed or is too old. */
	find(messageId: string): ChatMessage | undefined {
		return this.#recent.find(({ message, isRemoved }) => message.id === messageId && !isRemoved)?.message;
	}

	/** Leaves it out from now on, but remembers where it was. */
	remove(messageId: string): void {
		for (const recent of this.#recent) {
			recent.isRemoved ||= recent.message.id === messageId;
		}
	}

	/** Leaves out all of an author. */
	removeOf(authorId: string): void {
		for (const recent of this.#recent) {
			recent.isRemoved ||= recent.message.author.id === authorId;
		}
	}

	/**
	 * What a member who has everything up to `lastId` lacks, or, without it, the newest ones. After an outage of the bus
	 * it may hold messages that the member has: they carry the same ids.
	 */
	after(lastId: string | undefined): { messages: ChatMessage[]; hasGap: boolean } {
		const index = lastId === undefined ? -1 : this.#recent.findLastIndex(({ message }) => message.id === lastId);
		if (index === -1) {
			const newest = shown(this.#recent).slice(-NEWCOMER_COUNT);
			return { messages: newest, hasGap: lastId !== undefined && this.#recent.length > 0 };
		}
		// Those around a late one were told in another order elsewhere, where the member may have been.
		const isOrderSure = this.#recent.slice(index).every(({ isLate }) => !isLate);
		return { messages: shown(isOrderSure ? this.#recent.slice(index + 1) : this.#recent), hasGap: false };
	}
}

function shown(recent: readonly Recent[]): ChatMessage[] {
	return recent.filter(({ isRemoved }) => !isRemoved).map(({ message }) => message);
}
