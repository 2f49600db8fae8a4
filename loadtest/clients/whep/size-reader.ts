/**
 * Finds the size of an H.264 picture in a stream whose packets are encrypted: names the few packets that may hold an
 * SPS, and reads them once they are decrypted. Pure.
 */
import { NAL_TYPE, nalType } from '../../../core/media/h264.ts';
import { parseSps } from '../../../core/media/h264-parameter-sets.ts';

export type PictureSize = { widthPixels: number; heightPixels: number };

/** After a size: each search costs the decryption of a packet of every picture up to the next key frame. */
const SEARCH_PAUSE_MS = 5000;
const STAP_A = 24;
/** Come before the first slice of a picture. */
const BEFORE_SLICES: readonly number[] = [NAL_TYPE.AUD, NAL_TYPE.SEI, NAL_TYPE.SPS, NAL_TYPE.PPS];

export class SizeReader {
	readonly #payloadType: number;
	#timestamp: number | undefined;
	/** Only parameter sets and delimiters so far in this picture. */
	#isBeforeSlices = false;
	#searchAtMs = -Infinity;

	constructor(payloadType: number) {
		this.#payloadType = payloadType;
	}

	/** Whether the packet must be decrypted for {@link read}. Call for every packet. */
	wants(datagram: Buffer, nowMs: number): boolean {
		if (datagram.length < 12 || (datagram[1]! & 0x7f) !== this.#payloadType) {
			return false;
		}
		const timestamp = datagram.readUInt32BE(4);
		if (timestamp !== this.#timestamp) {
			this.#timestamp = timestamp;
			this.#isBeforeSlices = true;
		}
		return this.#isBeforeSlices && nowMs >= this.#searchAtMs;
	}

	/** The size of a decrypted RTP packet with an SPS; undefined for others. */
	read(packet: Buffer, nowMs: number): PictureSize | undefined {
		const nals = nalsOf(packet);
		this.#isBeforeSlices = nals.length > 0 && nals.every((nal) => BEFORE_SLICES.includes(nalType(nal)));
		const sps = nals.find((nal) => nalType(nal) === NAL_TYPE.SPS);
		const facts = sps === undefined ? undefined : parseSps(sps);
		if (facts === undefined) {
			return undefined;
		}
		this.#searchAtMs = nowMs + SEARCH_PAUSE_MS;
		return { widthPixels: facts.widthPixels, heightPixels: facts.heightPixels };
	}
}

// RFC 6184 §5.6, §5.7.1: one NAL unit, or several with a length of 16 bits before each. Empty for a piece of one.
function nalsOf(packet: Buffer): Buffer[] {
	let at = 12 + (packet[0]! & 0x0f) * 4;
	if ((packet[0]! & 0x10) !== 0 && at + 4 <= packet.length) {
		at += 4 + packet.readUInt16BE(at + 2) * 4;
	}
	if (at >= packet.length) {
		return [];
	}
	const type = packet[at]! & 0x1f;
	if (type !== STAP_A) {
		return type < STAP_A ? [packet.subarray(at)] : [];
	}
	const nals: Buffer[] = [];
	for (at++; at + 2 < packet.length;) {
		const length = packet.readUInt16BE(at);
		nals.push(packet.subarray(at + 2, at + 2 + length));
		at += 2 + length;
	}
	return nals.filter(({ length }) => length > 0);
}
