/** Parses NUT's main header, stream header and frame headers. */
import { NUT_FORBIDDEN_FRAME_CODE, NUT_FRAME_FLAG } from './nut-format.ts';
import { MalformedNut, type NutCursor } from './nut-cursor.ts';

/** The content of the stream header. */
export type NutStream = {
	kind: 'video' | 'audio';
	/** Codec tag: four characters, or two bytes as hexadecimal text such as `00ff`. */
	fourcc: string;
	/** Length of a tick in seconds is numerator / denominator. */
	timeBase: { numerator: number; denominator: number };
	/** Extradata: Annex B parameter sets, an AudioSpecificConfig, an OpusHead. */
	codecSpecificData: Uint8Array;
	/** Size: video only, else 0. */
	widthPixels: number;
	heightPixels: number;
	/** Rate and channels: audio only, else 0. */
	sampleRate: number;
	channelCount: number;
};

type FrameCode = {
	flags: number;
	ptsDelta: number;
	sizeMul: number;
	sizeLsb: number;
	reservedCount: number;
	headerIndex: number;
};
export type MainHeader = { timeBases: NutStream['timeBase'][]; frameCodes: FrameCode[]; elisionHeaders: Uint8Array[] };
/** How the stream writes its times. */
export type StreamTiming = { msbPtsShift: number };

/** A frame without its bytes. */
type FrameHeader = { flags: number; timeTicks: number; sizeBytes: number; headerIndex: number };

/** Reads a frame header between the frame code and the checksum. Short times are relative to `lastPtsTicks`. */
export function readFrameHeader(
	cursor: NutCursor,
	code: FrameCode,
	timing: StreamTiming,
	lastPtsTicks: number,
): FrameHeader {
	let flags = code.flags;
	if (flags & NUT_FRAME_FLAG.invalid) {
		throw new MalformedNut('a frame code is not valid');
	}
	if (flags & NUT_FRAME_FLAG.coded) {
		flags ^= cursor.smallVarint();
	}
	if (flags & NUT_FRAME_FLAG.sideAndMetaData) {
		throw new MalformedNut('a frame carries side data, which only experimental NUT has');
	}
	if (flags & NUT_FRAME_FLAG.streamId && cursor.varint() !== 0) {
		throw new MalformedNut('a frame belongs to a second stream');
	}
	const timeTicks =
		flags & NUT_FRAME_FLAG.codedPts ? fullPts(cursor.varint(), timing, lastPtsTicks) : lastPtsTicks + code.ptsDelta;
	const msb = flags & NUT_FRAME_FLAG.sizeMsb ? cursor.varint() : 0;
	if (flags & NUT_FRAME_FLAG.matchTime) {
		cursor.varint();
	}
	const headerIndex = flags & NUT_FRAME_FLAG.headerIndex ? cursor.varint() : code.headerIndex;
	const reservedCount = flags & NUT_FRAME_FLAG.reserved ? cursor.smallVarint() : code.reservedCount;
	for (let index = 0; index < reservedCount; index++) {
		cursor.varint();
	}
	if (!Number.isSafeInteger(timeTicks) || timeTicks < 0) {
		throw new MalformedNut('a timestamp is out of range');
	}
	return { flags, timeTicks, sizeBytes: code.sizeLsb + code.sizeMul * msb, headerIndex };
}

// nut.txt, "coded_pts" and "lsb_pts".
function fullPts(codedPts: number, timing: StreamTiming, lastPtsTicks: number): number {
	const range = 2 ** timing.msbPtsShift;
	if (codedPts >= range) {
		return codedPts - range;
	}
	const delta = lastPtsTicks - Math.floor((range - 1) / 2);
	return ((((codedPts - delta) % range) + range) % range) + delta;
}

