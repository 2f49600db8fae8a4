/** Writes H.264 parameter sets, slices and SEI for tests. Headers are valid; the pictures are noise. */

export type SpsFields = {
	id?: number;
	profileIdc?: number;
	constraintFlags?: number;
	levelIdc?: number;
	chromaFormatIdc?: number;
	bitDepth?: number;
	scalingList?: readonly number[];
	frameNumBits?: number;
	pictureOrderType?: 0 | 2;
	pictureOrderBits?: number;
	maxNumRefFrames?: number;
	widthMbs?: number;
	heightMbs?: number;
	isInterlaced?: boolean;
	cropRight?: number;
	cropBottom?: number;
	/** aspect_ratio_idc, or [255, width, height]. */
	aspectRatio?: number | readonly [number, number];
	colour?: readonly [number, number, number];
	frameRate?: number;
	reorder?: { maxNumReorderFrames: number; maxDecFrameBuffering: number };
	nalRefIdc?: number;
};

export type SliceFields = {
	isIdr?: boolean;
	firstMb?: number;
	/** 0 P, 1 B, 2 I; or with 5 added. */
	sliceType?: number;
	ppsId?: number;
	frameNum?: number;
	idrPicId?: number;
	pictureOrder?: number;
	field?: 'none' | 'top' | 'bottom';
	/** The bytes after the header. */
	body?: Uint8Array;
};

const PROFILES_WITH_CHROMA = new Set([100, 110, 122, 244, 44]);

class BitWriter {
	#bits = '';

	u(count: number, value: number): this {
		this.#bits += value.toString(2).padStart(count, '0');
		return this;
	}

	ue(value: number): this {
		const bits = (value + 1).toString(2);
		this.#bits += '0'.repeat(bits.length - 1) + bits;
		return this;
	}

	se(value: number): this {
		return this.ue(value > 0 ? value * 2 - 1 : -value * 2);
	}

	/** The NAL unit: its header, then the bits with the stop bit, escaped. */
	nal(header: number, body: Uint8Array = new Uint8Array(0)): Uint8Array {
		const bits = `${this.#bits}1`;
		const bytes = bits.padEnd(Math.ceil(bits.length / 8) * 8, '0').match(/.{8}/g) ?? [];
		const out = [header];
		for (const byte of [...bytes.map((text) => parseInt(text, 2)), ...body]) {
			if (byte <= 3 && out.at(-1) === 0 && out.at(-2) === 0) {
				out.push(3);
			}
			out.push(byte);
		}
		return Uint8Array.from(out);
	}
}

/** A sequence parameter set; by default 320 × 176, High, 4:2:0, 8 bits, frames. */
export function writeSps(fields: SpsFields = {}): Uint8Array {
	const { profileIdc = 100, chromaFormatIdc = 1, bitDepth = 8, pictureOrderType = 2 } = fields;
	const bits = new BitWriter()
		.u(8, profileIdc)
		.u(8, fields.constraintFlags ?? 0)
		.u(8, fields.levelIdc ?? 31)
		.ue(fields.id ?? 0);
	if (PROFILES_WITH_CHROMA.has(profileIdc)) {
		bits.ue(chromaFormatIdc);
		if (chromaFormatIdc === 3) {
			bits.u(1, 0);
		}
		bits.ue(bitDepth - 8).ue(bitDepth - 8);
		bits.u(1, 0).u(1, fields.scalingList === undefined ? 0 : 1);
		if (fields.scalingList !== undefined) {
			bits.u(1, 1);
			fields.scalingList.forEach((delta) => bits.se(delta));
			bits.u(7, 0);
		}
	}
	bits.ue((fields.frameNumBits ?? 4) - 4).ue(pictureOrderType);
	if (pictureOrderType === 0) {
		bits.ue((fields.pictureOrderBits ?? 4) - 4);
	}
	const isInterlaced = fields.isInterlaced === true;
	bits.ue(fields.maxNumRefFrames ?? 1).u(1, 0);
	bits.ue((fields.widthMbs ?? 20) - 1).ue((fields.heightMbs ?? 11) - 1);
	bits.u(1, isInterlaced ? 0 : 1);
	if (isInterlaced) {
		bits.u(1, 0);
	}
	bits.u(1, 1);
	const { cropRight = 0, cropBottom = 0 } = fields;
	const hasCropping = cropRight + cropBottom > 0;
	bits.u(1, hasCropping ? 1 : 0);
	if (hasCropping) {
		bits.ue(0).ue(cropRight).ue(0).ue(cropBottom);
	}
	writeVui(bits, fields);
	return bits.nal(((fields.nalRefIdc ?? 3) << 5) | 7);
}

