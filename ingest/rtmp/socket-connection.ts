/** A TCP or TLS socket for an RTMP session: writes, and an end with a deadline. */
import type { Socket } from 'node:net';
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { RtmpConnection } from './rtmp-connection.ts';

/** Wraps one socket, without reading from it. */
export class SocketConnection implements RtmpConnection {
	/** IP address of the other end. */
	readonly remoteAddress: string;
	readonly #deps: { clock: Clock; socket: Socket };
	readonly #lingerMs: number;
	#endPromise: Promise<void> | undefined;

	/** `lingerMs`: how long the other end may take to read our last answer and close. */
	constructor(deps: { clock: Clock; socket: Socket }, options: { remoteAddress: string; lingerMs: number }) {
		this.#deps = deps;
		this.remoteAddress = options.remoteAddress;
		this.#lingerMs = options.lingerMs;
	}

	/** Bytes written and not yet given to the kernel. */
	get pendingWriteBytes(): number {
		return this.#deps.socket.writableLength;
	}

	write(bytes: Uint8Array): void {
		if (this.#deps.socket.writable) {
			this.#deps.socket.write(bytes);
		}
	}

	/** See {@link RtmpConnection.end}. Idempotent. */
	end(): Promise<void> {
		const { clock, socket } = this.#deps;
		this.#endPromise ??= new Promise((resolve) => {
			if (socket.closed) {
				resolve();
				return;
			}
			// Bytes that still arrive are read and dropped. Closing a socket with unread bytes resets the connection, and
			// then the encoder never gets the reason of its refusal.
			socket.end();
			socket.resume();
			const cancelTimer = clock.setTimeout(() => socket.destroy(), this.#lingerMs);
			socket.once('close', () => {
				cancelTimer();
				resolve();
			});
		});
		return this.#endPromise;
	}
}
