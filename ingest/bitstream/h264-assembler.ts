/**
 * NAL units of an H.264 publisher → pictures and configurations, whatever framed them. Borders of pictures, parameter
 * sets and entry points are taken from the bitstream: the frame (an RTMP message, a group of RTP packets) is a hint
 * that may be wrong.
 */
import { isSameConfig, type VideoTrackConfig } from '../../core/media/codecs.ts';
import { NAL_TYPE, nalType } from '../../core/media/h264.ts';
import { beginsPicture, readRecoveryPoint, readSliceHeader, type SliceHeader } from '../../core/media/h264-slices.ts';
import type { SpsFacts } from '../../core/media/h264-parameter-sets.ts';
import { MAX_PARAMETER_SET_COUNT, ParameterSetStore, type ParameterSets } from './parameter-set-store.ts';

/** One picture. */
export type H264Picture<Stamp> = {
	/** Slices and SEI; parameter sets ahead only when they differ from those of the configuration. */
	nals: readonly Uint8Array[];
	/** A decoder may begin here. */
	isKeyFrame: boolean;
	/**
	 * It may begin here, but is not an IDR picture: only an encoder's decoder is given such a one, since browsers refuse
	 * it.
	 */
	isRecoveryPoint: boolean;
	/** Of the frame that its first slice came in. */
	stamp: Stamp;
	/**
	 * The frame and the picture agree: one frame, ended as such, with both kinds of parameter sets in it if it is an IDR
	 * picture.
	 */
	isCleanlyFramed: boolean;
};

/** Why something was left out. */
export const PICTURE_PROBLEMS = {
	'parameter-set-unreadable': 'a parameter set that cannot be read',
	'parameter-set-too-long': 'a parameter set that is longer than any real one',
	'too-many-parameter-sets': `more than ${MAX_PARAMETER_SET_COUNT} parameter sets`,
	'parameter-sets-missing': 'a picture before its parameter sets',
	'parameter-sets-unknown': 'a picture whose parameter sets never came',
	'key-frame-missing': 'a picture before the first key frame',
	'picture-damaged': 'a picture that is not whole',
} as const;
/** A code of {@link PICTURE_PROBLEMS}. */
export type PictureProblem = keyof typeof PICTURE_PROBLEMS;

/** Who gets what is found, in order. */
interface H264AssemblerSink<Stamp> {
	/** From the next picture on. Also when only the parameter sets are others and isSameConfig() holds. */
	configure(config: VideoTrackConfig): void;
	picture(picture: H264Picture<Stamp>): void;
	problem(problem: PictureProblem): void;
}

/** What came in one frame. */
type NalFrame<Stamp> = {
	nals: readonly Uint8Array[];
	/** Milliseconds; slices of one picture have the same. Need not be monotonic. */
	timeMs: number;
	stamp: Stamp;
	/** The framing says that a picture ends here. */
	isEnd: boolean;
};

/**
 * So long without an IDR picture, recovery points are taken to begin with. Longer than the longest GOP that passes
 * through, so that a stream with such entry points is always re-encoded.
 */
const IDR_WAIT_MS = 2600;
/** A slice per macroblock row of a 2160p picture makes 135; each NAL unit costs us an object. */
const MAX_NAL_COUNT = 1000;
const MAX_PICTURE_BYTES = 8 * 1024 * 1024;

type Pending<Stamp> = {
	timeMs: number;
	stamp: Stamp;
	nals: Uint8Array[];
	/** SEI after a slice: it belongs to the next picture, unless a slice of this one follows. */
	trailing: Uint8Array[];
	bytes: number;
	lastSlice: SliceHeader | undefined;
	hasSlices: boolean;
	hasIdr: boolean;
	isIntra: boolean;
	hasRecoveryPoint: boolean;
	hasBothFields: boolean;
	isDamaged: boolean;
	firstPpsId: number | undefined;
	/** Kinds of parameter sets in it. */
	setTypes: Set<number>;
	endCount: number;
	/** Its last frame said that it ends. */
	isEnded: boolean;
};

/** One publisher's assembler. */
export class H264Assembler<Stamp> {
	readonly #sink: H264AssemblerSink<Stamp>;
	readonly #store = new ParameterSetStore();
	/**
	 * Whether the framing's ends are those of pictures. Unproven: the first picture waits for the next frame, or
	 * settle().
	 */
	#framing: 'unproven' | 'whole' | 'split';
	#pending: Pending<Stamp> | undefined;
	/** The last picture given, to notice a slice of it that comes after its end. */
	#last: { timeMs: number; slice: SliceHeader | undefined } | undefined;
	#config: VideoTrackConfig | undefined;
	#inForce: ParameterSets | undefined;
	/** Sets have changed within the configuration: from now on they travel with the pictures. */
	#hasDiverged = false;
	#isWaitingForKeyFrame = true;
	#idrTimeMs: number | undefined;

	/** `provesFraming`: do not believe the first end. */
	constructor(sink: H264AssemblerSink<Stamp>, options: { provesFraming: boolean }) {
		this.#sink = sink;
		this.#framing = options.provesFraming ? 'unproven' : 'whole';
	}

