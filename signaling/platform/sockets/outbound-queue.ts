/** Bounds the messages that wait to be sent to one slow viewer. */

/** Above this many unsent bytes droppable messages are dropped. @internal for tests */
export const SOFT_LIMIT_BYTES = 128 * 1024;
/** Above this many the socket is closed: its messages are too old and fill the memory. @internal for tests */
export const HARD_LIMIT_BYTES = 1024 * 1024;
/**
 * A socket that drops for longer than this without a pause is closed: after a reconnect the viewer gets the history.
 * @internal for tests
 */
export const MAX_DROPPING_MS = 10_000;

/** `vital`: decisions and other unique messages, which are sent or the socket is closed. `droppable`: chat, counts. */
export type Importance = 'vital' | 'droppable';

type QueuedSocket = {
	/** Bytes passed to send() that have not left for the network. */
	readonly bufferedAmount: number;
	send(text: string): void;
};

/** The socket itself is the buffer. */
export class OutboundQueue {
	readonly #socket: QueuedSocket;
	#droppingSinceMs: number | undefined;
	#droppedCount = 0;

	constructor(socket: QueuedSocket) {
		this.#socket = socket;
	}

	get droppedCount(): number {
		return this.#droppedCount;
	}

	/** `too-slow`: the caller must close the socket. `nowMs` is the monotonic time. */
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
