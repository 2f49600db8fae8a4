/** The server's side of the simple RTMP handshake, as bytes in and bytes out. */
import { SpillwayError } from '../../errors/errors.ts';

/** Length of C1, S1, C2 and S2 (Adobe RTMP 1.0 §5.2.3). */
export const HANDSHAKE_PACKET_BYTES = 1536;
/** Random bytes in S1, after its two 4-byte fields. */
export const HANDSHAKE_RANDOM_BYTES = HANDSHAKE_PACKET_BYTES - 8;
const RTMP_VERSION = 3;
/** First byte of a TLS record with a ClientHello: a URL with rtmps:// and the plain port. */
const TLS_HANDSHAKE_RECORD = 0x16;
/** Adobe RTMP 1.0 §5.2.2: larger first bytes are "not allowed", which distinguishes RTMP from text protocols. */
const FIRST_TEXT_VERSION = 32;

type HandshakeStep = {
	/** To be sent at once; may be empty. */
	reply: Uint8Array;
	/** True when C2 is complete. Do not push again then. */
	isComplete: boolean;
	/** Bytes after C2: the first chunks. A view of the pushed bytes. */
	rest: Uint8Array;
};

const NOTHING = new Uint8Array(0);

/** One client's handshake. Buffers at most one packet. */
export class Handshake {
	readonly #s1Random: Uint8Array;
	readonly #packet = new Uint8Array(1 + HANDSHAKE_PACKET_BYTES);
	#receivedBytes = 0;
	#isAwaitingC2 = false;

	/** `s1Random` are {@link HANDSHAKE_RANDOM_BYTES} unpredictable bytes; tests pass fixed ones. */
	constructor(s1Random: Uint8Array = crypto.getRandomValues(new Uint8Array(HANDSHAKE_RANDOM_BYTES))) {
		if (s1Random.length !== HANDSHAKE_RANDOM_BYTES) {
			throw new TypeError(`S1 needs ${HANDSHAKE_RANDOM_BYTES} random bytes, got ${s1Random.length}.`);
		}
		this.#s1Random = s1Random;
	}

	/** Accepts pieces of any size. Throws RTMP_PROTOCOL_ERROR when the first byte is not RTMP. */
	push(bytes: Uint8Array): HandshakeStep {
		let offset = 0;
		let reply: Uint8Array = NOTHING;
		if (!this.#isAwaitingC2) {
			offset = this.#collect(bytes, 0, 1 + HANDSHAKE_PACKET_BYTES);
			if (this.#receivedBytes > 0) {
				checkVersion(this.#packet[0]!);
			}
			if (this.#receivedBytes < 1 + HANDSHAKE_PACKET_BYTES) {
				return { reply, isComplete: false, rest: NOTHING };
			}
			reply = this.#buildReply();
			this.#isAwaitingC2 = true;
			this.#receivedBytes = 0;
		}
		// C2 should echo S1. It is counted, not compared: FFmpeg and some mobile encoders send other bytes.
		offset = this.#collect(bytes, offset, HANDSHAKE_PACKET_BYTES);
		const isComplete = this.#receivedBytes === HANDSHAKE_PACKET_BYTES;
		return { reply, isComplete, rest: isComplete ? bytes.subarray(offset) : NOTHING };
	}

	#collect(bytes: Uint8Array, offset: number, wantedBytes: number): number {
		const taken = Math.min(wantedBytes - this.#receivedBytes, bytes.length - offset);
		this.#packet.set(bytes.subarray(offset, offset + taken), this.#receivedBytes);
		this.#receivedBytes += taken;
		return offset + taken;
	}

	#buildReply(): Uint8Array {
		const reply = new Uint8Array(1 + 2 * HANDSHAKE_PACKET_BYTES);
		// Adobe RTMP 1.0 §5.2.2: a server that does not know the requested version "SHOULD respond with 3".
		reply[0] = RTMP_VERSION;
		// S1: time 0, four zero bytes (which also announce no digest handshake), random.
		reply.set(this.#s1Random, 1 + 8);
		// S2: C1's time, our time when it was read (0, as in S1), C1's random bytes.
		const s2 = 1 + HANDSHAKE_PACKET_BYTES;
		reply.set(this.#packet.subarray(1, 5), s2);
		reply.set(this.#packet.subarray(9), s2 + 8);
		return reply;
	}
}

function checkVersion(version: number): void {
	if (version === TLS_HANDSHAKE_RECORD) {
		throw new SpillwayError('RTMP_PROTOCOL_ERROR', ['a TLS handshake came to the port for plain RTMP']);
	}
	if (version >= FIRST_TEXT_VERSION) {
		throw new SpillwayError('RTMP_PROTOCOL_ERROR', [`the first byte is ${version}, which is not an RTMP version`]);
	}
}
