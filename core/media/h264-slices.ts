/** Reads from H.264 slices and SEI where a picture begins, and whether a decoder may begin there. */
import { readBits, unescapeRbsp } from './bit-reader.ts';
import { NAL_TYPE, nalType } from './h264.ts';
import type { SliceSyntax } from './h264-parameter-sets.ts';

/** The beginning of a slice header (ITU-T H.264 §7.3.3). */
export type SliceHeader = {
	isIdr: boolean;
	/** Address of its first macroblock; 0 begins a picture. */
	firstMb: number;
	/** All its macroblocks are intra-coded (I and SI). */
	isIntra: boolean;
	ppsId: number;
	/** Undefined when the layout is unknown. */
	frameNum: number | undefined;
	pictureOrder: number | undefined;
	field: 'none' | 'top' | 'bottom';
};

/** Level 6.2 allows 139 264 macroblocks; a number above is no slice header. */
const MAX_FIRST_MB = 139_264;
/** Enough for at most five Exp-Golomb codes and two numbers of 16 bits. */
const HEADER_BYTES = 40;
const RECOVERY_POINT = 6;

/** `syntax` comes from the SPS that the PPS of the slice refers to. Undefined for bytes that are no slice header. */
export function readSliceHeader(
	nal: Uint8Array,
	syntax: (ppsId: number) => SliceSyntax | undefined,
): SliceHeader | undefined {
	const isIdr = nalType(nal) === NAL_TYPE.IDR;
	return readBits(unescapeRbsp(nal.subarray(1, HEADER_BYTES)), (bits): SliceHeader | undefined => {
		const firstMb = bits.readUe();
		const sliceType = bits.readUe();
		const ppsId = bits.readUe();
		if (firstMb > MAX_FIRST_MB || sliceType > 9 || ppsId > 255) {
			return undefined;
		}
		const header: SliceHeader = {
			isIdr,
			firstMb,
			isIntra: sliceType % 5 === 2 || sliceType % 5 === 4,
			ppsId,
			frameNum: undefined,
			pictureOrder: undefined,
			field: 'none',
		};
		const layout = syntax(ppsId);
		if (layout === undefined) {
			return header;
		}
		if (layout.hasSeparatePlanes) {
			bits.read(2);
		}
		header.frameNum = bits.read(layout.frameNumBits);
		if (!layout.isFrameOnly && bits.read(1) === 1) {
			header.field = bits.read(1) === 1 ? 'bottom' : 'top';
		}
		if (isIdr) {
			bits.readUe();
		}
		if (layout.pictureOrderBits > 0) {
			header.pictureOrder = bits.read(layout.pictureOrderBits);
		}
		return header;
	});
}

/**
 * True when a slice begins another picture than the slice before it (after ITU-T H.264 §7.4.1.2.4). The two fields of a
 * frame count as one picture, because they share one sample in files and one message in RTMP.
 */
export function beginsPicture(previous: SliceHeader | undefined, slice: SliceHeader | undefined): boolean {
	if (previous === undefined || slice === undefined) {
		return false;
	}
	if (isOther(previous.frameNum, slice.frameNum)) {
		return true;
	}
	if (previous.field !== slice.field) {
		return previous.field === 'none' || slice.field === 'none';
	}
	return slice.firstMb === 0 || previous.isIdr !== slice.isIdr || isOther(previous.pictureOrder, slice.pictureOrder);
}

function isOther(one: number | undefined, other: number | undefined): boolean {
	return one !== undefined && other !== undefined && one !== other;
}

/**
 * recovery_frame_cnt of a recovery point message in an SEI NAL unit (ITU-T H.264 §D.1.8). It is the number of frames
 * after which the picture is correct when decoding begins here. Undefined without such a message.
 */
export function readRecoveryPoint(nal: Uint8Array): number | undefined {
	const payload = unescapeRbsp(nal.subarray(1));
	let offset = 0;
	const readNumber = (): number => {
		let value = 0;
		while (payload[offset] === 0xff) {
			value += 255;
			offset++;
		}
		return value + (payload[offset++] ?? 0);
	};
	while (offset + 2 < payload.length) {
		const type = readNumber();
		const size = readNumber();
		if (type === RECOVERY_POINT) {
			return readBits(payload.subarray(offset, offset + size), (bits) => bits.readUe());
		}
		offset += size;
	}
	return undefined;
}
