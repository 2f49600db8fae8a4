/** Reads our own CMAF files: boxes, the timing of a track, and what fragments have. Pure; the bytes may be damaged. */
import { ntpToEpochMs } from '../../core/units.ts';

/** Contents of a box, or data in a file; the end is excluded, and may be behind the bytes that are there. */
export type ByteSpan = { startByte: number; endByte: number };

/** Times in ticks of the track. */
type ReadSample = ByteSpan & {
	/** Decode time. */
	startTicks: number;
	durationTicks: number;
	/** Presentation minus decode time before the edit list. */
	compositionOffsetTicks: number;
	isSync: boolean;
};

type ReadFragment = {
	/** `tfdt`; 0 without one. */
	startTicks: number;
	/** `prft`: when its first sample was captured, epoch milliseconds; undefined without one. */
	captureTimeMs: number | undefined;
	samples: ReadSample[];
};

/** What the times of a track's fragments mean. */
export type TrackTiming = {
	/** Ticks per second. */
	timescale: number;
	/** The edit list: presentation times are earlier by this. */
	presentationDelayTicks: number;
};

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
/** In front of the contents of a box. */
const HEADER_BYTES = 8;

/** The fragments of a file one after another, up to the first one that is damaged or not one of ours. */
export function* readFragments(file: Uint8Array): Generator<ReadFragment, void> {
	const view = viewOf(file);
	let captureTimeMs: number | undefined;
	for (const { type, startByte, endByte } of boxesIn(view, { startByte: 0, endByte: view.byteLength })) {
		if (type === 'prft') {
			captureTimeMs = orUndefined(() => ntpToEpochMs(view.getUint32(startByte + 8), view.getUint32(startByte + 12)));
		}
		if (type === 'moof') {
			const read = orUndefined(() => readFragment(view, { startByte, endByte }));
			if (read === undefined) {
				return;
			}
			yield { ...read, captureTimeMs };
			captureTimeMs = undefined;
		}
	}
}

/** Undefined for what is no init segment of ours. */
export function readTrackTiming(init: Uint8Array): TrackTiming | undefined {
	const view = viewOf(init);
	const header = findPath(view, ['moov', 'trak', 'mdia', 'mdhd']);
	const edits = findPath(view, ['moov', 'trak', 'edts', 'elst']);
	return orUndefined(() => {
		const timescale = header === undefined ? 0 : view.getUint32(header.startByte + 12);
		const presentationDelayTicks = edits === undefined ? 0 : Math.max(0, view.getInt32(edits.startByte + 12));
		return timescale > 0 ? { timescale, presentationDelayTicks } : undefined;
	});
}

/** The first box on the path. */
export function findPath(view: DataView, path: readonly string[], inside?: ByteSpan): ByteSpan | undefined {
	let found: ByteSpan | undefined = inside ?? { startByte: 0, endByte: view.byteLength };
	for (const type of path) {
		found = found && findBox(view, type, found);
	}
	return found;
}

/** The first box of the type. */
export function findBox(view: DataView, type: string, inside: ByteSpan): ByteSpan | undefined {
	for (const box of boxesIn(view, inside)) {
		if (box.type === type) {
			return box;
		}
	}
	return undefined;
}

export function viewOf(bytes: Uint8Array): DataView {
	return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** What `read` returns; undefined when it reads behind the end. */
export function orUndefined<Value>(read: () => Value): Value | undefined {
	try {
		return read();
	} catch (error) {
		// DataView throws it, and so does a typed array.
		if (!(error instanceof RangeError)) {
			throw error;
		}
		return undefined;
	}
}

function* boxesIn(view: DataView, { startByte, endByte }: ByteSpan): Generator<ByteSpan & { type: string }, void> {
	for (let offset = startByte; offset + HEADER_BYTES <= Math.min(endByte, view.byteLength);) {
		const sizeBytes = view.getUint32(offset);
		const type = String.fromCharCode(...[4, 5, 6, 7].map((index) => view.getUint8(offset + index)));
		yield { type, startByte: offset + HEADER_BYTES, endByte: offset + sizeBytes };
		offset += Math.max(HEADER_BYTES, sizeBytes);
	}
}

function readFragment(view: DataView, moof: ByteSpan): Omit<ReadFragment, 'captureTimeMs'> | undefined {
	const header = findPath(view, ['traf', 'tfhd'], moof);
	const time = findPath(view, ['traf', 'tfdt'], moof);
	const run = findPath(view, ['traf', 'trun'], moof);
	if (header === undefined || run === undefined) {
		return undefined;
	}
	const headerFlags = view.getUint32(header.startByte) & 0xff_ffff;
	const flags = view.getUint32(run.startByte) & 0xff_ffff;
	const isOurs =
		(headerFlags & TFHD_OTHER_OFFSETS) === 0 &&
		(headerFlags & TFHD_DEFAULT_SAMPLE_FLAGS) !== 0 &&
		(flags & TRUN_DATA_OFFSET) !== 0 &&
		(flags & TRUN_SAMPLE_SIZE) !== 0 &&
		(flags & TRUN_FIRST_SAMPLE_FLAGS) === 0;
	if (!isOurs) {
		return undefined;
	}
	const startTicks = time === undefined ? 0 : readDecodeTime(view, time.startByte);
	const defaultFlags = view.getUint32(header.startByte + 8);
	const count = view.getUint32(run.startByte + 4);
	const moofByte = moof.startByte - HEADER_BYTES;
	let decodeTicks = startTicks;
	// Its data is behind it.
	let startByte = moofByte + Math.max(view.getUint32(moofByte), view.getInt32(run.startByte + 8));
	let offset = run.startByte + 12;
	const next = (flag: number): number | undefined => {
		if ((flags & flag) === 0) {
			return undefined;
		}
		offset += 4;
		return view.getUint32(offset - 4);
	};
	const samples: ReadSample[] = [];
	// Each has a size, so a wrong count ends behind the bytes.
	for (let index = 0; index < count; index++) {
		const durationTicks = next(TRUN_SAMPLE_DURATION) ?? 0;
		const endByte = startByte + next(TRUN_SAMPLE_SIZE)!;
		const sampleFlags = next(TRUN_SAMPLE_FLAGS) ?? defaultFlags;
		// Signed, in version 1.
		const compositionOffsetTicks = (next(TRUN_SAMPLE_COMPOSITION_OFFSET) ?? 0) | 0;
		const isSync = (sampleFlags & IS_NON_SYNC) === 0;
		samples.push({ startByte, endByte, startTicks: decodeTicks, durationTicks, compositionOffsetTicks, isSync });
		startByte = endByte;
		decodeTicks += durationTicks;
	}
	return { startTicks, samples };
}

function readDecodeTime(view: DataView, startByte: number): number {
	return view.getUint8(startByte) === 0
		? view.getUint32(startByte + 4)
		: view.getUint32(startByte + 4) * 2 ** 32 + view.getUint32(startByte + 8);
}
