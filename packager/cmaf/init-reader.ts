/** Reads what an init segment of ours says about its track. Pure. */
import { parseAacConfig } from '../../core/media/aac-config.ts';
import type { AudioTrackConfig, TrackConfig, VideoTrackConfig } from '../../core/media/codecs.ts';
import { findBox, undefinedBehindTheEnd, viewOf, type FoundBox } from './box-reader.ts';

type InitFacts<Config extends TrackConfig = TrackConfig> = {
	config: Config;
	/** Of the edit list: presentation begins there. */
	presentationDelayTicks: number;
};

/** Of a sample entry before its own boxes (ISO/IEC 14496-12 §12.1.3, §12.2.3), and of the width in it. */
const VISUAL_ENTRY_BYTES = 78;
const VISUAL_ENTRY_WIDTH = 24;
const AUDIO_ENTRY_BYTES = 28;
/** ISO/IEC 14496-1 §7.2.6: the descriptors around an AudioSpecificConfig, and their bytes before the next one. */
const DESCRIPTORS = [
	{ tag: 0x03, headBytes: 3 },
	{ tag: 0x04, headBytes: 13 },
	{ tag: 0x05, headBytes: 0 },
];

/** What the track is; undefined for bytes that are no init segment of ours. Never throws. */
export function readInit(init: Uint8Array): InitFacts | undefined {
	return undefinedBehindTheEnd(() => {
		const view = viewOf(init);
		const track = findBox(view, ['moov', 'trak']);
		const table = track && findBox(view, ['mdia', 'minf', 'stbl', 'stsd'], track);
		// After version, flags and the count of entries.
		const entries = table && { startByte: table.startByte + 8, endByte: table.endByte };
		const edits = track && findBox(view, ['edts', 'elst'], track);
		const config = entries && (readPicture(view, entries) ?? readSound(view, entries));
		return config && { config, presentationDelayTicks: edits === undefined ? 0 : view.getInt32(edits.startByte + 12) };
	});
}

/** As {@link readInit}, of an H.264 track; undefined for any other. */
export function readVideoConfig(init: Uint8Array): VideoTrackConfig | undefined {
	const config = readInit(init)?.config;
	return config?.kind === 'video' ? config : undefined;
}

type Entries = { startByte: number; endByte: number };

function readPicture(view: DataView, entries: Entries): VideoTrackConfig | undefined {
	const entry = findBox(view, ['avc1'], entries);
	const boxes = entry && { startByte: entry.startByte + VISUAL_ENTRY_BYTES, endByte: entry.endByte };
	const record = boxes && findBox(view, ['avcC'], boxes);
	if (entry === undefined || record === undefined) {
		return undefined;
	}
	const widthPixels = view.getUint16(entry.startByte + VISUAL_ENTRY_WIDTH);
	const heightPixels = view.getUint16(entry.startByte + VISUAL_ENTRY_WIDTH + 2);
	return { kind: 'video', codec: 'h264', widthPixels, heightPixels, ...readParameterSets(view, record) };
}

/** ISO/IEC 14496-15 §5.3.3.1.2, AVCDecoderConfigurationRecord. */
function readParameterSets(view: DataView, record: FoundBox): { sps: Uint8Array[]; pps: Uint8Array[] } {
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

function readSound(view: DataView, entries: Entries): AudioTrackConfig | undefined {
	const entry = findBox(view, ['mp4a'], entries);
	const boxes = entry && { startByte: entry.startByte + AUDIO_ENTRY_BYTES, endByte: entry.endByte };
	const descriptors = boxes && findBox(view, ['esds'], boxes);
	if (descriptors === undefined) {
		return undefined;
	}
	// After version and flags.
	let offset = descriptors.startByte + 4;
	let sizeBytes = 0;
	for (const { tag, headBytes } of DESCRIPTORS) {
		if (view.getUint8(offset++) !== tag) {
			return undefined;
		}
		sizeBytes = 0;
		let byte;
		do {
			byte = view.getUint8(offset++);
			sizeBytes = sizeBytes * 128 + (byte & 0x7f);
		} while (byte > 0x7f);
		offset += headBytes;
	}
	const result = parseAacConfig(new Uint8Array(view.buffer, view.byteOffset + offset, sizeBytes));
	return 'config' in result ? result.config : undefined;
}
