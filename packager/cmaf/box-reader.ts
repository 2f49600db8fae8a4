/** Reads fragmented MP4: init segments and fragments, ours and FFmpeg's. Bounded; never throws on any bytes. */
import { ntpToEpochMs } from '../../core/units.ts';

/** A box in place: `contents` is a view, `startOffset` where its header begins in the bytes given. */
export type Box = { type: string; contents: Uint8Array; startOffset: number };

const MAX_BOXES = 65_536;
const MAX_SAMPLES = 65_536;

/**
 * The boxes one after another in `bytes`. Undefined when a size does not fit, or with more than 65 536 boxes. A 64-bit size
 * and "up to the end" (size 0) are understood.
 */
export function readBoxes(bytes: Uint8Array): Box[] | undefined {
	const view = viewOf(bytes);
	const boxes: Box[] = [];
	let offset = 0;
	while (offset < bytes.length) {
		if (boxes.length === MAX_BOXES || offset + 8 > bytes.length) {
			return undefined;
		}
		let sizeBytes = view.getUint32(offset);
		let headerBytes = 8;
		if (sizeBytes === 1) {
			if (offset + 16 > bytes.length) {
				return undefined;
			}
			sizeBytes = view.getUint32(offset + 8) * 2 ** 32 + view.getUint32(offset + 12);
			headerBytes = 16;
		} else if (sizeBytes === 0) {
			sizeBytes = bytes.length - offset;
		}
		if (sizeBytes < headerBytes || offset + sizeBytes > bytes.length) {
			return undefined;
		}
		const type = String.fromCharCode(...bytes.subarray(offset + 4, offset + 8));
		boxes.push({ type, contents: bytes.subarray(offset + headerBytes, offset + sizeBytes), startOffset: offset });
		offset += sizeBytes;
	}
	return boxes;
}

/** The first box at a path such as `moov/trak/mdia`; undefined when there is none. */
export function findBox(bytes: Uint8Array, path: string): Uint8Array | undefined {
	let contents: Uint8Array | undefined = bytes;
	for (const type of path.split('/')) {
		contents = contents && readBoxes(contents)?.find((entry) => entry.type === type)?.contents;
	}
	return contents;
}

/** What {@link readInitSegment} finds of the first track. */
export type InitSegmentFacts = {
	trackId: number;
	timescale: number;
	kind: 'video' | 'audio';
	/** Four characters, such as `avc1` or `mp4a`. */
	sampleEntry: string;
	brands: string[];
	/** Video only. */
	widthPixels?: number;
	heightPixels?: number;
	/** Contents of `avcC` or `esds`. */
	decoderConfiguration?: Uint8Array;
};

/** Reads `ftyp` and the first track of `moov`. Undefined when it cannot be read. */
export function readInitSegment(bytes: Uint8Array): InitSegmentFacts | undefined {
	return guarded(() => {
		const fileType = findBox(bytes, 'ftyp');
		const track = findBox(bytes, 'moov/trak');
		const entries = track && findBox(track, 'mdia/minf/stbl/stsd');
		const mediaHeader = track && findBox(track, 'mdia/mdhd');
		const trackHeader = track && findBox(track, 'tkhd');
		const handlerBox = track && findBox(track, 'mdia/hdlr');
		const entry = entries && readBoxes(entries.subarray(8))?.[0];
		if (!fileType || !mediaHeader || !trackHeader || !handlerBox || !entry) {
			return undefined;
		}
		const isVideo = String.fromCharCode(...handlerBox.subarray(8, 12)) === 'vide';
		const entryView = viewOf(entry.contents);
		const children = entry.contents.subarray(isVideo ? 78 : 28);
		const decoderConfiguration = findBox(children, isVideo ? 'avcC' : 'esds');
		return {
			trackId: viewOf(trackHeader).getUint32(trackHeader[0] === 1 ? 20 : 12),
			timescale: viewOf(mediaHeader).getUint32(mediaHeader[0] === 1 ? 20 : 12),
			kind: isVideo ? 'video' : 'audio',
			sampleEntry: entry.type,
			brands: readBrands(fileType),
			...(isVideo ? { widthPixels: entryView.getUint16(24), heightPixels: entryView.getUint16(26) } : {}),
			...(decoderConfiguration ? { decoderConfiguration } : {}),
		};
	});
}

/** One sample as its fragment describes it. */
export type ReadSample = {
	decodeTimeTicks: number;
	durationTicks: number;
	compositionOffsetTicks: number;
	flags: number;
	bytes: Uint8Array;
};

/** One `moof` with its samples. */
export type ReadFragment = {
	sequenceNumber: number;
	trackId: number;
	baseMediaDecodeTimeTicks: number;
	/** From the `prft` before it. */
	producerReference: { captureTimeMs: number; mediaTimeTicks: number } | undefined;
	samples: ReadSample[];
};

/**
 * Reads all fragments of a file or part: one `traf` each, `default-base-is-moof`, sample data in the `mdat` that follows.
 * Undefined when anything does not add up.
 */
export function readFragments(bytes: Uint8Array): ReadFragment[] | undefined {
	return guarded(() => {
		const boxes = readBoxes(bytes);
		if (boxes === undefined) {
			return undefined;
		}
		const fragments: ReadFragment[] = [];
		let producerReference: ReadFragment['producerReference'];
		for (const entry of boxes) {
			if (entry.type === 'prft') {
				producerReference = readProducerReference(entry.contents);
			} else if (entry.type === 'moof') {
				const fragment = readMovieFragment(entry, bytes, producerReference);
				if (fragment === undefined) {
					return undefined;
				}
				fragments.push(fragment);
				producerReference = undefined;
			}
		}
		return fragments;
	});
}

