/**
 * Times of an RTMP publisher whose clock runs at another pace than time does: all the same, in another unit, twice as
 * fast. Sound tells, because each of its frames lasts a known time; the picture is held against the sound, or against
 * arrival where there is none. While a pace is right, and while it is only the line that is late, nothing is changed.
 */
import type { AudioTrackConfig } from '../../core/media/codecs.ts';
import { AAC_FRAME_SAMPLES } from '../../core/units.ts';
import type { PublisherUnit } from '../publisher/publisher.ts';

/** Media time of a window. Two in a row that say the same decide, so a jump alone decides nothing. */
const SOUND_WINDOW_MS = 500;
const PICTURE_WINDOW_MS = 1000;
const ARRIVAL_WINDOW_MS = 500;
/** Where only arrival tells: longer than a line stalls. */
const LONE_WINDOW_MS = 5000;
/** A pace between is taken as it is: sound that lacks frames, an encoder that adjusts its clock. */
const [SLOWEST, FASTEST] = [0.67, 1.5];
/** Frames that come at about the pace of time; otherwise it is the line that a window tells of. */
const [LATEST, SOONEST] = [0.75, 1.33];
/** A pace that was wrong is right again. */
const [RIGHT_FROM, RIGHT_TO] = [0.9, 1.1];
/** Two windows say the same when their paces differ by less, as a ratio; all paces below the least are the same one. */
const SAME_RATIO = 1.3;
const LEAST_PACE = 0.05;
/** A track that has been silent for longer is no measure for the other. */
const FRESH_MS = 1000;
/** Further behind its measure it jumps; less is made up for step by step. */
const JUMP_BEHIND_MS = 500;
/** A pause of sound is shorter than it was by this. */
const SOUND_SLACK_MS = 1000;

type Mark = { statedMs: number; arrivedAtMs: number; measureMs: number };

/**
 * What one window tells: stated time for each unit of the measure, and of time; how the measure itself kept pace with
 * time.
 */
type Paces = { byMeasure: number; byArrival: number; measure: number };

class TrackPace {
	/** Added to stated times while the pace is right. */
	offsetMs = 0;
	isWrong = false;
	/** Newest of each. */
	correctedMs = -Infinity;
	statedMs = NaN;
	arrivedAtMs = -Infinity;
	/** From unit to unit as they arrive, by the last window. */
	stepMs = 0;
	/** Stated time for each unit of time, by arrival alone; undefined while unknown. */
	paceByArrival: number | undefined;
	/** How much stated composition offsets are worth. */
	compositionScale = 1;
	#mark: Mark | undefined;
	#arrivalMark: Mark | undefined;
	#count = 0;
	#suspected: number | undefined;
	#rightCount = 0;

	isFresh(atMs: number): boolean {
		return atMs - this.arrivedAtMs < FRESH_MS;
	}

	/** Forgets the window. */
	restart(): void {
		this.#mark = undefined;
	}

	/** Takes a unit into the window. Its paces when it is full. */
	observe(now: Mark, windowMs: number): Paces | undefined {
		this.#observeArrival(now);
		const mark = this.#mark;
		if (mark === undefined) {
			this.#mark = now;
			this.#count = 0;
			return undefined;
		}
		this.#count++;
		const measuredMs = now.measureMs - mark.measureMs;
		if (measuredMs < windowMs) {
			return undefined;
		}
		const statedMs = now.statedMs - mark.statedMs;
		const elapsedMs = Math.max(1, now.arrivedAtMs - mark.arrivedAtMs);
		this.stepMs = elapsedMs / this.#count;
		this.compositionScale = statedMs > 0 ? Math.min(1 / LEAST_PACE, measuredMs / statedMs) : 0;
		this.#mark = now;
		this.#count = 0;
		return { byMeasure: statedMs / measuredMs, byArrival: statedMs / elapsedMs, measure: measuredMs / elapsedMs };
	}

	#observeArrival(now: Mark): void {
		this.#arrivalMark ??= now;
		const elapsedMs = now.arrivedAtMs - this.#arrivalMark.arrivedAtMs;
		if (elapsedMs >= ARRIVAL_WINDOW_MS) {
			this.paceByArrival = (now.statedMs - this.#arrivalMark.statedMs) / elapsedMs;
			this.#arrivalMark = now;
		}
	}

	/** True when the pace has just turned out to be wrong. */
	judge({ byMeasure, byArrival, measure }: Paces): boolean {
		if (this.isWrong) {
			this.#rightCount = isWithin(byMeasure, RIGHT_FROM, RIGHT_TO) ? this.#rightCount + 1 : 0;
			if (this.#rightCount >= 2) {
				this.isWrong = false;
				this.offsetMs = this.correctedMs - this.statedMs;
			}
			return false;
		}
		if (isWithin(byMeasure, SLOWEST, FASTEST) || isWithin(byArrival, SLOWEST, FASTEST)) {
			this.#suspected = undefined;
		} else if (isWithin(measure, LATEST, SOONEST)) {
			const isConfirmed = this.#suspected !== undefined && isSamePace(this.#suspected, byMeasure);
			this.#suspected = isConfirmed ? undefined : byMeasure;
			if (isConfirmed) {
				this.setWrong();
				return true;
			}
		}
		return false;
	}

