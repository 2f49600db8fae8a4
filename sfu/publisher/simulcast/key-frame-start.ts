/** Tells from one RTP payload whether a key frame starts with it, and how large its picture is. Keeps nothing. */
import { NAL_TYPE, nalType } from '../../../core/media/h264.ts';
import { parseSps } from '../../../core/media/h264-parameter-sets.ts';
import { descriptorBytes, readVp8KeyFrame } from '../../rtp/vp8-depacketizer.ts';

/** `pixelCount` is undefined when the size cannot be read. */
export type KeyFrameStart = { pixelCount: number | undefined };

/**
 * What starts with this payload, or undefined. For H.264 that is a sequence parameter set: a decoder can start there, and at
 * an IDR slice without one it cannot.
 */
export function readKeyFrameStart(codec: 'h264' | 'vp8', payload: Uint8Array): KeyFrameStart | undefined {
	if (codec === 'h264') {
		const sps = findSps(payload);
		const facts = sps === undefined ? undefined : parseSps(sps);
		return sps === undefined ? undefined : { pixelCount: facts && facts.widthPixels * facts.heightPixels };
	}
	// RFC 7741 §4.2: S, and partition 0.
	if (payload.length < 1 || (payload[0]! & 0x10) === 0 || (payload[0]! & 0x07) !== 0) {
		return undefined;
	}
	const start = descriptorBytes(payload);
	const size = start === undefined ? undefined : readVp8KeyFrame(payload.subarray(start));
	return size === undefined ? undefined : { pixelCount: size.widthPixels * size.heightPixels };
}

const STAP_A = 24;

// RFC 6184 §5.6 and §5.7.1: alone, or in an aggregation packet.
function findSps(payload: Uint8Array): Uint8Array | undefined {
	if (payload.length < 2) {
		return undefined;
	}
	const type = nalType(payload);
	if (type === NAL_TYPE.SPS) {
		return payload;
	}
	if (type !== STAP_A) {
		return undefined;
	}
	let offset = 1;
	while (offset + 3 <= payload.length) {
		const length = (payload[offset]! << 8) | payload[offset + 1]!;
		const nal = payload.subarray(offset + 2, offset + 2 + length);
		if (nal.length > 0 && nalType(nal) === NAL_TYPE.SPS) {
			return nal;
		}
		offset += 2 + length;
	}
	return undefined;
}
