/** Reads H.264 parameter sets (ITU-T H.264 §7.3.2.1, §7.3.2.2, annex E), and compares how they decode. */
import { readBits, unescapeRbsp, type BitReader } from './bit-reader.ts';

export type SpsFacts = {
	/** seq_parameter_set_id. */
	id: number;
	profileIdc: number;
	levelIdc: number;
	/** 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4. */
	chromaFormatIdc: number;
	bitDepthLuma: number;
	bitDepthChroma: number;
	/** Of the coded picture after cropping. */
	widthPixels: number;
	heightPixels: number;
	/** Width to height of one pixel; 1:1 when the stream has no ratio, or an absurd one. */
	sampleAspectRatio: { width: number; height: number };
	/** The stream may hold fields, or frames of two fields. */
	isInterlaced: boolean;
	maxNumRefFrames: number;
	/** From the VUI's bitstream restriction; undefined without one. 0 means that there are no B-frames. */
	maxNumReorderFrames: number | undefined;
	maxDecFrameBuffering: number | undefined;
	sliceSyntax: SliceSyntax;
	/**
	 * All that a slice's meaning and its place on the screen depend on, as text: equal for two sets that decode alike.
	 * Without the level and the compatibility flags (the abilities of a decoder), colour, HRD and the nominal frame rate.
	 */
	decodingKey: string;
};

/** The fields of an SPS that a slice header's layout depends on. */
export type SliceSyntax = {
	hasSeparatePlanes: boolean;
	frameNumBits: number;
	/** Low bits of the picture order count in a slice header; 0 when it has none. */
	pictureOrderBits: number;
	isFrameOnly: boolean;
};

const MAX_SPS_ID = 31;
const MAX_PPS_ID = 255;
/** ISO/IEC 14496-10 table A-1: no level allows a larger side at the accepted sizes. */
const MAX_SIDE_PIXELS = 16_384;
/** ITU-T H.264 table E-1, by aspect_ratio_idc. */
const SAMPLE_ASPECT_RATIOS: readonly (readonly [number, number])[] = [
	[1, 1],
	[1, 1],
	[12, 11],
	[10, 11],
	[16, 11],
	[40, 33],
	[24, 11],
	[20, 11],
	[32, 11],
	[80, 33],
	[18, 11],
	[15, 11],
	[64, 33],
	[160, 99],
	[4, 3],
	[3, 2],
	[2, 1],
];
const EXTENDED_SAR = 255;
/** A larger ratio is an error, and gives a picture that no screen can show. */
const MAX_PIXEL_STRETCH = 8;

/** Reads a sequence parameter set. Undefined when it cannot be read. */
export function parseSps(nal: Uint8Array): SpsFacts | undefined {
	return readBits(unescapeRbsp(nal.subarray(1)), readSps);
}

/** Reads the ids of a picture parameter set. Undefined when it cannot be read. */
export function parsePps(nal: Uint8Array): { id: number; spsId: number } | undefined {
	return readBits(unescapeRbsp(nal.subarray(1, 16)), (bits) => {
		const id = bits.readUe();
		const spsId = bits.readUe();
		return id > MAX_PPS_ID || spsId > MAX_SPS_ID ? undefined : { id, spsId };
	});
}

/** True when pictures of one decode equally with the other. The limits on reordering may be missing in either. */
export function isSameSps(one: SpsFacts, other: SpsFacts): boolean {
	return (
		one.decodingKey === other.decodingKey &&
		isSameOrUnknown(one.maxNumReorderFrames, other.maxNumReorderFrames) &&
		isSameOrUnknown(one.maxDecFrameBuffering, other.maxDecFrameBuffering)
	);
}

/** As {@link isSameSps}, and a decoder waits equally long for reordered pictures. */
export function isInterchangeableSps(one: SpsFacts, other: SpsFacts): boolean {
	return (
		one.decodingKey === other.decodingKey &&
		one.maxNumReorderFrames === other.maxNumReorderFrames &&
		one.maxDecFrameBuffering === other.maxDecFrameBuffering
	);
}