	setWrong(): void {
		this.isWrong = true;
		this.#rightCount = 0;
		this.#suspected = undefined;
	}
}

/** Of one publisher. */
export class PaceCorrection {
	readonly #sound = new TrackPace();
	readonly #picture = new TrackPace();
	/** What the frames of sound last together. */
	#soundCountMs = 0;
	/** Arrival − corrected time when sound was last found to be wrong. */
	#soundDelayMs = 0;
	#pictureDelayMs = 0;
	/** What the picture was last measured by. */
	#isBySound = false;

	/**
	 * The unit with times that keep pace. `sound`: the configuration of the sound, once known. In the order of arrival.
	 */
	correct(unit: PublisherUnit, sound: Pick<AudioTrackConfig, 'codec' | 'sampleRate'> | undefined): PublisherUnit {
		// RTP timestamps go to viewers with the packets, before there are units.
		if (unit.rtpTicks !== undefined || !Number.isFinite(unit.decodeTimeMs)) {
			return unit;
		}
		if (unit.kind === 'video') {
			return this.#correctPicture(unit);
		}
		return sound?.codec === 'aac' ? this.#correctSound(unit, (AAC_FRAME_SAMPLES * 1000) / sound.sampleRate) : unit;
	}

	#correctSound(unit: PublisherUnit, frameMs: number): PublisherUnit {
		const { decodeTimeMs: statedMs, arrivedAtMs } = unit;
		const [sound, picture] = [this.#sound, this.#picture];
		this.#soundCountMs += frameMs;
		const paces = sound.observe({ statedMs, arrivedAtMs, measureMs: this.#soundCountMs }, SOUND_WINDOW_MS);
		if (paces !== undefined && sound.judge(paces)) {
			const isPictureRight = picture.isFresh(arrivedAtMs) && isWithin(picture.paceByArrival ?? NaN, SLOWEST, FASTEST);
			sound.correctedMs = Math.max(sound.correctedMs, isPictureRight ? picture.correctedMs - frameMs : -Infinity);
			this.#soundDelayMs = arrivedAtMs - sound.correctedMs;
			if (picture.isFresh(arrivedAtMs) && !isPictureRight) {
				picture.setWrong();
			}
			// It is measured by the sound, which goes at another pace from now on.
			picture.restart();
		}
		const expectedMs = arrivedAtMs - this.#soundDelayMs - SOUND_SLACK_MS;
		const correctedMs = sound.isWrong ? Math.max(sound.correctedMs + frameMs, expectedMs) : statedMs + sound.offsetMs;
		note(sound, unit, correctedMs);
		return { ...unit, decodeTimeMs: correctedMs, presentationTimeMs: correctedMs };
	}

	#correctPicture(unit: PublisherUnit): PublisherUnit {
		const { decodeTimeMs: statedMs, arrivedAtMs } = unit;
		const [sound, picture] = [this.#sound, this.#picture];
		const isBySound = sound.isFresh(arrivedAtMs);
		const measureMs = isBySound ? sound.correctedMs : arrivedAtMs;
		if (isBySound !== this.#isBySound) {
			this.#isBySound = isBySound;
			picture.restart();
		}
		const paces = picture.observe({ statedMs, arrivedAtMs, measureMs }, isBySound ? PICTURE_WINDOW_MS : LONE_WINDOW_MS);
		if (paces !== undefined && picture.judge(paces)) {
			this.#pictureDelayMs = arrivedAtMs - picture.correctedMs;
		}
		const targetMs = isBySound ? measureMs : arrivedAtMs - this.#pictureDelayMs;
		const correctedMs = picture.isWrong ? stepTowards(picture, targetMs) : statedMs + picture.offsetMs;
		note(picture, unit, correctedMs);
		const compositionMs = unit.presentationTimeMs - statedMs;
		const scale = picture.isWrong ? picture.compositionScale : 1;
		return { ...unit, decodeTimeMs: correctedMs, presentationTimeMs: correctedMs + compositionMs * scale };
	}
}

function note(track: TrackPace, { decodeTimeMs, arrivedAtMs }: PublisherUnit, correctedMs: number): void {
	[track.statedMs, track.arrivedAtMs, track.correctedMs] = [decodeTimeMs, arrivedAtMs, correctedMs];
}

/** The next time: evenly, a little faster or slower than it comes until it is where it should be. */
function stepTowards({ correctedMs, stepMs }: TrackPace, targetMs: number): number {
	const nextMs = correctedMs + stepMs;
	const aheadMs = nextMs - targetMs;
	if (aheadMs < -Math.max(JUMP_BEHIND_MS, stepMs)) {
		return targetMs;
	}
	return nextMs - stepMs * Math.min(0.5, Math.max(-0.5, aheadMs / PICTURE_WINDOW_MS));
}

function isWithin(value: number, least: number, most: number): boolean {
	return value >= least && value <= most;
}

function isSamePace(one: number, other: number): boolean {
	const [a, b] = [Math.max(LEAST_PACE, one), Math.max(LEAST_PACE, other)];
	return a / b < SAME_RATIO && b / a < SAME_RATIO;
}
