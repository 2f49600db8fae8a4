/** A TCP or TLS socket as an RTMP session sees it: writes, and an end that is sure to come. */
import type { Socket } from 'node:net';
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { RtmpConnection } from './rtmp-connection.ts';

/** Wraps one socket. Reading is left to whoever made it. */
export class SocketConnection implements RtmpConnection {
	/** IP address of the other end. */
	readonly remoteAddress: string;
	readonly #deps: { clock: Clock; socket: Socket };
	readonly #lingerMs: number;
	#endPromise: Promise<void> | undefined;

	/** `lingerMs` is how long the other end may take to read our last words and close. */
	constructor(deps: { clock: Clock; socket: Socket }, options: { remoteAddress: string; lingerMs: number }) {
		this.#deps = deps;
		this.remoteAddress = options.remoteAddress;
		this.#lingerMs = options.lingerMs;
	}

	/** Bytes written and not yet given to the kernel. */
	get pendingWriteBytes(): number {
		return this.#deps.socket.writableLength;
	}

	/** Writes unless the socket is gone. */
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
			// What still arrives is read and dropped meanwhile: closing a socket with unread bytes resets the connection, and
			// the encoder would not learn why it was refused.
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