	/** The configuration in force; undefined until parameter sets were seen. */
	get config(): VideoTrackConfig | undefined {
		return this.#config;
	}

	/** True while a picture whose frame has ended waits for proof that it is whole, or for settle(). */
	get isHolding(): boolean {
		return this.#pending?.isEnded === true && this.#pending.hasSlices;
	}

	/** Parameter sets from outside the stream: a record, or an offer. */
	addParameterSets(nals: readonly Uint8Array[]): void {
		for (const nal of nals) {
			this.#addParameterSet(nal);
		}
		this.#configureEarly();
	}

	/** Takes a frame. */
	push(frame: NalFrame<Stamp>): void {
		if (this.#pending?.hasSlices === true && this.#pending.timeMs !== frame.timeMs) {
			this.#finish();
		}
		for (const nal of frame.nals) {
			if (nal.length > 0) {
				this.#take(nal, frame);
			}
		}
		this.#configureEarly();
		const pending = this.#pending;
		if (pending !== undefined) {
			pending.isEnded = frame.isEnd && pending.hasSlices;
			pending.endCount += frame.isEnd ? 1 : 0;
			if (pending.hasSlices && frame.isEnd && this.#framing === 'whole') {
				this.#finish(true);
			}
		}
	}

	/** Nothing more of the picture that is held comes: it has been waited for long enough. */
	settle(): void {
		if (this.isHolding) {
			this.#finish();
		}
	}

	/** What comes next is of another time, so the picture is whole. */
	flush(): void {
		if (this.#pending?.hasSlices === true) {
			this.#finish();
		}
	}

	/** Something before what comes next is missing: nothing is shown until the next key frame. */
	markLoss(): void {
		this.#isWaitingForKeyFrame = true;
		if (this.#pending !== undefined) {
			this.#pending.isDamaged = true;
		}
	}

