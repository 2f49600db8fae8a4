/** Tells from one RTP payload whether a key frame starts with it, and how large its picture is. Keeps nothing. */
import { parseSps } from '../../../core/media/h264-parameter-sets.ts';
import { findSps } from '../../rtp/h264-depacketizer.ts';
import { descriptorBytes, readVp8KeyFrame } from '../../rtp/vp8-depacketizer.ts';

/** `pixelCount` is undefined when the size cannot be read. */
export type KeyFrameStart = { pixelCount: number | undefined };

/**
 * What starts with this payload, or undefined. For H.264 that is a sequence parameter set: a decoder can start there,
 * and at an IDR slice without one it cannot.
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
