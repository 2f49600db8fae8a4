/** What chat offers to the socket server and to IRC: rooms, members, frames. Types only. */
import type { ChannelId } from '../../../core/ids.ts';
import type { User } from '../../accounts/user.ts';
import type {
	ChatMessage,
	ChatSettings,
	ChatStanding,
	ServerMessage,
} from '../../../core/protocol/signaling/signaling-messages.ts';

/** Deleted messages as far as they are still known, or an author whose messages all went. */
export type ChatRemoval = {
	messages: ChatMessage[];
	/** Seconds of a timeout; undefined: banned. */
	author: { name: string; seconds: number | undefined } | undefined;
};

/** A message as it goes to every member: serialised once for all of them. */
export type ChatFrame = {
	/** `chat`, `chat-removed`, `chat-settings`, or `chat-standing` for one member. */
	message: ServerMessage;
	/** The same as JSON. */
	text: string;
	/**
	 * Member ids of the senders, in the order of `message.messages`; undefined for those of other nodes. For IRC, which
	 * does not send a message back to the connection it came from.
	 */
	senderIds: readonly (string | undefined)[];
	/** For `chat-removed`: what IRC tells besides. */
	removal?: ChatRemoval | undefined;
};

/** One connection that reads a room, and perhaps writes. */
export type ChatMember = {
	/** Unique among the connections of this installation; a viewer's id. */
	id: string;
	/** Undefined: a guest. */
	user: User | undefined;
	/** Of the connection; only a hash of it is kept or sent to other nodes. */
	remoteAddress: string;
	/** True for those who may never write, such as IRC's justinfan. */
	isReadOnly?: boolean;
	/** Must not block, and must shed the member when it cannot keep up. May be called as soon as join() resolves. */
	deliver(frame: ChatFrame): void;
};

/** What a member gets when it joins. */
export type ChatJoinResult = ChatStanding & {
	/** Oldest first. */
	history: ChatMessage[];
	/** True when messages after the one that the member has are no longer kept. */
	hasGap: boolean;
	settings: ChatSettings;
	/** As others see them beside the member's messages. */
	badges: ChatMessage['author']['badges'];
};

/** What a moderator does; the signaling message `chat-moderate` fits. */
export type ModerationRequest = {
	action: 'delete' | 'timeout' | 'ban' | 'unban';
	/** For delete; for timeout and ban it names the author. */
	messageId?: string;
	userName?: string;
	/** Of a timeout; default 600. */
	seconds?: number;
};

/** What a member wants to say. */
export type ChatDraft = {
	text: string;
	/** Capture time of the picture that the author saw, epoch ms. */
	captureTimeMs?: number;
};

/** What became of a draft. */
export type ChatSendResult = {
	messageId: string;
	/** The author's, as they are now: somebody may have become a moderator since they joined. */
	badges: ChatMessage['author']['badges'];
};

/** The chat of one channel on this node. */
export interface ChatRoom {
	/** History first, then frames. `lastChatId`: the newest message that the member has; any text may come. */
	join(member: ChatMember, lastChatId: string | undefined): Promise<ChatJoinResult>;
	/** Harmless for those who are not there. */
	leave(memberId: string): void;
	/**
	 * Sends a message, or carries out a slash command. Resolves when it is kept, or, while the bus is lost, said locally.
	 * Throws a SpillwayError with code CHAT_…, with `retryAfterSeconds` where waiting helps; SESSION_NOT_FOUND for those
	 * who are not members.
	 */
	send(memberId: string, draft: ChatDraft): Promise<ChatSendResult>;
	/**
	 * Throws CHAT_MODERATION_REFUSED, CHAT_TARGET_UNKNOWN, or DATABASE_UNAVAILABLE when it holds for now but is not kept.
	 */
	moderate(memberId: string, request: ModerationRequest): Promise<void>;
	/** Gives up one open(). The room ends with the last one. Idempotent. */
	close(): void;
}

/** All rooms of this node. */
export interface ChatService {
	/** Opens a channel's room, or joins it to those who have it open: one room per channel and node. */
	open(channelId: ChannelId): ChatRoom;
	/** To be called on every node when a channel's chat settings, owner or moderators were changed. */
	settingsChanged(channelId: ChannelId): void;
	/**
	 * Lets somebody write again, on all nodes; who may ask that is for the caller to know. Throws CHAT_TARGET_UNKNOWN.
	 */
	release(channelId: ChannelId, authorName: string): Promise<void>;
}
