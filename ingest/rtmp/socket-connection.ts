/** A TCP or TLS socket as an RTMP session sees it: writes, and an end that is sure to come. */
import type { Socket } from 'node:net';
import type { CancelTimer, Clock } from '../../core/lifecycle/clock.ts';
import type { RtmpConnection } from './rtmp-connection.ts';

/** Wraps one socket. Reading is left to whoever made it. */
export class SocketConnection implements RtmpConnection {
	/** IP address of the other end. */
	readonly remoteAddress: string;
	readonly #socket: Socket;
	readonly #clock: Clock;
	readonly #lingerMs: number;
	#endPromise: Promise<void> | undefined;

	/** `lingerMs` is how long the other end may take to read our last words and close. */
	constructor(socket: Socket, remoteAddress: string, clock: Clock, lingerMs: number) {
		this.#socket = socket;
		this.remoteAddress = remoteAddress;
		this.#clock = clock;
		this.#lingerMs = lingerMs;
	}

	/** Bytes written and not yet given to the kernel. */
	get pendingWriteBytes(): number {
		return this.#socket.writableLength;
	}

	/** Writes unless the socket is gone. */
	write(bytes: Uint8Array): void {
		if (this.#socket.writable) {
			this.#socket.write(bytes);
		}
	}

	/** See {@link RtmpConnection.end}. Idempotent. */
	end(): Promise<void> {
		this.#endPromise ??= new Promise((resolve) => {
			if (this.#socket.closed) {
				resolve();
				return;
			}
			let cancelTimer: CancelTimer = () => undefined;
			this.#socket.once('close', () => {
				cancelTimer();
				resolve();
			});
			// What still arrives is read and dropped meanwhile: closing a socket with unread bytes resets the connection, and
			// the encoder would not learn why it was refused.
			this.#socket.end();
			this.#socket.resume();
			cancelTimer = this.#clock.setTimeout(() => this.#socket.destroy(), this.#lingerMs);
		});
		return this.#endPromise;
	}
}
