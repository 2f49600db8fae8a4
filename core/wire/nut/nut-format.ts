/** Start codes, flags, checksums and variable-length numbers of NUT, for writer and reader. Names as in nut.txt. */

/** First bytes of every NUT stream. */
export const NUT_FILE_ID = new TextEncoder().encode('nut/multimedia container\0');

/** The packets that begin with a start code (nut.txt, "*_startcode"), as 16 hexadecimal digits. */
export const NUT_START_CODE = {
	main: '4e4d7a561f5f04ad',
	stream: '4e5311405bf2f9db',
	syncpoint: '4e4be4adeeca4569',
	index: '4e58dd672f23e64e',
	info: '4e49ab68b596ba78',
} as const;

/** Bits of a frame's flags. FFmpeg and libnut have added the header index and match time, for elision headers. */
export const NUT_FRAME_FLAG = {
	key: 1,
	endOfRelevance: 2,
	codedPts: 8,
	streamId: 16,
	sizeMsb: 32,
	checksum: 64,
	reserved: 128,
	sideAndMetaData: 256,
	headerIndex: 1024,
	matchTime: 2048,
	coded: 4096,
	invalid: 8192,
} as const;

/** The only invalid frame code, because every start code begins with it: "N". */
export const NUT_FORBIDDEN_FRAME_CODE = 0x4e;

/** Longest variable-length number that is read: 8 groups of 7 bits hold every exact integer (2^53). */
export const NUT_MAX_VARINT_BYTES = 8;

const CRC_TABLE = makeCrcTable();

function makeCrcTable(): Uint32Array {
	const table = new Uint32Array(256);
	for (let index = 0; index < 256; index++) {
		let remainder = index << 24;
		for (let bit = 0; bit < 8; bit++) {
			remainder = remainder & 0x8000_0000 ? (remainder << 1) ^ 0x04c1_1db7 : remainder << 1;
		}
		table[index] = remainder >>> 0;
	}
	return table;
}

/** CRC-32 with generator 0x104C11DB7, starting value zero, most significant bit first (nut.txt, "crc32 checksum"). */
export function nutChecksum(bytes: Uint8Array, start = 0, end = bytes.length): number {
	let checksum = 0;
	for (let index = start; index < end; index++) {
		checksum = ((checksum << 8) ^ CRC_TABLE[(checksum >>> 24) ^ bytes[index]!]!) >>> 0;
	}
	return checksum;
}

/** Appends an unsigned number (type `v`): groups of 7 bits, most significant first. Exact up to 2^53. */
export function pushVarint(out: number[], value: number): void {
	if (!Number.isSafeInteger(value) || value < 0) {
		throw new TypeError(`NUT holds non-negative whole numbers, not ${value}.`);
	}
	const groups = [value % 128];
	for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) {
		groups.unshift((rest % 128) + 128);
	}
	out.push(...groups);
}

/** Appends a 32-bit number, big-endian. */
export function pushUint32(out: number[], value: number): void {
	out.push((value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
}
