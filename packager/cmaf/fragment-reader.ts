/** Reads where samples are in the CMAF chunks that `fragment-writer.ts` writes, one or several in a segment. Pure. */
import { ntpToEpochMs } from '../../core/units.ts';
import { findBox, listBoxes, undefinedBehindTheEnd, viewOf, type FoundBox } from './box-reader.ts';

/** One sample, in decode order. Its bytes may end behind those that were given, when only the begin was. */
type FragmentEntry = {
	startByte: number;
	endByte: number;
	decodeTimeTicks: number;
	/** As in `trun`; the init segment's edit list is not applied. */
	compositionOffsetTicks: number;
	durationTicks: number;
	/** Decodable alone. */
	isSync: boolean;
};

/** ISO/IEC 14496-12 §8.8.7 and §8.8.8: what our fragments have, and what they never have. */
const TFHD_OTHER_OFFSETS = 0x1 | 0x2 | 0x8 | 0x10;
const TFHD_DEFAULT_SAMPLE_FLAGS = 0x20;
const TRUN_FIRST_SAMPLE_FLAGS = 0x4;
const TRUN_NEEDED = 0x1 | 0x100 | 0x200;
const TRUN_SAMPLE_FLAGS = 0x400;
const TRUN_SAMPLE_COMPOSITION_OFFSET = 0x800;
/** Sample flags: not a sync sample. */
const IS_NON_SYNC = 0x1_0000;

/** Samples down to the first that is cut off in its `moof`, or to a fragment that is not one of ours. Never throws. */
export function* readFragments(bytes: Uint8Array): Generator<FragmentEntry, void> {
	const view = viewOf(bytes);
	try {
		for (const box of listBoxes(view)) {
			if (box.type === 'moof') {
				yield* readFragment(view, box);
			}
		}
	} catch (error) {
		// DataView throws it behind the end.
		if (!(error instanceof RangeError)) {
			throw error;
		}
	}
}

/** When media of that decode time was captured (`prft`), epoch milliseconds: one for each fragment. Never throws. */
export function readCaptureTimes(bytes: Uint8Array): Array<{ decodeTimeTicks: number; captureTimeMs: number }> {
	const view = viewOf(bytes);
	return [...listBoxes(view)]
		.filter(({ type }) => type === 'prft')
		.flatMap(({ startByte }) => {
			const read = undefinedBehindTheEnd(() => ({
				// After version, flags and the track's id.
				captureTimeMs: ntpToEpochMs(view.getUint32(startByte + 8), view.getUint32(startByte + 12)),
				decodeTimeTicks: view.getUint32(startByte + 16) * 2 ** 32 + view.getUint32(startByte + 20),
			}));
			return read === undefined ? [] : [read];
		});
}

function* readFragment(view: DataView, moof: FoundBox): Generator<FragmentEntry, void> {
	const track = findBox(view, ['traf'], moof);
	const header = track && findBox(view, ['tfhd'], track);
	const time = track && findBox(view, ['tfdt'], track);
	const run = track && findBox(view, ['trun'], track);
	if (header === undefined || time === undefined || run === undefined) {
		throw new RangeError('a fragment is not one of ours');
	}
	const headerFlags = view.getUint32(header.startByte) & 0xff_ffff;
	const runFlags = view.getUint32(run.startByte) & 0xff_ffff;
	const isOurs =
		(headerFlags & TFHD_OTHER_OFFSETS) === 0 &&
		(headerFlags & TFHD_DEFAULT_SAMPLE_FLAGS) !== 0 &&
		(runFlags & TRUN_NEEDED) === TRUN_NEEDED &&
		(runFlags & TRUN_FIRST_SAMPLE_FLAGS) === 0 &&
		view.getUint8(time.startByte) === 1;
	if (!isOurs) {
		throw new RangeError('a fragment is not one of ours');
	}
	const defaultFlags = view.getUint32(header.startByte + 8);
	let decodeTimeTicks = view.getUint32(time.startByte + 4) * 2 ** 32 + view.getUint32(time.startByte + 8);
	const count = view.getUint32(run.startByte + 4);
	const moofByte = moof.startByte - 8;
	// Its data is behind it.
	let startByte = moofByte + Math.max(moof.endByte - moofByte, view.getInt32(run.startByte + 8));
	let offset = run.startByte + 12;
	const readNext = (): number => {
		offset += 4;
		return view.getUint32(offset - 4);
	};
	for (let index = 0; index < count; index++) {
		const durationTicks = readNext();
		const endByte = startByte + readNext();
		const flags = (runFlags & TRUN_SAMPLE_FLAGS) !== 0 ? readNext() : defaultFlags;
		const compositionOffsetTicks = (runFlags & TRUN_SAMPLE_COMPOSITION_OFFSET) !== 0 ? readNext() | 0 : 0;
		const isSync = (flags & IS_NON_SYNC) === 0;
		yield { startByte, endByte, decodeTimeTicks, compositionOffsetTicks, durationTicks, isSync };
		startByte = endByte;
		decodeTimeTicks += durationTicks;
	}
}
