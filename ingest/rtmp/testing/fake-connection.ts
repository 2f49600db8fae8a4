/** A connection without a socket: records the session's output and reads it as an encoder does. */
import { decodeAmf0, type Amf0Value } from '../../../core/wire/amf0.ts';
import { ChunkReader } from '../../../core/wire/rtmp/chunk-reader.ts';
import { HANDSHAKE_PACKET_BYTES } from '../../../core/wire/rtmp/handshake.ts';
import type { RtmpConnection } from '../rtmp-connection.ts';
import { MESSAGE_TYPE, type RtmpMessage } from '../../../core/wire/rtmp/rtmp-messages.ts';

/** Tests set {@link FakeConnection.pendingWriteBytes} to play a peer that does not read. */
export class FakeConnection implements RtmpConnection {
	/** A documentation address (RFC 5737). */
	readonly remoteAddress = '192.0.2.7';
	pendingWriteBytes = 0;
	/** How often end() was called. */
	endCount = 0;
	readonly writes: Uint8Array[] = [];

	write(bytes: Uint8Array): void {
		this.writes.push(bytes);
	}

	end(): Promise<void> {
		this.endCount++;
		return Promise.resolve();
	}

	/** The messages after the handshake. */
	get messages(): RtmpMessage[] {
		const sent: RtmpMessage[] = [];
		const bytes = new Uint8Array(Buffer.concat(this.writes));
		new ChunkReader((message) => sent.push(message)).push(bytes.subarray(1 + 2 * HANDSHAKE_PACKET_BYTES));
		return sent;
	}

	/** The commands among them, as plain values. */
	get commands(): unknown[][] {
		return this.messages
			.filter((message) => message.typeId === MESSAGE_TYPE.COMMAND_AMF0)
			.map((message) => decodeAmf0(message.payload).map(plain));
	}

	/** The codes of all onStatus commands. */
	get statusCodes(): unknown[] {
		return this.commands
			.filter(([name]) => name === 'onStatus')
			.map((command) => (command[3] as Record<string, unknown>)['code']);
	}
}

/** Maps → objects, for comparisons. */
function plain(value: Amf0Value): unknown {
	if (value instanceof Map) {
		return Object.fromEntries([...value].map(([name, item]) => [name, plain(item)]));
	}
	return Array.isArray(value) ? value.map(plain) : value;
}
