/** A session's interface to its socket, and its outbound messages. */
import { ChunkWriter } from '../../core/wire/rtmp/chunk-writer.ts';
import { statusMessage, type StatusCode } from '../../core/wire/rtmp/rtmp-commands.ts';
import { acknowledgementMessage, type RtmpMessage } from '../../core/wire/rtmp/rtmp-messages.ts';

/** The socket of a session. None of the calls throws. */
export interface RtmpConnection {
	/** IP address of the other end. */
	readonly remoteAddress: string;
	/** Bytes written and not yet accepted by the other end. */
	readonly pendingWriteBytes: number;
	write(bytes: Uint8Array): void;
	/** Ends our direction after the last write. Resolves when the connection is gone, at the latest after a while. */
	end(): Promise<void>;
}

/** Both directions (Adobe RTMP 1.0 §5.4.4, §5.4.5); also the default for a peer that states none. */
export const ACKNOWLEDGEMENT_WINDOW_BYTES = 2_500_000;

/** Our direction of one connection. */
export class RtmpOutbound {
	readonly #deps: { connection: RtmpConnection; onNotReading: () => void };
	readonly #maxPendingWriteBytes: number;
	readonly #writer = new ChunkWriter();
	#acknowledgedBytes = 0;

	/** The peer's window. */
	acknowledgementWindowBytes = ACKNOWLEDGEMENT_WINDOW_BYTES;
	/** Message stream of status messages: the one that `publish` came on. */
	statusStreamId = 0;

	/** `onNotReading` is called after a send that leaves more than `maxPendingWriteBytes` waiting. */
	constructor(
		deps: { connection: RtmpConnection; onNotReading: () => void },
		{ maxPendingWriteBytes }: { maxPendingWriteBytes: number },
	) {
		this.#deps = deps;
		this.#maxPendingWriteBytes = maxPendingWriteBytes;
	}

	/** Sends raw bytes: the handshake. */
	sendBytes(bytes: Uint8Array): void {
		if (bytes.length > 0) {
			this.#deps.connection.write(bytes);
		}
	}

	send(message: RtmpMessage): void {
		const { connection, onNotReading } = this.#deps;
		connection.write(this.#writer.write(message));
		if (connection.pendingWriteBytes > this.#maxPendingWriteBytes) {
			onNotReading();
		}
	}

	/** Sends an `onStatus`. */
	sendStatus(code: StatusCode, description: string): void {
		this.send(statusMessage(this.statusStreamId, code, description));
	}

	/**
	 * Acknowledges the received bytes when it is time. Adobe RTMP 1.0 §5.4.3: either side "MUST send an acknowledgment to
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
