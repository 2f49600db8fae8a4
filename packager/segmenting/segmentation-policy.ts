/**
 * Decides when a sample, a part and a segment end. Handles times and key frames only, not bytes, boxes or HTTP.
 *
 * A part is published when its last video frame arrives, but that frame's duration is known only when the next one
 * arrives. So the last frame of a part gets a *predicted* duration. It comes from the running cadence, changed as
 * needed to keep the part between 85 % and 100 % of PART-TARGET. The next frame starts exactly where the prediction
 * ended, and its own duration absorbs the difference. So `tfdt` is continuous to the tick, and the error (usually one
 * RTMP millisecond) never adds up. All frames but the first of a part keep their exact times. Jitter that breaks the 85
 * % rule (33 ± 8 ms capture clocks) moves the boundary instead of breaking the rule.
 */
import {
	PART_MINIMUM_SECONDS,
	PART_TARGET_SECONDS,
	SEGMENT_MAXIMUM_SECONDS,
	SEGMENT_TARGET_SECONDS,
} from '../config/packager-config.ts';
import { FrameCadence, SAME_PACE_RATIO } from './frame-cadence.ts';

/** What the caller has to do, in order. */
export type SegmentationStep =
	/** The sample started last lasts this long. */
	| { kind: 'finish-sample'; durationTicks: number }
	/**
	 * The open part is complete and can be published. `durationTicks`: its duration, where its last sample, a slow
	 * picture, lasts longer; `hold-part` steps follow for the rest.
	 */
	| { kind: 'finish-part'; durationTicks?: number }
	/** The picture stays on screen for this long: publish a part without samples. */
	| { kind: 'hold-part'; startTicks: number; durationTicks: number }
	/** Nothing was received for this long: publish a GAP part. */
	| { kind: 'gap-part'; startTicks: number; durationTicks: number }
	/** The open segment is complete. `isForced`: no key frame came in time, so the next one is not independent. */
	| { kind: 'finish-segment'; isForced: boolean }
	/** The frame just given starts here. */
	| { kind: 'start-sample'; startTicks: number };

/** A part takes a further frame only when this share of a frame's time is left. */
const LEAST_ROOM_FRAMES = 0.85;
/**
 * A frame later than predicted by more than this is preceded by GAP parts; up to it, the frames after the pause are
 * spread over it. GAP parts cost hls.js its place until the next independent part; spreading only shows frames early by
 * as much. Half of this turns short pauses of a publisher into audible stalls; twice this puts lips out of step for a
 * second.
 */
export const MAX_SPREAD_SECONDS = 0.5;
const REMEMBERED_GOPS = 8;
/** Duration of a run's only frame: about a part. Less makes a tiny segment with an absurd bit rate and frame rate. */
const LONE_FRAME_SECONDS = 0.2;
/** Segments end at a key frame when waiting for the next one could take them past this. */
const COMFORTABLE_SEGMENT_SECONDS = 3.2;

/**
 * A picture of a slow source, such as a screen that hardly changes, lasts longer than a part may (§4.4.4.9). Its sample
 * lasts as long as the picture is expected to, which players show. Its part lasts PART-TARGET, and parts without
 * samples follow until the next picture. No picture is expected to last longer than this.
 */
const MAX_PICTURE_SECONDS = 15;

/** Segmentation of one track of one run; a new run begins with a new policy. All times in ticks of `timescale`. */
export class SegmentationPolicy {
	readonly #partMaximumTicks: number;
	readonly #partMinimumTicks: number;
	readonly #segmentTargetTicks: number;
	readonly #segmentMaximumTicks: number;
	readonly #comfortableTicks: number;
	readonly #spreadTicks: number;
	readonly #loneFrameTicks: number;
	readonly #timescale: number;
	readonly #cadence = new FrameCadence();
	readonly #gopsTicks: number[] = [];
	#steps: SegmentationStep[] = [];
	/** End of everything that has a duration: where the next sample starts. */
	#cursorTicks: number | undefined;
	/** End of what is not a gap; undefined before the first sample. */
	#lastSampleEndTicks: number | undefined;
	/** Until then the last sample is shown, where that is later than its part's end. */
	#heldUntilTicks = -Infinity;
	#segmentStartTicks = 0;
	#partStartTicks = 0;
	#isPartOpen = false;
	#isSegmentOpen = false;
	/** A video sample that has started and has no duration yet. */
	#pending: { startTicks: number; sourceTicks: number } | undefined;
	#lastSourceTicks: number | undefined;
	#lastKeyFrameTicks: number | undefined;

