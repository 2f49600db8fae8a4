/** The interfaces between sockets and rooms. Types only. */
import type { ClientMessage, ServerMessage } from '../../../core/protocol/signaling/signaling-messages.ts';
import type { SignalingCloseReason } from '../../../core/protocol/signaling/signaling-constants.ts';
import type { User } from '../../accounts/user.ts';
import type { Importance } from '../../platform/sockets/outbound-queue.ts';

export type JoinMessage = Extract<ClientMessage, { type: 'join' }>;
/** Messages after the join; the socket itself answers `clock`, without delay. */
export type ViewerMessage = Exclude<ClientMessage, { type: 'join' | 'clock' }>;

/** One viewer's socket. Its methods never throw and never wait. */
export interface ViewerConnection {
	/** IPv4 addresses without the IPv6 prefix. */
	readonly remoteAddress: string;
	/** Undefined for a guest. */
	readonly user: User | undefined;
	/** False as soon as closing has begun. */
	readonly isOpen: boolean;
	/** Vital by default. */
	send(message: ServerMessage, importance?: Importance): void;
	/** Sends a message that was serialised once for many viewers. */
	sendText(text: string, importance: Importance): void;
	close(reason: SignalingCloseReason): void;
}

/**
 * How a connection ended. `left`: closed in order, by the viewer. `lost`: cut. `silent`: no sign of life for the whole
 * lease. `closed`: by the server.
 */
export type ConnectionEnd = 'left' | 'lost' | 'silent' | 'closed';

/** A viewer in a room. Its methods never throw. */
export interface ViewerSession {
	receive(message: ViewerMessage): void;
	/** Called once. */
	end(how: ConnectionEnd): void;
}

export interface SignalingRooms {
	/**
	 * Sends `joined`. Throws CHANNEL_NOT_FOUND, DATABASE_UNAVAILABLE, SERVER_STOPPING. The session exists even when the
	 * connection closed meanwhile; end() is called then.
	 */
	join(connection: ViewerConnection, message: JoinMessage): Promise<ViewerSession>;
}
