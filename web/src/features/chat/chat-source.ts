/** The contract between the chat panel and its connection to the server. */
import type { Ref } from 'vue';
import type {
	ChatMessage,
	ChatSettings,
	ClientMessage,
} from '../../../../core/protocol/signaling/signaling-messages.ts';

/** A moderator's action: the socket's message without its type. */
type ChatModeration = Omit<Extract<ClientMessage, { type: 'chat-moderate' }>, 'type'>;

/** The chat of one channel. The source writes the refs, the panel only reads them. */
export interface ChatSource {
	/** Oldest first, bounded by the source; removed ones are gone. */
	readonly messages: Readonly<Ref<readonly ChatMessage[]>>;
	/** Undefined before the first join. */
	readonly settings: Readonly<Ref<ChatSettings | undefined>>;
	/** The viewer's name in chat. Null: may read only. Undefined before the first join. */
	readonly chatName: Readonly<Ref<string | null | undefined>>;
	readonly canModerate: Readonly<Ref<boolean>>;
	/** A moderator's pause until a monotonic time, or ban (null); undefined without one. */
	readonly restriction?: Readonly<Ref<{ untilMs: number | null } | undefined>>;
	/** While false, what is shown may be old, and nothing can be sent. */
	readonly isConnected: Readonly<Ref<boolean>>;
	/** Messages were missed that the server has deleted. */
	readonly hasGap?: Readonly<Ref<boolean>>;
	/** Why the last moderation failed; undefined after one that was sent. */
	readonly moderationProblem?: Readonly<Ref<string | undefined>>;
	/** Resolves when the server has accepted it; rejects with an ApiError. */
	send(text: string): Promise<void>;
	moderate(action: ChatModeration): void;
}
