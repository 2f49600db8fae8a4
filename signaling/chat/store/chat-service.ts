/** The interface of chat for the signaling sockets and IRC: rooms, members, frames. Types only. */
import type { ChannelId } from '../../../core/ids.ts';
import type { User } from '../../accounts/user.ts';
import type {
	ChatMessage,
	ChatSettings,
	ChatStanding,
	ServerMessage,
} from '../../../core/protocol/signaling/signaling-messages.ts';

/** Deleted messages that are still in the history, or an author whose messages were all removed. */
export type ChatRemoval = {
	messages: ChatMessage[];
	/** Seconds of a timeout; undefined: banned. */
	author: { name: string; seconds: number | undefined } | undefined;
};

/** A message as every member gets it: serialised once for all. */
export type ChatFrame = {
	/** `chat`, `chat-removed`, `chat-settings`, or `chat-standing` for one member. */
	message: ServerMessage;
	/** `message` as JSON. */
	text: string;
	/**
	 * Member ids of the senders, in the order of `message.messages`; undefined for members of other nodes. IRC does not
	 * send a message back to its sender.
	 */
	senderIds: readonly (string | undefined)[];
	/** For `chat-removed`: details for IRC. */
	removal?: ChatRemoval | undefined;
};

/** One connection to a room. */
export type ChatMember = {
	/** Unique among the connections of this installation; a viewer's id. */
	id: string;
	/** Undefined: a guest. */
	user: User | undefined;
	/** Only its hash is kept or sent to other nodes. */
	remoteAddress: string;
	/** True for members who may never write, such as IRC's justinfan. */
	isReadOnly?: boolean;
	/** Must not block, and must disconnect a member that cannot keep up. May be called as soon as join() resolves. */
	deliver(frame: ChatFrame): void;
};

export type ChatJoinResult = ChatStanding & {
	/** Oldest first. */
	history: ChatMessage[];
	/** True when the member's newest message is no longer kept. */
	hasGap: boolean;
	settings: ChatSettings;
	/** The member's own badges. */
	badges: ChatMessage['author']['badges'];
};

/** The signaling message `chat-moderate` matches it. */
export type ModerationRequest = {
	action: 'delete' | 'timeout' | 'ban' | 'unban';
	/** The message to delete, or a message of the author. */
	messageId?: string;
	userName?: string;
	/** Of a timeout; default 600. */
	seconds?: number;
};

/** A message before its checks. */
export type ChatDraft = {
	text: string;
	/** Capture time of the picture that the author saw, epoch ms. */
	captureTimeMs?: number;
};

export type ChatSendResult = {
	messageId: string;
	/** The author's present badges, which can have changed since they joined. */
	badges: ChatMessage['author']['badges'];
};

/** The chat of one channel on this node. */
export interface ChatRoom {
	/** History first, then frames. `lastChatId`: the newest message that the member has; untrusted. */
	join(member: ChatMember, lastChatId: string | undefined): Promise<ChatJoinResult>;
	/** Does nothing for an unknown member. */
	leave(memberId: string): void;
	/**
	 * Sends a message, or runs a slash command. Resolves when it is on the bus or, while that is lost, delivered locally.
	 * Throws a SpillwayError with code CHAT_…, with `retryAfterSeconds` where waiting helps; SESSION_NOT_FOUND for an
	 * unknown member.
	 */
	send(memberId: string, draft: ChatDraft): Promise<ChatSendResult>;
	/** Throws CHAT_MODERATION_REFUSED, CHAT_TARGET_UNKNOWN, or DATABASE_UNAVAILABLE when it applies but is not stored. */
	moderate(memberId: string, request: ModerationRequest): Promise<void>;
	/** Ends one open(). The room closes with the last one. Idempotent. */
	close(): void;
}

/** All rooms of this node. */
export interface ChatService {
	/** All callers share one room per channel and node. */
	open(channelId: ChannelId): ChatRoom;
	/** Call it on every node when a channel's chat settings, owner or moderators have changed. */
	settingsChanged(channelId: ChannelId): void;
	/** Lifts an author's restrictions on all nodes. The caller checks the permission. Throws CHAT_TARGET_UNKNOWN. */
	release(channelId: ChannelId, authorName: string): Promise<void>;
}
