/**
 * NAL units of an H.264 publisher → pictures and configurations, for any framing. Picture borders, parameter sets and
 * entry points come from the bitstream: the frame (an RTMP message, a group of RTP packets) is only a hint.
 */
import { isSameConfig, type VideoTrackConfig } from '../../core/media/codecs.ts';
import { NAL_TYPE, nalType } from '../../core/media/h264.ts';
import { beginsPicture, readRecoveryPoint, readSliceHeader, type SliceHeader } from '../../core/media/h264-slices.ts';
import type { SpsFacts } from '../../core/media/h264-parameter-sets.ts';
import { MAX_PARAMETER_SET_COUNT, ParameterSetStore, type ParameterSets } from './parameter-set-store.ts';

export type H264Picture<Stamp> = {
	/** Slices and SEI; parameter sets ahead only when they differ from those of the configuration. */
	nals: readonly Uint8Array[];
	/** A decoder may begin here. */
	isKeyFrame: boolean;
	/** A key frame that is no IDR picture: only an encoder's decoder gets it, because browsers refuse it. */
	isRecoveryPoint: boolean;
	/** Of the frame with its first slice. */
	stamp: Stamp;
	/** One frame holds exactly this picture; for an IDR picture it also holds both kinds of parameter sets. */
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
export type PictureProblem = keyof typeof PICTURE_PROBLEMS;

/** Gets the results in order. */
interface H264AssemblerSink<Stamp> {
	/** Applies from the next picture on. Also called when only parameter sets have changed and isSameConfig() holds. */
	configure(config: VideoTrackConfig): void;
	picture(picture: H264Picture<Stamp>): void;
	problem(problem: PictureProblem): void;
}

type NalFrame<Stamp> = {
	nals: readonly Uint8Array[];
	/** Milliseconds; slices of one picture have the same. Need not be monotonic. */
	timeMs: number;
	stamp: Stamp;
	/** By the framing a picture ends here. */
	isEnd: boolean;
};

/**
 * After this long without an IDR picture, decoding may begin at recovery points. Longer than every GOP that passes
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
	/** Its last frame ended a picture. */
	isEnded: boolean;
};

export class H264Assembler<Stamp> {
	readonly #sink: H264AssemblerSink<Stamp>;
	readonly #store = new ParameterSetStore();
	/** Whether ends of frames are ends of pictures. Unproven: the first picture waits for the next frame or settle(). */
	#framing: 'unproven' | 'whole' | 'split';
	#pending: Pending<Stamp> | undefined;
	/** The last picture, to detect a slice of it after its end. */
	#last: { timeMs: number; slice: SliceHeader | undefined } | undefined;
	#config: VideoTrackConfig | undefined;
	#inForce: ParameterSets | undefined;
	/** Sets have changed within the configuration: the changed ones travel with the pictures. */
	#hasDiverged = false;
	#isWaitingForKeyFrame = true;
	#idrTimeMs: number | undefined;

	/** `provesFraming`: the first end of a frame is no proof. */
	constructor(sink: H264AssemblerSink<Stamp>, options: { provesFraming: boolean }) {
		this.#sink = sink;
		this.#framing = options.provesFraming ? 'unproven' : 'whole';
	}

	/** The active configuration; undefined before the first parameter sets. */
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

	push(frame: NalFrame<Stamp>): void {
		if (this.#pending?.hasSlices === true && this.#pending.timeMs !== frame.timeMs) {
			this.#finish();
		}
		for (const nal of frame.nals) {
			if (nal.length > 0) {
				this.#add(nal, frame);
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

	/** Gives out the held picture without further proof. */
	settle(): void {
		if (this.isHolding) {
			this.#finish();
		}
	}

	/** The next frame has another time, so the picture is whole. */
	flush(): void {
		if (this.#pending?.hasSlices === true) {
			this.#finish();
		}
	}

	/** Data before the next frame is missing: no picture is given until the next key frame. */
	markLoss(): void {
		this.#isWaitingForKeyFrame = true;
		if (this.#pending !== undefined) {
			this.#pending.isDamaged = true;
		}
	}

	#add(nal: Uint8Array, frame: NalFrame<Stamp>): void {
		const type = nalType(nal);
		if (type >= NAL_TYPE.NON_IDR && type <= NAL_TYPE.IDR) {
			this.#addSlice(nal, frame);
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

	#addSlice(nal: Uint8Array, frame: NalFrame<Stamp>): void {
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
					// The framing's ends are not those of pictures.
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

	/** The picture under construction. Before its first slice it has the time of the newest frame. */
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
			// A loss at the sets' earlier time does not damage this picture.
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

	/** Before the first picture the first sets count as active, so that the track is announced. */
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
		// After a step back of the clock the distance is unknown.
		this.#idrTimeMs = pending.hasIdr ? timeMs : Math.min(this.#idrTimeMs ?? timeMs, timeMs);
		return !pending.hasIdr && (pending.hasRecoveryPoint || pending.isIntra) && timeMs - this.#idrTimeMs > IDR_WAIT_MS;
	}

	/** The sets that a decoder with the active configuration lacks. */
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

	/** ITU-T H.264 §7.4.1.2.1: an SPS becomes active with an IDR picture that refers to it, wherever it was sent. */
	#activate(active: SpsFacts): void {
		if (this.#config !== undefined && isSameConfig(this.#config, this.#store.config(active))) {
			return;
		}
		this.#store.dropStale(active);
		this.#setConfig(this.#store.config(active));
	}
}
