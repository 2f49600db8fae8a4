/** Finds the first key frame in our CMAF files, so that nothing behind it is loaded or decoded. Pure. */
import type { VideoTrackConfig } from '../../core/media/codecs.ts';
import type { ByteRange } from '../store/object-store.ts';

/** A picture that decodes alone. */
export type KeyFrame = {
	config: VideoTrackConfig;
	/** NAL units, each after its length of four bytes. */
	bytes: Uint8Array;
};

type Box = { type: string; startByte: number; endByte: number };

/** ISO/IEC 14496-12 §8.8.7 and §8.8.8: what our fragments have, and what a decoder may skip. */
const TFHD_OTHER_OFFSETS = 0x1 | 0x2 | 0x8 | 0x10;
const TFHD_DEFAULT_SAMPLE_FLAGS = 0x20;
const TRUN_DATA_OFFSET = 0x1;
const TRUN_FIRST_SAMPLE_FLAGS = 0x4;
const TRUN_SAMPLE_DURATION = 0x100;
const TRUN_SAMPLE_SIZE = 0x200;
const TRUN_SAMPLE_FLAGS = 0x400;
const TRUN_SAMPLE_COMPOSITION_OFFSET = 0x800;
/** Sample flags: not a sync sample. */
const IS_NON_SYNC = 0x1_0000;
/** Of the sample entry before its own boxes (§12.1.3), and of the width in it. */
const VISUAL_ENTRY_BYTES = 78;
const VISUAL_ENTRY_WIDTH = 24;

/** What an init segment says about an H.264 track; undefined for any other. */
export function readVideoConfig(init: Uint8Array): VideoTrackConfig | undefined {
	const view = viewOf(init);
	const table = findPath(view, ['moov', 'trak', 'mdia', 'minf', 'stbl', 'stsd']);
	// After version, flags and the count of entries.
	const entry = table && findBox(view, 'avc1', { startByte: table.startByte + 8, endByte: table.endByte });
	const record =
		entry && findBox(view, 'avcC', { startByte: entry.startByte + VISUAL_ENTRY_BYTES, endByte: entry.endByte });
	if (entry === undefined || record === undefined) {
		return undefined;
	}
	try {
		const widthPixels = view.getUint16(entry.startByte + VISUAL_ENTRY_WIDTH);
		const heightPixels = view.getUint16(entry.startByte + VISUAL_ENTRY_WIDTH + 2);
		return { kind: 'video', codec: 'h264', widthPixels, heightPixels, ...readParameterSets(view, record) };
	} catch (error) {
		return undefinedBehindTheEnd(error);
	}
}

/**
 * Where the first key frame of the first fragment is, counted from the first byte; it may end behind the bytes that are
 * given. Undefined when the fragment has none, or is not one of ours.
 */
export function locateKeyFrame(fragment: Uint8Array): ByteRange | undefined {
	const view = viewOf(fragment);
	const moof = findBox(view, 'moof', { startByte: 0, endByte: view.byteLength });
	const header = moof && findPath(view, ['traf', 'tfhd'], moof);
	const run = moof && findPath(view, ['traf', 'trun'], moof);
	if (moof === undefined || header === undefined || run === undefined) {
		return undefined;
	}
	try {
		return locateSync(view, moof.startByte - 8, header.startByte, run.startByte);
	} catch (error) {
		return undefinedBehindTheEnd(error);
	}
}

function locateSync(view: DataView, moofByte: number, headerByte: number, runByte: number): ByteRange | undefined {
	const headerFlags = view.getUint32(headerByte) & 0xff_ffff;
	const runFlags = view.getUint32(runByte) & 0xff_ffff;
	const isOurs =
		(headerFlags & TFHD_OTHER_OFFSETS) === 0 &&
		(headerFlags & TFHD_DEFAULT_SAMPLE_FLAGS) !== 0 &&
		(runFlags & TRUN_DATA_OFFSET) !== 0 &&
		(runFlags & TRUN_SAMPLE_SIZE) !== 0 &&
		(runFlags & TRUN_FIRST_SAMPLE_FLAGS) === 0;
	if (!isOurs) {
		return undefined;
	}
	const defaultFlags = view.getUint32(headerByte + 8);
	const count = view.getUint32(runByte + 4);
	// Its data is behind it.
	let startByte = moofByte + Math.max(view.getUint32(moofByte), view.getInt32(runByte + 8));
	let offset = runByte + 12;
	for (let index = 0; index < count; index++) {
		offset += (runFlags & TRUN_SAMPLE_DURATION) !== 0 ? 4 : 0;
		const sizeBytes = view.getUint32(offset);
		offset += 4;
		const hasFlags = (runFlags & TRUN_SAMPLE_FLAGS) !== 0;
		const flags = hasFlags ? view.getUint32(offset) : defaultFlags;
		offset += (hasFlags ? 4 : 0) + ((runFlags & TRUN_SAMPLE_COMPOSITION_OFFSET) !== 0 ? 4 : 0);
		if ((flags & IS_NON_SYNC) === 0 && sizeBytes > 0) {
			return { startByte, endByte: startByte + sizeBytes };
		}
		startByte += sizeBytes;
	}
	return undefined;
}

/** ISO/IEC 14496-15 §5.3.3.1.2, AVCDecoderConfigurationRecord. */
function readParameterSets(view: DataView, record: Box): { sps: Uint8Array[]; pps: Uint8Array[] } {
	let offset = record.startByte + 5;
	const readSets = (count: number): Uint8Array[] =>
		Array.from({ length: count }, () => {
			const length = view.getUint16(offset);
			const set = new Uint8Array(view.buffer, view.byteOffset + offset + 2, length);
			offset += 2 + length;
			return set;
		});
	const sps = readSets(view.getUint8(offset++) & 0x1f);
	const pps = readSets(view.getUint8(offset++));
	return { sps, pps };
}

/** The first box on the path; contents without the header. */
function findPath(view: DataView, path: readonly string[], inside?: ByteRange): Box | undefined {
	let found: ByteRange | undefined = inside ?? { startByte: 0, endByte: view.byteLength };
	for (const type of path) {
		found = found && findBox(view, type, found);
	}
	return found as Box | undefined;
}

function findBox(view: DataView, type: string, { startByte, endByte }: ByteRange): Box | undefined {
	for (let offset = startByte; offset + 8 <= Math.min(endByte, view.byteLength);) {
		const sizeBytes = view.getUint32(offset);
		const name = String.fromCharCode(...[4, 5, 6, 7].map((index) => view.getUint8(offset + index)));
		if (name === type) {
			return { type, startByte: offset + 8, endByte: offset + sizeBytes };
		}
		offset += Math.max(8, sizeBytes);
	}
	return undefined;
}

function viewOf(bytes: Uint8Array): DataView {
	return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

// DataView throws it, and so does a typed array.
function undefinedBehindTheEnd(error: unknown): undefined {
	if (!(error instanceof RangeError)) {
		throw error;
	}
	return undefined;
}
