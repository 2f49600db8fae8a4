/**
 * The seam between sockets and audience: what a connection offers to a room, and a room to a connection. Types only.
 */
import type { ClientMessage, ServerMessage } from '../../../core/protocol/signaling/signaling-messages.ts';
import type { SignalingCloseReason } from '../../../core/protocol/signaling/signaling-constants.ts';
import type { User } from '../../accounts/user.ts';
import type { Importance } from '../../platform/sockets/outbound-queue.ts';

/** The first message. */
export type JoinMessage = Extract<ClientMessage, { type: 'join' }>;
/** What follows it; the socket answers `clock` itself, so that no time is lost on the way. */
export type ViewerMessage = Exclude<ClientMessage, { type: 'join' | 'clock' }>;

/** One viewer's socket, as rooms see it. Its methods never throw and never wait. */
export interface ViewerConnection {
	/** Without IPv6 form of IPv4. */
	readonly remoteAddress: string;
	/** Undefined: nobody is signed in. */
	readonly user: User | undefined;
	/** False as soon as closing has begun. */
	readonly isOpen: boolean;
	/** Sends one message; vital unless told. */
	send(message: ServerMessage, importance?: Importance): void;
	/** Sends a message that was serialised for many. */
	sendText(text: string, importance: Importance): void;
	close(reason: SignalingCloseReason): void;
}

/**
 * How a connection ended. `left`: closed in order, by the viewer. `lost`: cut. `silent`: no sign of life for the whole
 * lease. `closed`: by us.
 */
export type ConnectionEnd = 'left' | 'lost' | 'silent' | 'closed';

/** A viewer in a room, as its socket sees it. Its methods never throw. */
export interface ViewerSession {
	receive(message: ViewerMessage): void;
	/** Called once. */
	end(how: ConnectionEnd): void;
}

/** Takes viewers in. */
export interface SignalingRooms {
	/**
	 * Sends `joined`. Throws CHANNEL_NOT_FOUND, DATABASE_UNAVAILABLE, SERVER_STOPPING. The session exists even when the
	 * connection closed meanwhile; end() is called then.
	 */
	join(connection: ViewerConnection, message: JoinMessage): Promise<ViewerSession>;
}
