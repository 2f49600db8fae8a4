/** The newest messages of a room, for members who join. */
import type { ChatMessage } from '../../../core/protocol/signaling/signaling-messages.ts';

/** Kept messages; a returning member who missed more has a gap. */
const MAX_RECENT = 500;
/** Messages for a new member. */
const NEWCOMER_COUNT = 50;

type Recent = { message: ChatMessage; isLate: boolean; isRemoved: boolean };

/** In the order of delivery, which is the same on all nodes except during an outage of the bus. */
export class RecentMessages {
	readonly #recent: Recent[] = [];

	/** `isLate`: written while the bus was lost; other nodes may have delivered it after its successors. */
	add(message: ChatMessage, isLate: boolean): void {
		this.#recent.push({ message, isLate, isRemoved: false });
		this.#recent.splice(0, this.#recent.length - MAX_RECENT);
	}

	/** Undefined for a removed or too old message. */
	find(messageId: string): ChatMessage | undefined {
		return this.#recent.find(({ message, isRemoved }) => message.id === messageId && !isRemoved)?.message;
	}

	/** Hides the matching messages, but keeps their places for after(). */
	remove(isMatch: (message: ChatMessage) => boolean): void {
		for (const recent of this.#recent) {
			recent.isRemoved ||= isMatch(recent.message);
		}
	}

	/**
	 * The messages after `lastId`, or, without it, the newest ones. After an outage of the bus they can include messages
	 * that the member has: these carry the same ids.
	 */
	after(lastId: string | undefined): { messages: ChatMessage[]; hasGap: boolean } {
		const index = lastId === undefined ? -1 : this.#recent.findLastIndex(({ message }) => message.id === lastId);
		if (index === -1) {
			const newest = shown(this.#recent).slice(-NEWCOMER_COUNT);
			return { messages: newest, hasGap: lastId !== undefined && this.#recent.length > 0 };
		}
		// The member may come from a node that delivered the messages around a late one in another order.
		const isOrderSure = this.#recent.slice(index).every(({ isLate }) => !isLate);
		return { messages: shown(isOrderSure ? this.#recent.slice(index + 1) : this.#recent), hasGap: false };
	}
}

function shown(recent: readonly Recent[]): ChatMessage[] {
	return recent.filter(({ isRemoved }) => !isRemoved).map(({ message }) => message);
}
