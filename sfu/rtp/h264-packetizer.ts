/** Access units of H.264 → RTP payloads (RFC 6184, packetization-mode 1). */

/**
 * Payload bytes per packet. With the stage header (28), SRTP (16), UDP and IP (28) a packet stays under 1280, the
 * smallest MTU that IPv6 guarantees.
 * @internal for tests
 */
export const MAX_PAYLOAD_BYTES = 1180;

const STAP_A = 24;
const FU_A = 28;

/**
 * The payloads of one picture; the last one carries the marker bit. Before an IDR, SPS and PPS come in one STAP-A,
 * because mediasoup recognises a key frame only by its SPS.
 */
export function packetizeH264(
	nals: readonly Uint8Array[],
	parameterSets: { sps: readonly Uint8Array[]; pps: readonly Uint8Array[] } | undefined,
): Buffer[] {
	const payloads: Buffer[] = [];
	if (parameterSets !== undefined) {
		pushParameterSets(payloads, [...parameterSets.sps, ...parameterSets.pps]);
	}
	for (const nal of nals) {
		if (nal.length === 0) {
			continue;
		}
		if (nal.length <= MAX_PAYLOAD_BYTES) {
			payloads.push(Buffer.from(nal.buffer, nal.byteOffset, nal.length));
		} else {
			pushFragments(payloads, nal);
		}
	}
	return payloads;
}

// RFC 6184 §5.7.1: one byte of type with the highest NRI, then each NAL unit after its 16-bit size.
function pushParameterSets(payloads: Buffer[], nals: readonly Uint8Array[]): void {
	const size = nals.reduce((sum, nal) => sum + 2 + nal.length, 1);
	if (size > MAX_PAYLOAD_BYTES) {
		for (const nal of nals) {
			payloads.push(Buffer.from(nal));
		}
		return;
	}
	const payload = Buffer.alloc(size);
	let nri = 0;
	let offset = 1;
	for (const nal of nals) {
		nri = Math.max(nri, nal[0]! & 0x60);
		payload.writeUInt16BE(nal.length, offset);
		payload.set(nal, offset + 2);
		offset += 2 + nal.length;
	}
	payload[0] = nri | STAP_A;
	payloads.push(payload);
}

// RFC 6184 §5.8. Fragments of equal size, so that none is a stub.
function pushFragments(payloads: Buffer[], nal: Uint8Array): void {
	const body = nal.length - 1;
	const count = Math.ceil(body / (MAX_PAYLOAD_BYTES - 2));
	const share = Math.ceil(body / count);
	for (let index = 0; index < count; index++) {
		const start = 1 + index * share;
		const end = Math.min(nal.length, start + share);
		const payload = Buffer.allocUnsafe(2 + end - start);
		payload[0] = (nal[0]! & 0xe0) | FU_A;
		payload[1] = (index === 0 ? 0x80 : 0) | (index === count - 1 ? 0x40 : 0) | (nal[0]! & 0x1f);
		payload.set(nal.subarray(start, end), 2);
		payloads.push(payload);
	}
}