/** nut.txt, "main_header". One stream only. */
export function parseMainHeader(payload: NutCursor): MainHeader {
	const version = payload.varint();
	if (version !== 3 && version !== 4) {
		throw new MalformedNut(`version ${version} is not known`);
	}
	if (version === 4) {
		// minor_version. Our writer writes version 4; FFmpeg writes it only with an option.
		payload.varint();
	}
	const streamCount = payload.varint();
	if (streamCount !== 1) {
		throw new MalformedNut(`${streamCount} streams instead of one`);
	}
	payload.varint();
	const timeBaseCount = payload.smallVarint();
	const timeBases: NutStream['timeBase'][] = [];
	for (let index = 0; index < timeBaseCount; index++) {
		timeBases.push({ numerator: payload.varint(), denominator: payload.varint() });
	}
	if (
		timeBases.length === 0 ||
		timeBases.some((base) => !isTimeBasePart(base.numerator) || !isTimeBasePart(base.denominator))
	) {
		throw new MalformedNut('a time base is not valid');
	}
	const frameCodes = parseFrameCodes(payload);
	const elisionHeaders: Uint8Array[] = [new Uint8Array(0)];
	if (payload.remaining > 0) {
		const count = payload.smallVarint();
		for (let index = 0; index < count; index++) {
			elisionHeaders.push(new Uint8Array(payload.bytes(payload.smallVarint())));
		}
	}
	return { timeBases, frameCodes, elisionHeaders };
}

function isTimeBasePart(value: number): boolean {
	return value > 0 && value < 2 ** 31;
}

function parseFrameCodes(payload: NutCursor): FrameCode[] {
	const invalid: FrameCode = {
		flags: NUT_FRAME_FLAG.invalid,
		ptsDelta: 0,
		sizeMul: 1,
		sizeLsb: 0,
		reservedCount: 0,
		headerIndex: 0,
	};
	const codes: FrameCode[] = [];
	let ptsDelta = 0;
	let sizeMul = 1;
	let headerIndex = 0;
	while (codes.length < 256) {
		const flags = payload.smallVarint();
		const fields = payload.smallVarint();
		ptsDelta = fields > 0 ? payload.signedVarint() : ptsDelta;
		sizeMul = fields > 1 ? payload.smallVarint() : sizeMul;
		if (fields > 2 && payload.varint() !== 0) {
			throw new MalformedNut('a frame code names a second stream');
		}
		const sizeLsb = fields > 3 ? payload.smallVarint() : 0;
		const reservedCount = fields > 4 ? payload.smallVarint() : 0;
		const count = fields > 5 ? payload.smallVarint() : sizeMul - sizeLsb;
		if (fields > 6) {
			payload.signedVarint();
		}
		headerIndex = fields > 7 ? payload.smallVarint() : headerIndex;
		for (let field = 8; field < fields; field++) {
			payload.varint();
		}
		// Without a lower bound this loop never ends.
		if (count <= 0 || count > 256) {
			throw new MalformedNut(`${count} frame codes in a group`);
		}
		for (let index = 0; index < count && codes.length < 256;) {
			if (codes.length === NUT_FORBIDDEN_FRAME_CODE) {
				codes.push(invalid);
				continue;
			}
			codes.push({ flags, ptsDelta, sizeMul, sizeLsb: sizeLsb + index, reservedCount, headerIndex });
			index++;
		}
	}
	return codes;
}

/** nut.txt, "stream_header". */
export function parseStreamHeader(payload: NutCursor, main: MainHeader): { stream: NutStream; timing: StreamTiming } {
	if (payload.varint() !== 0) {
		throw new MalformedNut('a second stream');
	}
	const streamClass = payload.varint();
	if (streamClass > 1) {
		throw new MalformedNut(`stream class ${streamClass} is neither video nor audio`);
	}
	const fourccBytes = Buffer.from(payload.bytes(payload.smallVarint()));
	const fourcc =
		fourccBytes.length === 2 ? Buffer.from(fourccBytes).reverse().toString('hex') : fourccBytes.toString('latin1');
	const timeBase = main.timeBases[payload.varint()];
	const msbPtsShift = payload.varint();
	if (timeBase === undefined || msbPtsShift >= 16) {
		throw new MalformedNut('the stream header is not valid');
	}
	// max_pts_distance, decode_delay, stream_flags.
	payload.varint();
	payload.varint();
	payload.varint();
	// A copy (a Buffer's slice() is none), so that it does not keep its whole chunk in memory.
	const codecSpecificData = new Uint8Array(payload.bytes(payload.varint()));
	const isVideo = streamClass === 0;
	const first = payload.varint();
	const second = payload.varint();
	const stream: NutStream = {
		kind: isVideo ? 'video' : 'audio',
		fourcc,
		timeBase,
		codecSpecificData,
		widthPixels: isVideo ? first : 0,
		heightPixels: isVideo ? second : 0,
		// Audio: samplerate_num, samplerate_denom, channel_count.
		sampleRate: isVideo || second === 0 ? 0 : first / second,
		channelCount: isVideo ? 0 : payload.varint(),
	};
	return { stream, timing: { msbPtsShift } };
}
