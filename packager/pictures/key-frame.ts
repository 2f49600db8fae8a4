/** Finds the first key frame in our CMAF files, so that nothing behind it is loaded or decoded. Pure. */
import type { VideoTrackConfig } from '../../core/media/codecs.ts';
import { findBox, findPath, orUndefined, readFragments, viewOf, type ByteSpan } from '../cmaf/fragment-reader.ts';
import type { ByteRange } from '../store/object-store.ts';

/** A picture that decodes alone. */
export type KeyFrame = {
	config: VideoTrackConfig;
	/** NAL units, each after its length of four bytes. */
	bytes: Uint8Array;
};

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
	return orUndefined(() => {
		const widthPixels = view.getUint16(entry.startByte + VISUAL_ENTRY_WIDTH);
		const heightPixels = view.getUint16(entry.startByte + VISUAL_ENTRY_WIDTH + 2);
		return { kind: 'video', codec: 'h264', widthPixels, heightPixels, ...readParameterSets(view, record) };
	});
}

/**
 * Where the first key frame of the first fragment is, counted from the first byte; it may end behind the bytes that are
 * given. Undefined when the fragment has none, or is not one of ours.
 */
export function locateKeyFrame(file: Uint8Array): ByteRange | undefined {
	const [first] = readFragments(file);
	const found = first?.samples.find(({ isSync, startByte, endByte }) => isSync && endByte > startByte);
	return found && { startByte: found.startByte, endByte: found.endByte };
}

/** ISO/IEC 14496-15 §5.3.3.1.2, AVCDecoderConfigurationRecord. */
function readParameterSets(view: DataView, record: ByteSpan): { sps: Uint8Array[]; pps: Uint8Array[] } {
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
