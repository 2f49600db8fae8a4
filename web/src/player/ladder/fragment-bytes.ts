/**
 * Reads and changes the bytes of our CMAF fragments (packager/cmaf/fragment-writer.ts): one track, one `moof` a part.
 * Pure.
 */

type Box = { type: string; start: number; end: number };

/** Sample flags (ISO/IEC 14496-12 §8.8.3.1): not a sync sample. */
const NON_SYNC = 0x1_0000;
const TRUN = { dataOffset: 0x1, firstFlags: 0x4, duration: 0x100, size: 0x200, flags: 0x400, offset: 0x800 } as const;
const TFHD = { baseOffset: 0x1, description: 0x2, duration: 0x8, size: 0x10, flags: 0x20 } as const;

/** Less than 1 ms at 90 000 ticks a second. */
const MAX_SQUEEZED = 88;

/** Where the times and flags of a fragment's samples are. */
type Run = {
	/** `tfdt`: position and size of its value. */
	decodeTime: { at: number; isLong: boolean };
	sampleCount: number;
	/** Position of the first sample's fields, and bytes a sample. */
	samplesAt: number;
	stride: number;
	/** Within a sample; undefined where samples have none of their own. */
	durationAt: number | undefined;
	flagsAt: number | undefined;
	hasCompositionOffsets: boolean;
	defaultFlags: number;
};

/** Index of the first picture that decodes alone; undefined when there is none. */
export function firstSyncSample(fragment: Uint8Array): number | undefined {
	const view = viewOf(fragment);
	const run = readRun(fragment, view);
	if (run === undefined) {
		return undefined;
	}
	for (let index = 0; index < run.sampleCount; index++) {
		const flags =
			run.flagsAt === undefined ? run.defaultFlags : view.getUint32(run.samplesAt + index * run.stride + run.flagsAt);
		if ((flags & NON_SYNC) === 0) {
			return index;
		}
	}
	return undefined;
}

/** Decode time of the first picture, in ticks of the track; undefined for other bytes than ours. */
export function decodeTimeTicks(fragment: Uint8Array): number | undefined {
	const view = viewOf(fragment);
	const run = readRun(fragment, view);
	return run && readDecodeTime(view, run);
}

/** When the last picture is shown, in ticks of the track; undefined without pictures, and for other bytes than ours. */
export function lastSampleTicks(fragment: Uint8Array): number | undefined {
	const view = viewOf(fragment);
	const run = readRun(fragment, view);
	if (run?.durationAt === undefined || run.sampleCount === 0) {
		return undefined;
	}
	let ticks = readDecodeTime(view, run);
	for (let index = 0; index < run.sampleCount - 1; index++) {
		ticks += view.getUint32(run.samplesAt + index * run.stride + run.durationAt);
	}
	return ticks;
}

/**
 * The pictures of these fragments, all at once: a tick apart from `fromTicks`, the time of the picture that is shown
 * before, and the last one until `untilTicks`. So they are decoded, because later pictures depend on them, but not
 * seen: Chromium drops pictures within 1 ms of another (VideoRendererAlgorithm::EnqueueFrame), and elsewhere the last
 * one, which shows the same as the picture before, is the latest. Undefined when that is not possible: with B-frames,
 * too many pictures, or other bytes than ours.
 */
export function squeeze(
	fragments: readonly Uint8Array[],
	{ fromTicks, untilTicks }: { fromTicks: number; untilTicks: number },
): Uint8Array[] | undefined {
	const copies = fragments.map((fragment) => fragment.slice());
	const runs = copies.map((copy) => ({ view: viewOf(copy), run: readRun(copy, viewOf(copy)) }));
	const count = runs.reduce((sum, { run }) => sum + (run?.sampleCount ?? 0), 0);
	if (count > MAX_SQUEEZED || fromTicks + count >= untilTicks) {
		return undefined;
	}
	let ticks = fromTicks;
	for (const { view, run } of runs) {
		if (run?.durationAt === undefined || run.hasCompositionOffsets) {
			return undefined;
		}
		writeDecodeTime(view, run, ticks + 1);
		for (let index = 0; index < run.sampleCount; index++) {
			ticks++;
			const duration = ticks - fromTicks === count ? untilTicks - ticks : 1;
			view.setUint32(run.samplesAt + index * run.stride + run.durationAt, duration);
		}
	}
	return copies;
}

function viewOf(bytes: Uint8Array): DataView {
	return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function readRun(fragment: Uint8Array, view: DataView): Run | undefined {
	const moof = boxesIn(view, 0, fragment.length).find(({ type }) => type === 'moof');
	const traf = moof && boxesIn(view, moof.start, moof.end).find(({ type }) => type === 'traf');
	if (traf === undefined) {
		return undefined;
	}
	const boxes = boxesIn(view, traf.start, traf.end);
	const [tfhd, tfdt, trun] = ['tfhd', 'tfdt', 'trun'].map((name) => boxes.find(({ type }) => type === name));
	if (tfhd === undefined || tfdt === undefined || trun === undefined) {
		return undefined;
	}
	const flags = view.getUint32(trun.start) & 0xff_ffff;
	const has = (flag: number): boolean => (flags & flag) !== 0;
	const fieldsBefore = (last: number): number =>
		[TRUN.duration, TRUN.size, TRUN.flags, TRUN.offset].filter((flag) => flag < last && has(flag)).length * 4;
	return {
		decodeTime: { at: tfdt.start + 4, isLong: view.getUint8(tfdt.start) === 1 },
		sampleCount: view.getUint32(trun.start + 4),
		samplesAt: trun.start + 8 + (has(TRUN.dataOffset) ? 4 : 0) + (has(TRUN.firstFlags) ? 4 : 0),
		stride: fieldsBefore(Infinity),
		durationAt: has(TRUN.duration) ? 0 : undefined,
		flagsAt: has(TRUN.flags) ? fieldsBefore(TRUN.flags) : undefined,
		hasCompositionOffsets: has(TRUN.offset),
		defaultFlags: defaultFlagsOf(view, tfhd),
	};
}

function defaultFlagsOf(view: DataView, tfhd: Box): number {
	const flags = view.getUint32(tfhd.start) & 0xff_ffff;
	if ((flags & TFHD.flags) === 0) {
		return 0;
	}
	const sizes = [
		[TFHD.baseOffset, 8],
		[TFHD.description, 4],
		[TFHD.duration, 4],
		[TFHD.size, 4],
	] as const;
	return view.getUint32(tfhd.start + 8 + sizes.reduce((sum, [flag, size]) => sum + (flags & flag ? size : 0), 0));
}

function readDecodeTime(view: DataView, { decodeTime }: Run): number {
	return decodeTime.isLong ? Number(view.getBigUint64(decodeTime.at)) : view.getUint32(decodeTime.at);
}

function writeDecodeTime(view: DataView, { decodeTime }: Run, ticks: number): void {
	if (decodeTime.isLong) {
		view.setBigUint64(decodeTime.at, BigInt(ticks));
	} else {
		view.setUint32(decodeTime.at, ticks);
	}
}

/** Boxes whose contents are within these bounds; ends at the first that does not fit. */
function boxesIn(view: DataView, start: number, end: number): Box[] {
	const boxes: Box[] = [];
	for (let at = start; at + 8 <= end;) {
		const size = view.getUint32(at);
		if (size < 8 || at + size > end) {
			break;
		}
		const type = String.fromCharCode(...[4, 5, 6, 7].map((offset) => view.getUint8(at + offset)));
		boxes.push({ type, start: at + 8, end: at + size });
		at += size;
	}
	return boxes;
}