	constructor(timescale: number) {
		// Floor and ceiling, because a part may not pass PART-TARGET by any tolerance (§4.4.4.9).
		this.#partMaximumTicks = Math.floor(PART_TARGET_SECONDS * timescale + 1e-6);
		this.#partMinimumTicks = Math.ceil(PART_MINIMUM_SECONDS * timescale - 1e-6);
		this.#segmentTargetTicks = Math.round(SEGMENT_TARGET_SECONDS * timescale);
		this.#segmentMaximumTicks = Math.floor(SEGMENT_MAXIMUM_SECONDS * timescale);
		this.#comfortableTicks = Math.floor(COMFORTABLE_SEGMENT_SECONDS * timescale);
		this.#spreadTicks = Math.floor(MAX_SPREAD_SECONDS * timescale);
		this.#loneFrameTicks = Math.round(LONE_FRAME_SECONDS * timescale);
		this.#timescale = timescale;
	}

	/** End of the media given so far, a pending frame's predicted end included; undefined before the first. */
	get endTicks(): number | undefined {
		return this.#pending === undefined ? this.#cursorTicks : this.#pending.startTicks + this.#predict(this.#pending);
	}

	/** Where the media starts when not at the first frame: GAP parts fill the time between. */
	startAt(ticks: number): void {
		this.#cursorTicks ??= ticks;
	}

	/** Adds a video frame, in decode order; times strictly increase. Its duration is not known yet. */
	addFrame(sourceTicks: number, isKeyFrame: boolean): SegmentationStep[] {
		if (this.#lastSourceTicks !== undefined) {
			this.#cadence.add(sourceTicks - this.#lastSourceTicks);
		}
		this.#lastSourceTicks = sourceTicks;
		this.#finishPendingBefore(sourceTicks);
		this.#cursorTicks ??= sourceTicks;
		this.#holdBefore(sourceTicks);
		if (sourceTicks - this.#cursorTicks > this.#spreadTicks) {
			this.#addGap(sourceTicks);
		}
		if (isKeyFrame) {
			this.#recordKeyFrame(sourceTicks);
			if (this.#isSegmentOpen && this.#isSegmentDue(this.#cursorTicks)) {
				this.#finishPart();
				this.#finishSegment(false);
			}
		}
		this.#startSample(this.#cursorTicks);
		this.#pending = { startTicks: this.#cursorTicks, sourceTicks };
		this.#publishEarly();
		return this.#drainSteps();
	}

	/** Adds a sample whose duration is known, such as an audio frame. It starts where the one before ended. */
	addTimedSample(startTicks: number, durationTicks: number): SegmentationStep[] {
		this.#cursorTicks ??= startTicks;
		if (this.#isPartOpen && this.#cursorTicks + durationTicks - this.#partStartTicks > this.#partMaximumTicks) {
			this.#finishTimedPart();
		}
		this.#startSample(this.#cursorTicks);
		this.#finishSample(durationTicks);
		if (this.#cursorTicks + durationTicks - this.#partStartTicks > this.#partMaximumTicks) {
			this.#finishTimedPart();
		}
		return this.#drainSteps();
	}

	/** Fills with GAP parts up to the time; adds nothing where there is media already. */
	addGapUntil(ticks: number): SegmentationStep[] {
		this.#flushPending();
		this.#cursorTicks ??= ticks;
		this.#hold(Math.min(ticks, this.#heldUntilTicks));
		if (ticks > this.#cursorTicks && this.#heldUntilTicks <= this.#cursorTicks + this.#partMinimumTicks) {
			this.#addGap(ticks);
		}
		return this.#drainSteps();
	}

	/** Ends the open sample, part and segment, because nothing follows for now. */
	flush(): SegmentationStep[] {
		this.#flushPending();
		this.#finishPart();
		this.#finishSegment(false);
		return this.#drainSteps();
	}

