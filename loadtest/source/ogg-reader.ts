/** Takes Opus packets out of Ogg as FFmpeg writes it to a pipe (RFC 3533, RFC 7845). */

const PAGE_HEADER_BYTES = 27;
/** OpusHead and OpusTags. */
const HEADER_PACKETS = 2;

/** Push bytes in, get Opus packets out. Throws when the bytes are not Ogg. */
export class OggOpusReader {
	#pending: Uint8Array = new Uint8Array(0);
	#packet: Uint8Array[] = [];
	#packetCount = 0;

	push(bytes: Uint8Array): Uint8Array[] {
		this.#pending = Buffer.concat([this.#pending, bytes]);
		const packets: Uint8Array[] = [];
		while (this.#pending.length >= PAGE_HEADER_BYTES) {
			if (this.#pending[0] !== 0x4f || this.#pending[1] !== 0x67) {
				throw new Error('These bytes are not an Ogg page.');
			}
			const segmentCount = this.#pending[26]!;
			const lacing = this.#pending.subarray(PAGE_HEADER_BYTES, PAGE_HEADER_BYTES + segmentCount);
			const bodyBytes = lacing.reduce((sum, value) => sum + value, 0);
			const start = PAGE_HEADER_BYTES + segmentCount;
			if (lacing.length < segmentCount || this.#pending.length < start + bodyBytes) {
				break;
			}
			this.#readPage(lacing, this.#pending.subarray(start, start + bodyBytes), packets);
			this.#pending = this.#pending.subarray(start + bodyBytes);
		}
		return packets;
	}

	// RFC 3533 §5: a lacing value below 255 ends a packet.
	#readPage(lacing: Uint8Array, body: Uint8Array, packets: Uint8Array[]): void {
		let offset = 0;
		for (const length of lacing) {
			this.#packet.push(body.slice(offset, offset + length));
			offset += length;
			if (length < 255) {
				if (this.#packetCount++ >= HEADER_PACKETS) {
					packets.push(Buffer.concat(this.#packet));
				}
				this.#packet = [];
			}
		}
	}
}