function readMovieFragment(
	box: Box,
	file: Uint8Array,
	producerReference: ReadFragment['producerReference'],
): ReadFragment | undefined {
	const movieHeader = findBox(box.contents, 'mfhd');
	const track = findBox(box.contents, 'traf');
	const header = track && findBox(track, 'tfhd');
	const decodeTime = track && findBox(track, 'tfdt');
	const runs = track && readBoxes(track)?.filter((entry) => entry.type === 'trun');
	if (!movieHeader || !header || !decodeTime || !runs) {
		return undefined;
	}
	const defaults = readTrackFragmentHeader(header);
	const decodeView = viewOf(decodeTime);
	const baseMediaDecodeTimeTicks =
		decodeTime[0] === 1 ? decodeView.getUint32(4) * 2 ** 32 + decodeView.getUint32(8) : decodeView.getUint32(4);
	const samples: ReadSample[] = [];
	let decodeTimeTicks = baseMediaDecodeTimeTicks;
	for (const run of runs) {
		decodeTimeTicks = readTrackRun(run.contents, {
			file,
			moofStart: box.startOffset,
			defaults,
			decodeTimeTicks,
			samples,
		});
	}
	return {
		sequenceNumber: viewOf(movieHeader).getUint32(4),
		trackId: defaults.trackId,
		baseMediaDecodeTimeTicks,
		producerReference,
		samples,
	};
}

type TrackFragmentDefaults = { trackId: number; durationTicks: number; sizeBytes: number; flags: number };

function readTrackFragmentHeader(contents: Uint8Array): TrackFragmentDefaults {
	const view = viewOf(contents);
	const flags = view.getUint32(0) & 0xff_ffff;
	let offset = 8;
	const optional = (flag: number, sizeBytes: number): number => {
		if ((flags & flag) === 0) {
			return 0;
		}
		offset += sizeBytes;
		return view.getUint32(offset - 4);
	};
	const trackId = view.getUint32(4);
	optional(0x1, 8);
	optional(0x2, 4);
	const durationTicks = optional(0x8, 4);
	const sizeBytes = optional(0x10, 4);
	return { trackId, durationTicks, sizeBytes, flags: optional(0x20, 4) };
}

function readTrackRun(
	contents: Uint8Array,
	state: {
		file: Uint8Array;
		moofStart: number;
		defaults: TrackFragmentDefaults;
		decodeTimeTicks: number;
		samples: ReadSample[];
	},
): number {
	const { file, defaults, samples } = state;
	const view = viewOf(contents);
	const flags = view.getUint32(0) & 0xff_ffff;
	const isSigned = contents[0] === 1;
	const count = view.getUint32(4);
	if (samples.length + count > MAX_SAMPLES) {
		throw new RangeError('too many samples');
	}
	let offset = 8;
	let dataOffset = state.moofStart;
	if ((flags & 0x1) !== 0) {
		dataOffset += view.getInt32(offset);
		offset += 4;
	}
	let firstFlags: number | undefined;
	if ((flags & 0x4) !== 0) {
		firstFlags = view.getUint32(offset);
		offset += 4;
	}
	let decodeTimeTicks = state.decodeTimeTicks;
	const field = (flag: number, otherwise: number): number => {
		if ((flags & flag) === 0) {
			return otherwise;
		}
		offset += 4;
		return view.getUint32(offset - 4);
	};
	for (let index = 0; index < count; index++) {
		const durationTicks = field(0x100, defaults.durationTicks);
		const sizeBytes = field(0x200, defaults.sizeBytes);
		const sampleFlags = field(0x400, index === 0 && firstFlags !== undefined ? firstFlags : defaults.flags);
		const rawOffset = field(0x800, 0);
		if (dataOffset < 0 || dataOffset + sizeBytes > file.length) {
			throw new RangeError('sample data lies outside');
		}
		samples.push({
			decodeTimeTicks,
			durationTicks,
			compositionOffsetTicks: isSigned ? rawOffset | 0 : rawOffset,
			flags: sampleFlags,
			bytes: file.subarray(dataOffset, dataOffset + sizeBytes),
		});
		decodeTimeTicks += durationTicks;
		dataOffset += sizeBytes;
	}
	return decodeTimeTicks;
}

function readProducerReference(contents: Uint8Array): ReadFragment['producerReference'] {
	const view = viewOf(contents);
	return {
		captureTimeMs: ntpToEpochMs(view.getUint32(8), view.getUint32(12)),
		mediaTimeTicks: contents[0] === 1 ? view.getUint32(16) * 2 ** 32 + view.getUint32(20) : view.getUint32(16),
	};
}

function readBrands(fileType: Uint8Array): string[] {
	const brands: string[] = [];
	for (let offset = 0; offset + 4 <= fileType.length && brands.length < 64; offset += 4) {
		if (offset !== 4) {
			brands.push(String.fromCharCode(...fileType.subarray(offset, offset + 4)));
		}
	}
	return brands;
}

function viewOf(bytes: Uint8Array): DataView {
	return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

// DataView throws RangeError on reading past the end, which is all that malformed bytes can cause here.
function guarded<T>(read: () => T | undefined): T | undefined {
	try {
		return read();
	} catch (error) {
		if (error instanceof RangeError) {
			return undefined;
		}
		throw error;
	}
}
