/**
 * Corrects the times of an RTMP publisher whose clock runs at the wrong pace: always the same time, another unit, twice
 * as fast. Sound shows it, because each of its frames has a known duration. The picture is compared with the sound, or
 * with arrival when there is no sound. While a pace is right, or only the line is late, nothing is changed.
 */
import type { AudioTrackConfig } from '../../core/media/codecs.ts';
import { AAC_FRAME_SAMPLES } from '../../core/units.ts';
import type { PublisherUnit } from '../publisher/publisher.ts';

/** Media time of a window. Two windows in a row with the same pace decide, so that a jump alone changes nothing. */
const SOUND_WINDOW_MS = 500;
const PICTURE_WINDOW_MS = 1000;
const ARRIVAL_WINDOW_MS = 500;
/** When arrival is the only measure: longer than a line carries nothing. */
const LONE_WINDOW_MS = 5000;
/** A pace between these is accepted: sound that lacks frames, an encoder that adjusts its clock. */
const [SLOWEST, FASTEST] = [0.67, 1.5];
/** Frames that arrive at about the pace of time; otherwise a window shows the line and not the encoder. */
const [LATEST, SOONEST] = [0.75, 1.33];
/** Between these a wrong pace has become right again. */
const [RIGHT_FROM, RIGHT_TO] = [0.9, 1.1];
/** Two paces are the same when they differ by less, as a ratio; all paces below the least are the same one. */
const SAME_RATIO = 1.3;
const LEAST_PACE = 0.05;
/** A track that has been silent for longer is no measure for the other. */
const FRESH_MS = 1000;
/** Further behind its measure it jumps; a smaller lag is made up step by step. */
const JUMP_BEHIND_MS = 500;
/** A pause of sound is shortened by this. */
const SOUND_SLACK_MS = 1000;

type Mark = { statedMs: number; arrivedAtMs: number; measureMs: number };

/** Stated time of one window for each unit of the measure, and of time; and the measure for each unit of time. */
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
	/** Factor for stated composition offsets. */
	compositionScale = 1;
	#mark: Mark | undefined;
	#arrivalMark: Mark | undefined;
	#count = 0;
	#suspected: number | undefined;
	#rightCount = 0;

	isFresh(atMs: number): boolean {
		return atMs - this.arrivedAtMs < FRESH_MS;
	}

	/** Drops the window. */
	restart(): void {
		this.#mark = undefined;
	}

	/** Adds a unit to the window. Returns the window's paces when it is full. */
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

export class PaceCorrection {
	readonly #sound = new TrackPace();
	readonly #picture = new TrackPace();
	/** Total duration of the frames of sound. */
	#soundCountMs = 0;
	/** Arrival − corrected time when the pace of sound last became wrong. */
	#soundDelayMs = 0;
	#pictureDelayMs = 0;
	/** The picture was last measured by the sound. */
	#isBySound = false;

	/** Returns the unit with times that keep pace. `sound`: its configuration, once known. Call in order of arrival. */
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
			// The picture is measured by the sound, which has another pace from now on.
			picture.restart();
		}
		const expectedMs = arrivedAtMs - this.#soundDelayMs - SOUND_SLACK_MS;
		const correctedMs = sound.isWrong ? Math.max(sound.correctedMs + frameMs, expectedMs) : statedMs + sound.offsetMs;
		record(sound, unit, correctedMs);
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
		record(picture, unit, correctedMs);
		const compositionMs = unit.presentationTimeMs - statedMs;
		const scale = picture.isWrong ? picture.compositionScale : 1;
		return { ...unit, decodeTimeMs: correctedMs, presentationTimeMs: correctedMs + compositionMs * scale };
	}
}

function record(track: TrackPace, { decodeTimeMs, arrivedAtMs }: PublisherUnit, correctedMs: number): void {
	[track.statedMs, track.arrivedAtMs, track.correctedMs] = [decodeTimeMs, arrivedAtMs, correctedMs];
}

/** The next time: an even step, a little longer or shorter than the usual one until the target is reached. */
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
