/**
 * Counts what a server sends again, from the packets alone: RTP over the same stream or one for retransmissions (RFC
 * 4588), and TCP. Pure.
 */
import { unwrap } from '../../../core/units.ts';
import type { InnerPacket } from './tunnel-frame.ts';

/** Remembered numbers of a stream, and timestamps of all streams: some seconds of a picture of 6 Mbit/s. */
const MAX_NUMBERS = 4096;
/** Streams and connections; the oldest is forgotten. */
const MAX_FLOWS = 1000;

type RtpStream = { numbers: Set<number>; isRetransmission: boolean };

export class ResendCounter {
	readonly #streams = new Map<number, RtpStream>();
	/** RTP timestamp → payload type of the stream in which it was first seen. */
	readonly #timestamps = new Map<number, number>();
	/** Connection → the sequence number after the highest that was sent, unwrapped. */
	readonly #connections = new Map<string, number>();

	/** How many bytes of this packet, which goes to the viewer, were sent before. */
	resentBytes(frame: Buffer, packet: InnerPacket): number {
		return packet.protocol === 'tcp' ? this.#ofTcp(frame, packet) : this.#ofUdp(frame, packet);
	}

	#ofTcp(frame: Buffer, { flow, headerAt, endAt }: InnerPacket): number {
		const dataAt = headerAt + (frame[headerAt + 12]! >> 4) * 4;
		const length = Math.max(0, endAt - dataAt);
		const highest = this.#connections.get(flow);
		const wrapped = frame.readUInt32BE(headerAt + 4);
		const from = highest === undefined ? wrapped : unwrap(wrapped, highest, 32);
		const isStart = (frame[headerAt + 13]! & 0x02) !== 0;
		if (highest === undefined || isStart) {
			remember(this.#connections, flow, from + length + (isStart ? 1 : 0), MAX_FLOWS);
			return 0;
		}
		this.#connections.set(flow, Math.max(highest, from + length));
		return Math.min(length, Math.max(0, highest - from));
	}

	#ofUdp(frame: Buffer, { headerAt, endAt }: InnerPacket): number {
		const at = headerAt + 8;
		const length = endAt - at;
		// RFC 7983 §7: 128–191 is RTP or RTCP; RFC 5761 §4: RTCP's second byte is 192–223.
		if (length < 12 || frame[at]! < 128 || frame[at]! > 191 || (frame[at + 1]! >= 192 && frame[at + 1]! <= 223)) {
			return 0;
		}
		const [number, timestamp, ssrc] = [
			frame.readUInt16BE(at + 2),
			frame.readUInt32BE(at + 4),
			frame.readUInt32BE(at + 8),
		];
		const payloadType = frame[at + 1]! & 0x7f;
		let stream = this.#streams.get(ssrc);
		if (stream === undefined) {
			// RFC 4588 §4: a retransmission has the timestamp of the original, in a stream and a payload type of its own.
			// Another viewer gets the same sound at the same time, in the same type.
			const first = this.#timestamps.get(timestamp);
			stream = { numbers: new Set(), isRetransmission: first !== undefined && first !== payloadType };
			remember(this.#streams, ssrc, stream, MAX_FLOWS);
		}
		if (stream.isRetransmission) {
			return length;
		}
		if (!this.#timestamps.has(timestamp)) {
			remember(this.#timestamps, timestamp, payloadType, MAX_NUMBERS);
		}
		if (stream.numbers.has(number)) {
			return length;
		}
		stream.numbers.add(number);
		if (stream.numbers.size > MAX_NUMBERS) {
			stream.numbers.delete(stream.numbers.values().next().value!);
		}
		return 0;
	}
}

function remember<Key, Value>(map: Map<Key, Value>, key: Key, value: Value, maxCount: number): void {
	map.set(key, value);
	if (map.size > maxCount) {
		map.delete(map.keys().next().value!);
	}
}