function isSameOrUnknown(one: number | undefined, other: number | undefined): boolean {
	return one === undefined || other === undefined || one === other;
}

const HIGH_PROFILES = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);

function readSps(bits: BitReader): SpsFacts | undefined {
	const key: number[] = [];
	/** Reads a field that belongs to the decoding key. */
	const keep = (value: number): number => {
		key.push(value);
		return value;
	};
	const profileIdc = keep(bits.read(8));
	bits.read(8);
	const levelIdc = bits.read(8);
	const id = bits.readUe();
	let chromaFormatIdc = 1;
	let separatePlanes = 0;
	let bitDepthLuma = 8;
	let bitDepthChroma = 8;
	if (HIGH_PROFILES.has(profileIdc)) {
		chromaFormatIdc = keep(bits.readUe());
		if (chromaFormatIdc === 3) {
			separatePlanes = keep(bits.read(1));
		}
		bitDepthLuma = 8 + keep(bits.readUe());
		bitDepthChroma = 8 + keep(bits.readUe());
		keep(bits.read(1));
		if (keep(bits.read(1)) === 1) {
			for (let index = 0; index < (chromaFormatIdc === 3 ? 12 : 8); index++) {
				if (keep(bits.read(1)) === 1) {
					readScalingList(bits, index < 6 ? 16 : 64, keep);
				}
			}
		}
	}
	const frameNumBits = 4 + keep(bits.readUe());
	const pictureOrderBits = readPictureOrder(bits, keep);
	const maxNumRefFrames = keep(bits.readUe());
	keep(bits.read(1));
	const widthInMbs = keep(bits.readUe()) + 1;
	const heightInMapUnits = keep(bits.readUe()) + 1;
	const frameMbsOnly = keep(bits.read(1));
	if (frameMbsOnly === 0) {
		keep(bits.read(1));
	}
	keep(bits.read(1));
	const crop = { left: 0, right: 0, top: 0, bottom: 0 };
	if (bits.read(1) === 1) {
		crop.left = bits.readUe();
		crop.right = bits.readUe();
		crop.top = bits.readUe();
		crop.bottom = bits.readUe();
	}
	key.push(crop.left, crop.right, crop.top, crop.bottom);
	const isMonochrome = chromaFormatIdc === 0 || separatePlanes === 1;
	const cropUnitX = isMonochrome || chromaFormatIdc === 3 ? 1 : 2;
	const cropUnitY = (isMonochrome || chromaFormatIdc !== 1 ? 1 : 2) * (2 - frameMbsOnly);
	const widthPixels = widthInMbs * 16 - (crop.left + crop.right) * cropUnitX;
	const heightPixels = heightInMapUnits * 16 * (2 - frameMbsOnly) - (crop.top + crop.bottom) * cropUnitY;
	const isPossible =
		id <= MAX_SPS_ID &&
		chromaFormatIdc <= 3 &&
		Math.max(bitDepthLuma, bitDepthChroma) <= 14 &&
		frameNumBits <= 16 &&
		pictureOrderBits <= 16 &&
		Math.min(widthPixels, heightPixels) > 0 &&
		Math.max(widthPixels, heightPixels) <= MAX_SIDE_PIXELS;
	if (!isPossible) {
		return undefined;
	}
	const vui = readVui(bits);
	key.push(vui.sampleAspectRatio.width, vui.sampleAspectRatio.height);
	return {
		id,
		profileIdc,
		levelIdc,
		chromaFormatIdc,
		bitDepthLuma,
		bitDepthChroma,
		widthPixels,
		heightPixels,
		isInterlaced: frameMbsOnly === 0,
		maxNumRefFrames,
		...vui,
		sliceSyntax: {
			hasSeparatePlanes: separatePlanes === 1,
			frameNumBits,
			pictureOrderBits,
			isFrameOnly: frameMbsOnly === 1,
		},
		decodingKey: key.join(' '),
	};
}

