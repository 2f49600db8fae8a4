/** What waits to be sent to one viewer: bounded, and nobody else ever waits for a slow one. */

/** Above this many unsent bytes what is droppable is dropped. @internal for tests */
export const SOFT_LIMIT_BYTES = 128 * 1024;
/** Above this many the viewer is shed: what they get is too old, and it fills our memory. @internal for tests */
export const HARD_LIMIT_BYTES = 1024 * 1024;
/**
 * Who drops for longer than this without a pause is shed: coming again gives them the history instead of holes.
 * @internal for tests
 */
export const MAX_DROPPING_MS = 10_000;

/** `vital`: decisions and all that is said once; is sent or the socket is closed. `droppable`: chat, counts. */
export type Importance = 'vital' | 'droppable';

/** The queue's view of a socket. */
type QueuedSocket = {
	/** Bytes that were given to send() and have not left for the network. */
	readonly bufferedAmount: number;
	send(text: string): void;
};

/** Decides on each message; the socket itself is the buffer. */
export class OutboundQueue {
	readonly #socket: QueuedSocket;
	#droppingSinceMs: number | undefined;
	#droppedCount = 0;

	constructor(socket: QueuedSocket) {
		this.#socket = socket;
	}

	/** Messages that were dropped. */
	get droppedCount(): number {
		return this.#droppedCount;
	}

	/** Sends, drops, or says that the socket must be shed. `nowMs` is the monotonic time. */
	send(text: string, importance: Importance, nowMs: number): 'sent' | 'dropped' | 'too-slow' {
		const waitingBytes = this.#socket.bufferedAmount;
		if (waitingBytes > HARD_LIMIT_BYTES) {
			return 'too-slow';
		}
		if (waitingBytes <= SOFT_LIMIT_BYTES) {
			this.#droppingSinceMs = undefined;
		} else if (importance === 'droppable') {
			this.#droppedCount++;
			this.#droppingSinceMs ??= nowMs;
			return nowMs - this.#droppingSinceMs > MAX_DROPPING_MS ? 'too-slow' : 'dropped';
		}
		this.#socket.send(text);
		return 'sent';
	}
}
