/**
 * Where the pictures of one simulcast layer lie on the timestamps of the stream that is made of the layers. Layers show
 * the same captured pictures, and encoders make key frames of all layers at once. So key frames at nearly the same time
 * are the same picture, and they make the relation exact to the tick. Before, it is as exact as the layers' clocks.
 */
import { msToTicks, VIDEO_CLOCK_RATE } from '../../../core/units.ts';

/** Key frames no further apart are the same picture: a picture and a half at 30 a second, or the clocks' error. */
const SAME_KEY_FRAME_TICKS = msToTicks(50, VIDEO_CLOCK_RATE);
/** A proved relation moves by less: half a picture's time at 60 a second. */
const SAME_PICTURE_TICKS = msToTicks(8, VIDEO_CLOCK_RATE);
/** An estimate that differs by more is a better one. */
const MAX_ERROR_TICKS = msToTicks(120, VIDEO_CLOCK_RATE);
/** A proved relation is lost when the clocks differ from it by more: the publisher has restarted a layer. */
const MAX_EXACT_ERROR_TICKS = msToTicks(2000, VIDEO_CLOCK_RATE);

/** By then the clocks are compared well: a publisher's encoders may start a second apart. */
const CLOCKS_KNOWN_AFTER_TICKS = msToTicks(10_000, VIDEO_CLOCK_RATE);

export class LayerTimes {
	#offsetTicks: number | undefined;
	/** The layer's own timestamps of its first key frame and of its newest. */
	#firstKeyFrameTicks: number | undefined;
	#keyFrameTicks: number | undefined;
	#isExact = false;
	/** The newest picture: its own timestamp and the stream's. */
	#newest = { ticks: -Infinity, placedTicks: -Infinity };
	/** Another relation, which the last key frames had: two pictures in a row may be key frames. */
	#otherTicks: number | undefined;

	/** Key frames have proved the relation. */
	get isExact(): boolean {
		return this.#isExact;
	}

	/** Its times can be used: exact, or as exact as they become, because its key frames are none of the stream's. */
	get isKnown(): boolean {
		const sinceFirstTicks = (this.#keyFrameTicks ?? 0) - (this.#firstKeyFrameTicks ?? 0);
		return this.#isExact || sinceFirstTicks >= CLOCKS_KNOWN_AFTER_TICKS;
	}

	/** The layer becomes the stream, with this relation. */
	settle(offsetTicks: number): void {
		this.#offsetTicks = offsetTicks;
		this.#isExact = true;
	}

	/** What to add to the layer's timestamps. `estimateTicks`: the same by the layers' clocks. */
	offsetTicks(estimateTicks: number): number {
		const mostTicks = this.#isExact ? MAX_EXACT_ERROR_TICKS : MAX_ERROR_TICKS;
		if (this.#offsetTicks === undefined || Math.abs(this.#offsetTicks - estimateTicks) > mostTicks) {
			this.#offsetTicks = estimateTicks;
			this.#isExact = false;
		}
		return this.#offsetTicks;
	}

	/** The stream's timestamp of a packet: one for all packets of a picture, and a later one for the next. */
	place(ticks: number, estimateTicks: number): number {
		const { ticks: lastTicks, placedTicks: lastPlacedTicks } = this.#newest;
		if (ticks === lastTicks) {
			return lastPlacedTicks;
		}
		const placedTicks = ticks + this.offsetTicks(estimateTicks);
		if (ticks < lastTicks) {
			return placedTicks;
		}
		this.#newest = { ticks, placedTicks: Math.max(placedTicks, lastPlacedTicks + 1) };
		return this.#newest.placedTicks;
	}

	/** A key frame of the layer began. `streamTicks`: the stream's newest one, if any. */
	keyFrame(ticks: number, estimateTicks: number, streamTicks: number | undefined): void {
		if (!this.#isExact) {
			// Clocks know each other better with time: a publisher's encoders do not start at once.
			this.#offsetTicks = estimateTicks;
		}
		this.offsetTicks(estimateTicks);
		this.#keyFrameTicks = ticks;
		this.#firstKeyFrameTicks ??= ticks;
		this.streamKeyFrame(streamTicks);
	}

	/** A key frame of the stream began. */
	streamKeyFrame(streamTicks: number | undefined): void {
		if (streamTicks === undefined || this.#keyFrameTicks === undefined || this.#offsetTicks === undefined) {
			return;
		}
		const offsetTicks = streamTicks - this.#keyFrameTicks;
		const isNear = (otherTicks: number, distanceTicks: number): boolean =>
			Math.abs(offsetTicks - otherTicks) <= distanceTicks;
		if (!isNear(this.#offsetTicks, SAME_KEY_FRAME_TICKS)) {
			return;
		}
		const isRepeated = this.#otherTicks !== undefined && isNear(this.#otherTicks, SAME_PICTURE_TICKS);
		if (!this.#isExact || isRepeated || isNear(this.#offsetTicks, SAME_PICTURE_TICKS)) {
			this.#offsetTicks = offsetTicks;
			this.#isExact = true;
			this.#otherTicks = undefined;
		} else {
			this.#otherTicks = offsetTicks;
		}
	}
}