function writeVui(bits: BitWriter, { aspectRatio, colour, frameRate, reorder }: SpsFields): void {
	const hasVui = [aspectRatio, colour, frameRate, reorder].some((field) => field !== undefined);
	bits.u(1, hasVui ? 1 : 0);
	if (!hasVui) {
		return;
	}
	bits.u(1, aspectRatio === undefined ? 0 : 1);
	if (typeof aspectRatio === 'number') {
		bits.u(8, aspectRatio);
	} else if (aspectRatio !== undefined) {
		bits.u(8, 255).u(16, aspectRatio[0]).u(16, aspectRatio[1]);
	}
	bits.u(1, 0).u(1, colour === undefined ? 0 : 1);
	if (colour !== undefined) {
		bits.u(3, 5).u(1, 0).u(1, 1);
		colour.forEach((value) => bits.u(8, value));
	}
	bits.u(1, 0).u(1, frameRate === undefined ? 0 : 1);
	if (frameRate !== undefined) {
		bits
			.u(32, 1)
			.u(32, frameRate * 2)
			.u(1, 1);
	}
	bits.u(1, 0).u(1, 0).u(1, 0);
	bits.u(1, reorder === undefined ? 0 : 1);
	if (reorder !== undefined) {
		bits.u(1, 1).ue(0).ue(0).ue(11).ue(11).ue(reorder.maxNumReorderFrames).ue(reorder.maxDecFrameBuffering);
	}
}

/** A picture parameter set. Two of one id differ in `initQp`. */
export function writePps(fields: { id?: number; spsId?: number; initQp?: number } = {}): Uint8Array {
	return new BitWriter()
		.ue(fields.id ?? 0)
		.ue(fields.spsId ?? 0)
		.u(1, 1)
		.u(1, 0)
		.ue(0)
		.ue(0)
		.ue(0)
		.u(1, 0)
		.u(2, 0)
		.se((fields.initQp ?? 26) - 26)
		.se(0)
		.se(0)
		.u(3, 0)
		.nal(0x68);
}

/** A slice with the header layout of this SPS. */
export function writeSlice(fields: SliceFields = {}, sps: SpsFields = {}): Uint8Array {
	const isIdr = fields.isIdr === true;
	const bits = new BitWriter()
		.ue(fields.firstMb ?? 0)
		.ue(fields.sliceType ?? (isIdr ? 7 : 5))
		.ue(fields.ppsId ?? 0)
		.u(sps.frameNumBits ?? 4, (fields.frameNum ?? 0) % 2 ** (sps.frameNumBits ?? 4));
	if (sps.isInterlaced === true) {
		const { field = 'none' } = fields;
		bits.u(1, field === 'none' ? 0 : 1);
		if (field !== 'none') {
			bits.u(1, field === 'bottom' ? 1 : 0);
		}
	}
	if (isIdr) {
		bits.ue(fields.idrPicId ?? 0);
	}
	if ((sps.pictureOrderType ?? 2) === 0) {
		bits.u(sps.pictureOrderBits ?? 4, (fields.pictureOrder ?? 0) % 2 ** (sps.pictureOrderBits ?? 4));
	}
	return bits.nal(isIdr ? 0x65 : 0x41, fields.body);
}

/** An SEI NAL unit with a recovery point (ITU-T H.264 §D.1.8) after a message of another type. */
export function writeRecoveryPoint(frameCount: number): Uint8Array {
	const bits = new BitWriter().u(8, 1).u(8, 1).u(8, 0x84);
	const payload = new BitWriter().ue(frameCount).u(1, 1).u(1, 0).u(2, 0).nal(0).subarray(1);
	bits.u(8, 6).u(8, payload.length);
	payload.forEach((byte) => bits.u(8, byte));
	return bits.nal(0x06);
}
