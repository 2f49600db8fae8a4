/** What the chat panel needs from whoever talks to the server; the signaling client gives it. */
import type { Ref } from 'vue';
import type {
	ChatMessage,
	ChatSettings,
	ClientMessage,
} from '../../../../core/protocol/signaling/signaling-messages.ts';

/** What a moderator does: the socket's message without its type. */
type ChatModeration = Omit<Extract<ClientMessage, { type: 'chat-moderate' }>, 'type'>;

/** The chat of one channel. All refs are written by the source and only read by the panel. */
export interface ChatSource {
	/** Oldest first, bounded by the source; removed ones are gone. */
	readonly messages: Readonly<Ref<readonly ChatMessage[]>>;
	/** Undefined before the first join. */
	readonly settings: Readonly<Ref<ChatSettings | undefined>>;
	/** The viewer's name in chat. Null: may read only. Undefined before the first join. */
	readonly chatName: Readonly<Ref<string | null | undefined>>;
	readonly canModerate: Readonly<Ref<boolean>>;
	/** A moderator's word: until that monotonic time, or for good (null), the viewer may not write. Undefined: none. */
	readonly restriction?: Readonly<Ref<{ untilMs: number | null } | undefined>>;
	/** Joined now. While false, what is shown may be old and nothing can be sent. */
	readonly isConnected: Readonly<Ref<boolean>>;
	/** Messages were missed that the server no longer keeps. */
	readonly hasGap?: Readonly<Ref<boolean>>;
	/** Why the last moderation was not done; undefined after one that was sent. */
	readonly moderationProblem?: Readonly<Ref<string | undefined>>;
	/**
	 * Resolves when the server has taken it; rejects with an error that has `code`, `message` and perhaps
	 * `retryAfterMs`.
	 */
	send(text: string): Promise<void>;
	moderate(action: ChatModeration): void;
}