function readPictureOrder(bits: BitReader, keep: (value: number) => number): number {
	const type = keep(bits.readUe());
	if (type === 0) {
		return 4 + keep(bits.readUe());
	}
	if (type === 1) {
		keep(bits.read(1));
		keep(bits.readSe());
		keep(bits.readSe());
		const count = keep(bits.readUe());
		if (count > 255) {
			throw new RangeError('a picture order cycle is too long');
		}
		for (let index = 0; index < count; index++) {
			keep(bits.readSe());
		}
	}
	return 0;
}

type VuiFacts = Pick<SpsFacts, 'sampleAspectRatio' | 'maxNumReorderFrames' | 'maxDecFrameBuffering'>;

// ITU-T H.264 §E.1.1. The fields before the end of a cut VUI count.
function readVui(bits: BitReader): VuiFacts {
	const facts: VuiFacts = {
		sampleAspectRatio: { width: 1, height: 1 },
		maxNumReorderFrames: undefined,
		maxDecFrameBuffering: undefined,
	};
	try {
		if (bits.read(1) === 1) {
			facts.sampleAspectRatio = readSampleAspectRatio(bits);
			skipToRestriction(bits);
			if (bits.read(1) === 1) {
				bits.read(1);
				for (let index = 0; index < 4; index++) {
					bits.readUe();
				}
				const maxNumReorderFrames = bits.readUe();
				const maxDecFrameBuffering = bits.readUe();
				facts.maxNumReorderFrames = maxNumReorderFrames;
				facts.maxDecFrameBuffering = maxDecFrameBuffering;
			}
		}
	} catch (error) {
		if (!(error instanceof RangeError)) {
			throw error;
		}
	}
	return facts;
}

function readSampleAspectRatio(bits: BitReader): SpsFacts['sampleAspectRatio'] {
	if (bits.read(1) === 0) {
		return { width: 1, height: 1 };
	}
	const index = bits.read(8);
	const [width, height] =
		index === EXTENDED_SAR ? [bits.read(16), bits.read(16)] : (SAMPLE_ASPECT_RATIOS[index] ?? [1, 1]);
	const isSensible = width > 0 && height > 0 && Math.max(width / height, height / width) <= MAX_PIXEL_STRETCH;
	if (!isSensible) {
		return { width: 1, height: 1 };
	}
	const divisor = greatestCommonDivisor(width, height);
	return { width: width / divisor, height: height / divisor };
}

function greatestCommonDivisor(one: number, other: number): number {
	return other === 0 ? one : greatestCommonDivisor(other, one % other);
}

function skipToRestriction(bits: BitReader): void {
	if (bits.read(1) === 1) {
		bits.read(1);
	}
	if (bits.read(1) === 1) {
		bits.read(4);
		if (bits.read(1) === 1) {
			bits.read(24);
		}
	}
	if (bits.read(1) === 1) {
		bits.readUe();
		bits.readUe();
	}
	if (bits.read(1) === 1) {
		bits.read(32);
		bits.read(32);
		bits.read(1);
	}
	const hasNalHrd = bits.read(1) === 1;
	if (hasNalHrd) {
		skipHrd(bits);
	}
	const hasVclHrd = bits.read(1) === 1;
	if (hasVclHrd) {
		skipHrd(bits);
	}
	if (hasNalHrd || hasVclHrd) {
		bits.read(1);
	}
	bits.read(1);
}

function skipHrd(bits: BitReader): void {
	const count = bits.readUe() + 1;
	bits.read(8);
	for (let index = 0; index < Math.min(count, 32); index++) {
		bits.readUe();
		bits.readUe();
		bits.read(1);
	}
	bits.read(20);
}

function readScalingList(bits: BitReader, size: number, keep: (value: number) => number): void {
	let last = 8;
	let next = 8;
	for (let index = 0; index < size; index++) {
		if (next !== 0) {
			next = (((last + keep(bits.readSe())) % 256) + 256) % 256;
		}
		last = next === 0 ? last : next;
	}
}
