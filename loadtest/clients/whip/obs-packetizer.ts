/** H.264 access units → RTP payloads as OBS's library packs them: each NAL unit alone, FU-A above 1200 bytes. */
import { NAL_TYPE, nalType } from '../../../core/media/h264.ts';

/** Largest payload of a packet, as OBS uses it. */
const OBS_MAX_PAYLOAD_BYTES = 1200;

/** The access unit delimiter that OBS's encoder puts before every picture: any slice type. */
const ACCESS_UNIT_DELIMITER = Uint8Array.of(NAL_TYPE.AUD, 0xf0);

/** All NAL units of one picture in OBS's order: delimiter, parameter sets before a key frame, the rest. */
export function obsNalUnits(
	nals: readonly Uint8Array[],
	parameterSets: readonly Uint8Array[],
	isKeyFrame: boolean,
): Uint8Array[] {
	const pictureNals = nals.filter((nal) => {
		const type = nalType(nal);
		return type !== NAL_TYPE.AUD && type !== NAL_TYPE.SPS && type !== NAL_TYPE.PPS;
	});
	return [ACCESS_UNIT_DELIMITER, ...(isKeyFrame ? parameterSets : []), ...pictureNals];
}

/** RTP payloads for the NAL units; the last has the marker bit (RFC 6184 §5.1). Never an aggregation packet. */
export function obsPayloads(nals: readonly Uint8Array[]): Uint8Array[] {
	return nals.flatMap((nal) => (nal.length <= OBS_MAX_PAYLOAD_BYTES ? [nal] : fragment(nal)));
}

// RFC 6184 §5.8: FU indicator (F, NRI, type 28), FU header (start, end, type), the NAL unit without its first byte.
function fragment(nal: Uint8Array): Uint8Array[] {
	const payloads: Uint8Array[] = [];
	const step = OBS_MAX_PAYLOAD_BYTES - 2;
	for (let offset = 1; offset < nal.length; offset += step) {
		const piece = nal.subarray(offset, offset + step);
		const payload = new Uint8Array(piece.length + 2);
		const isEnd = offset + step >= nal.length;
		payload[0] = (nal[0]! & 0xe0) | 28;
		payload[1] = (offset === 1 ? 0x80 : 0) | (isEnd ? 0x40 : 0) | nalType(nal);
		payload.set(piece, 2);
		payloads.push(payload);
	}
	return payloads;
}