	#drainSteps(): SegmentationStep[] {
		const steps = this.#steps;
		this.#steps = [];
		return steps;
	}

	get #paceTicks(): number | undefined {
		return this.#cadence.paceTicks(this.#partMaximumTicks);
	}

	/** Ticks that a frame lasts so that the next one starts at its own time. */
	#predict(frame: { startTicks: number; sourceTicks: number }): number {
		const cadenceTicks = this.#paceTicks ?? this.#loneFrameTicks;
		return Math.max(1, Math.round(frame.sourceTicks + cadenceTicks - frame.startTicks));
	}

	#startSample(startTicks: number): void {
		this.#openSegment(startTicks);
		if (!this.#isPartOpen) {
			this.#isPartOpen = true;
			this.#partStartTicks = startTicks;
		}
		this.#steps.push({ kind: 'start-sample', startTicks });
	}

	#openSegment(startTicks: number): void {
		if (!this.#isSegmentOpen) {
			this.#isSegmentOpen = true;
			this.#segmentStartTicks = startTicks;
		}
	}

	#finishSample(durationTicks: number): void {
		this.#steps.push({ kind: 'finish-sample', durationTicks });
		this.#cursorTicks = (this.#pending?.startTicks ?? this.#cursorTicks!) + durationTicks;
		this.#lastSampleEndTicks = this.#cursorTicks;
		this.#pending = undefined;
	}

	/** The next frame has come: gives the frame before it its duration, and ends the part if full. */
	#finishPendingBefore(nextSourceTicks: number): void {
		const pending = this.#pending;
		if (pending === undefined) {
			return;
		}
		const startedAfter = pending.startTicks - this.#partStartTicks;
		const actualTicks = Math.max(1, nextSourceTicks - pending.startTicks);
		const elapsedTicks = startedAfter + actualTicks;
		if (actualTicks > this.#partMaximumTicks && actualTicks < this.#paceTicks! * SAME_PACE_RATIO) {
			this.#publishSlowPicture(pending.startTicks, startedAfter, actualTicks);
			return;
		}
		if (elapsedTicks + this.#leastRoomTicks() <= this.#partMaximumTicks) {
			this.#finishSample(actualTicks);
			return;
		}
		// §4.4.4.9: the part ends before the frame that takes it past PART-TARGET.
		this.#finishSample(this.#bend(startedAfter, actualTicks));
		this.#finishPart();
	}

	/** The nearest duration that keeps the part between the minimum and PART-TARGET. */
	#bend(startedAfterTicks: number, durationTicks: number): number {
		const least = Math.max(1, this.#partMinimumTicks - startedAfterTicks);
		return Math.min(Math.max(durationTicks, least), this.#partMaximumTicks - startedAfterTicks);
	}

	#leastRoomTicks(): number {
		return Math.max(1, Math.ceil((this.#paceTicks ?? 0) * LEAST_ROOM_FRAMES));
	}

	/** Ends the part at once when no further frame fits: a part is ready when its last frame is. */
	#publishEarly(): void {
		const pending = this.#pending!;
		const paceTicks = this.#paceTicks;
		if (paceTicks === undefined) {
			return;
		}
		const startedAfter = pending.startTicks - this.#partStartTicks;
		const predictedTicks = this.#predict(pending);
		if (paceTicks > this.#partMaximumTicks) {
			this.#publishSlowPicture(pending.startTicks, startedAfter, predictedTicks);
			return;
		}
		if (startedAfter + predictedTicks + this.#leastRoomTicks() > this.#partMaximumTicks) {
			this.#finishSample(this.#bend(startedAfter, predictedTicks));
			this.#finishPart();
		}
	}

	#publishSlowPicture(startTicks: number, startedAfterTicks: number, predictedTicks: number): void {
		const shownTicks = Math.min(predictedTicks, MAX_PICTURE_SECONDS * this.#timescale);
		const partTicks = this.#bend(startedAfterTicks, predictedTicks);
		this.#finishSample(Math.max(shownTicks, partTicks));
		this.#cursorTicks = startTicks + partTicks;
		this.#lastSampleEndTicks = this.#cursorTicks;
		this.#heldUntilTicks = startTicks + shownTicks;
		this.#finishPart(startedAfterTicks + partTicks);
	}

	/** Holds the picture before until this one; a rest too short for a part is closed up instead. */
	#holdBefore(sourceTicks: number): void {
		if (this.#heldUntilTicks > this.#cursorTicks!) {
			const isNear = sourceTicks - this.#heldUntilTicks <= Math.max(this.#spreadTicks, this.#paceTicks ?? 0);
			this.#hold(isNear ? sourceTicks : this.#heldUntilTicks);
		}
	}

	#hold(untilTicks: number): void {
		const totalTicks = untilTicks - this.#cursorTicks!;
		if (totalTicks < this.#partMinimumTicks) {
			return;
		}
		const count = Math.max(1, Math.floor(totalTicks / this.#partMinimumTicks));
		const partTicks = Math.min(this.#partMaximumTicks, Math.floor(totalTicks / count));
		for (let index = 0; index < count; index++) {
			const startTicks = this.#cursorTicks!;
			this.#openSegment(startTicks);
			this.#steps.push({ kind: 'hold-part', startTicks, durationTicks: partTicks });
			this.#cursorTicks = startTicks + partTicks;
			this.#lastSampleEndTicks = this.#cursorTicks;
			if (this.#cursorTicks - this.#segmentStartTicks + this.#partMaximumTicks > this.#segmentMaximumTicks) {
				this.#finishSegment(false);
			}
		}
	}

	#flushPending(): void {
		const pending = this.#pending;
		if (pending !== undefined) {
			const room = this.#partMaximumTicks - (pending.startTicks - this.#partStartTicks);
			this.#finishSample(Math.min(this.#predict(pending), room));
		}
	}

	/** `durationTicks`: where the samples last longer than the part. */
	#finishPart(durationTicks?: number): void {
		if (!this.#isPartOpen) {
			return;
		}
		this.#isPartOpen = false;
		this.#steps.push(durationTicks === undefined ? { kind: 'finish-part' } : { kind: 'finish-part', durationTicks });
		// Another part might not fit, and EXTINF may not round to more than TARGETDURATION (§4.4.3.1).
		if (this.#cursorTicks! - this.#segmentStartTicks + this.#partMaximumTicks > this.#segmentMaximumTicks) {
			this.#finishSegment(true);
		}
	}

	/** Parts of independent samples also decide about the segment: it ends at the part nearest to the target. */
	#finishTimedPart(): void {
		const partTicks = this.#cursorTicks! - this.#partStartTicks;
		this.#finishPart();
		if (this.#cursorTicks! - this.#segmentStartTicks + partTicks / 2 >= this.#segmentTargetTicks) {
			this.#finishSegment(false);
		}
	}

	#finishSegment(isForced: boolean): void {
		if (this.#isSegmentOpen) {
			this.#isSegmentOpen = false;
			this.#steps.push({ kind: 'finish-segment', isForced });
		}
	}

	#addGap(untilTicks: number): void {
		this.#finishPart();
		// hls.js loads a segment's parts one after another, and a GAP among them makes it lose its place for good.
		const isAfterMedia = this.#lastSampleEndTicks === this.#cursorTicks;
		if (isAfterMedia) {
			this.#finishSegment(false);
		}
		while (untilTicks > this.#cursorTicks!) {
			const startTicks = this.#cursorTicks!;
			const durationTicks = Math.min(this.#partMaximumTicks, untilTicks - startTicks);
			this.#openSegment(startTicks);
			this.#steps.push({ kind: 'gap-part', startTicks, durationTicks });
			this.#cursorTicks = startTicks + durationTicks;
			if (this.#cursorTicks - this.#segmentStartTicks + this.#partMaximumTicks / 2 >= this.#segmentTargetTicks) {
				this.#finishSegment(false);
			}
		}
		if (isAfterMedia) {
			this.#finishSegment(false);
		}
	}

	#recordKeyFrame(sourceTicks: number): void {
		if (this.#lastKeyFrameTicks !== undefined) {
			this.#gopsTicks.push(sourceTicks - this.#lastKeyFrameTicks);
			if (this.#gopsTicks.length > REMEMBERED_GOPS) {
				this.#gopsTicks.shift();
			}
		}
		this.#lastKeyFrameTicks = sourceTicks;
	}

	/** Whether the segment is nearer to its target at this key frame than at the next one. */
	#isSegmentDue(nowTicks: number): boolean {
		const elapsedTicks = nowTicks - this.#segmentStartTicks;
		// The longest of the last GOPs, because scene cuts add short ones between.
		const gopTicks = Math.max(...this.#gopsTicks, 0);
		return elapsedTicks + gopTicks / 2 >= this.#segmentTargetTicks || elapsedTicks + gopTicks > this.#comfortableTicks;
	}
}
