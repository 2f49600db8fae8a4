/** What a session needs of the socket beneath it, and everything that we say over it. */
import { ChunkWriter } from '../../core/wire/rtmp/chunk-writer.ts';
import { statusMessage, type StatusCode } from '../../core/wire/rtmp/rtmp-commands.ts';
import { acknowledgementMessage, type RtmpMessage } from '../../core/wire/rtmp/rtmp-messages.ts';

/** The socket as a session sees it. None of the calls throws. */
export interface RtmpConnection {
	/** IP address of the other end. */
	readonly remoteAddress: string;
	/** Bytes written and not yet taken by the other end. */
	readonly pendingWriteBytes: number;
	write(bytes: Uint8Array): void;
	/**
	 * Ends our direction once all is written; then, or after a while, the connection is gone and the promise resolves.
	 */
	end(): Promise<void>;
}

/** Both directions (Adobe RTMP 1.0 §5.4.4, §5.4.5); also what we assume of a peer that does not say. */
export const ACKNOWLEDGEMENT_WINDOW_BYTES = 2_500_000;

/** Our direction of one connection. */
export class RtmpOutbound {
	readonly #connection: RtmpConnection;
	readonly #maxPendingWriteBytes: number;
	readonly #onNotReading: () => void;
	readonly #writer = new ChunkWriter();
	#acknowledgedBytes = 0;

	/** What the peer asked to be told of, in bytes. */
	acknowledgementWindowBytes = ACKNOWLEDGEMENT_WINDOW_BYTES;
	/** Message stream of status messages: the one that `publish` came on. */
	statusStreamId = 0;

	/** `onNotReading` is called after a send that leaves more than `maxPendingWriteBytes` waiting. */
	constructor(connection: RtmpConnection, maxPendingWriteBytes: number, onNotReading: () => void) {
		this.#connection = connection;
		this.#maxPendingWriteBytes = maxPendingWriteBytes;
		this.#onNotReading = onNotReading;
	}

	/** Sends bytes as they are: the handshake. */
	sendBytes(bytes: Uint8Array): void {
		if (bytes.length > 0) {
			this.#connection.write(bytes);
		}
	}

	/** Sends a message. */
	send(message: RtmpMessage): void {
		this.#connection.write(this.#writer.write(message));
		if (this.#connection.pendingWriteBytes > this.#maxPendingWriteBytes) {
			this.#onNotReading();
		}
	}

	/** Sends an `onStatus`. */
	sendStatus(code: StatusCode, description: string): void {
		this.send(statusMessage(this.statusStreamId, code, description));
	}

	/**
	 * Acknowledges what was received if it is time. Adobe RTMP 1.0 §5.4.3: either side "MUST send an acknowledgment to
	 * the peer after receiving bytes equal to the window size". Called once for each piece that arrives, so that a tiny
	 * window costs little.
	 */
	acknowledge(receivedBytes: number): void {
		if (receivedBytes - this.#acknowledgedBytes >= this.acknowledgementWindowBytes) {
			this.#acknowledgedBytes = receivedBytes;
			this.send(acknowledgementMessage(receivedBytes % 2 ** 32));
		}
	}
}