	#take(nal: Uint8Array, frame: NalFrame<Stamp>): void {
		const type = nalType(nal);
		if (type >= NAL_TYPE.NON_IDR && type <= NAL_TYPE.IDR) {
			this.#takeSlice(nal, frame);
		} else if (type === NAL_TYPE.SEI) {
			const pending = this.#open(frame);
			if (pending.hasSlices && pending.trailing.length < MAX_NAL_COUNT) {
				pending.trailing.push(nal);
			} else if (!pending.hasSlices) {
				this.#append(pending, nal);
			}
		} else if (type === NAL_TYPE.SPS || type === NAL_TYPE.PPS || type === NAL_TYPE.AUD) {
			// ITU-T H.264 §7.4.1.2.3: after a slice, any of these begins the next picture.
			if (this.#pending?.hasSlices === true) {
				this.#finish();
			}
			const pending = this.#open(frame);
			if (type !== NAL_TYPE.AUD) {
				pending.setTypes.add(type);
				this.#addParameterSet(nal);
			}
		}
	}

	#takeSlice(nal: Uint8Array, frame: NalFrame<Stamp>): void {
		const slice = readSliceHeader(nal, this.#store.syntax);
		let pending = this.#open(frame);
		if (pending.hasSlices) {
			const isThirdField = pending.hasBothFields && pending.lastSlice?.field !== slice?.field;
			if (beginsPicture(pending.lastSlice, slice) || isThirdField) {
				const { trailing } = pending;
				this.#finish();
				pending = this.#open(frame);
				for (const sei of trailing) {
					this.#append(pending, sei);
				}
			} else {
				if (pending.isEnded) {
					// Ends that are none.
					this.#framing = 'split';
				}
				for (const sei of pending.trailing.splice(0)) {
					this.#append(pending, sei);
				}
			}
		} else if (this.#isContinuation(slice, frame.timeMs)) {
			this.#framing = 'split';
			this.#isWaitingForKeyFrame = true;
			pending.isDamaged = true;
		}
		if (pending.lastSlice !== undefined && slice !== undefined && pending.lastSlice.field !== slice.field) {
			pending.hasBothFields = true;
		}
		pending.hasSlices = true;
		pending.hasIdr ||= nalType(nal) === NAL_TYPE.IDR;
		pending.isIntra &&= slice?.isIntra === true;
		pending.firstPpsId ??= slice?.ppsId;
		pending.lastSlice = slice;
		this.#append(pending, nal);
	}

	#isContinuation(slice: SliceHeader | undefined, timeMs: number): boolean {
		return (
			slice !== undefined &&
			slice.firstMb > 0 &&
			this.#last?.slice !== undefined &&
			this.#last.timeMs === timeMs &&
			!beginsPicture(this.#last.slice, slice)
		);
	}

	#append(pending: Pending<Stamp>, nal: Uint8Array): void {
		pending.bytes += nal.length;
		if (pending.nals.length >= MAX_NAL_COUNT || pending.bytes > MAX_PICTURE_BYTES) {
			pending.isDamaged = true;
			return;
		}
		pending.nals.push(nal);
		if (nalType(nal) === NAL_TYPE.SEI) {
			pending.hasRecoveryPoint ||= readRecoveryPoint(nal) !== undefined;
		}
	}

	/** The picture that is being put together. Before its first slice it takes the time of the newest frame. */
	#open(frame: NalFrame<Stamp>): Pending<Stamp> {
		const { timeMs, stamp } = frame;
		if (this.#pending === undefined) {
			this.#pending = {
				timeMs,
				stamp,
				nals: [],
				trailing: [],
				bytes: 0,
				lastSlice: undefined,
				hasSlices: false,
				hasIdr: false,
				isIntra: true,
				hasRecoveryPoint: false,
				hasBothFields: false,
				isDamaged: false,
				firstPpsId: undefined,
				setTypes: new Set<number>(),
				endCount: 0,
				isEnded: false,
			};
		} else if (!this.#pending.hasSlices && this.#pending.timeMs !== timeMs) {
			this.#pending.timeMs = timeMs;
			this.#pending.stamp = stamp;
			this.#pending.setTypes.clear();
			// What was lost with the sets of another time is no part of this picture.
			this.#pending.isDamaged = false;
		} else if (!this.#pending.hasSlices) {
			this.#pending.stamp = stamp;
		}
		return this.#pending;
	}

	#addParameterSet(nal: Uint8Array): void {
		const problem = this.#store.add(nal);
		if (problem !== undefined) {
			this.#sink.problem(problem);
		}
	}

	/** Before the first picture the first sets are taken for those in use, so that the track is known to be there. */
	#configureEarly(): void {
		if (this.#config === undefined && !this.#store.isEmpty) {
			const active = this.#store.active(undefined);
			if (active !== undefined) {
				this.#setConfig(this.#store.config(active));
			}
		}
	}

	#setConfig(config: VideoTrackConfig): void {
		this.#config = config;
		this.#inForce = this.#store.snapshot();
		this.#hasDiverged = false;
		this.#sink.configure(config);
	}

	#finish(isByItsEnd = false): void {
		const pending = this.#pending!;
		this.#pending = undefined;
		this.#last = { timeMs: pending.timeMs, slice: pending.lastSlice };
		if (this.#framing === 'unproven' && pending.isEnded) {
			this.#framing = 'whole';
		}
		const active = this.#store.active(pending.firstPpsId);
		if (pending.isDamaged || active === undefined) {
			this.#isWaitingForKeyFrame = true;
			this.#sink.problem(
				pending.isDamaged
					? 'picture-damaged'
					: this.#store.isEmpty
						? 'parameter-sets-missing'
						: 'parameter-sets-unknown',
			);
			return;
		}
		const isRecoveryPoint = this.#isRecoveryPoint(pending);
		const isKeyFrame = pending.hasIdr || isRecoveryPoint;
		if (this.#isWaitingForKeyFrame && !isKeyFrame) {
			this.#sink.problem('key-frame-missing');
			return;
		}
		this.#isWaitingForKeyFrame = false;
		if (isKeyFrame) {
			this.#activate(active);
		}
		const sets = this.#travellingSets(active, isKeyFrame);
		this.#sink.picture({
			nals: sets.length === 0 ? pending.nals : [...sets, ...pending.nals],
			isKeyFrame,
			isRecoveryPoint,
			stamp: pending.stamp,
			isCleanlyFramed:
				isByItsEnd &&
				pending.endCount === 1 &&
				(!pending.hasIdr || (pending.setTypes.has(NAL_TYPE.SPS) && pending.setTypes.has(NAL_TYPE.PPS))),
		});
	}

	#isRecoveryPoint(pending: Pending<Stamp>): boolean {
		const { timeMs } = pending;
		// A clock that was set back tells nothing about the distance.
		this.#idrTimeMs = pending.hasIdr ? timeMs : Math.min(this.#idrTimeMs ?? timeMs, timeMs);
		return !pending.hasIdr && (pending.hasRecoveryPoint || pending.isIntra) && timeMs - this.#idrTimeMs > IDR_WAIT_MS;
	}

	/** The sets that a decoder with the configuration in force lacks. */
	#travellingSets(active: SpsFacts, isKeyFrame: boolean): readonly Uint8Array[] {
		const changed = this.#store.settle();
		if (changed.length > 0 && (this.#hasDiverged || !this.#store.isInterchangeableWith(this.#inForce!))) {
			this.#hasDiverged = true;
			this.#config = this.#store.config(active);
			this.#sink.configure(this.#config);
		}
		if (!this.#hasDiverged) {
			return [];
		}
		return isKeyFrame ? [...this.#config!.sps, ...this.#config!.pps] : changed;
	}

	/**
	 * ITU-T H.264 §7.4.1.2.1: an SPS comes into use with an IDR picture that refers to it, wherever and whenever it was
	 * sent.
	 */
	#activate(active: SpsFacts): void {
		if (this.#config !== undefined && isSameConfig(this.#config, this.#store.config(active))) {
			return;
		}
		this.#store.dropStale(active);
		this.#setConfig(this.#store.config(active));
	}
}
