/** Holds the first access units of a run until all its tracks can begin at the same time. Pure. */
import type { AccessUnit } from '../../core/media/access-unit.ts';

/** Sound is held this long for the first key frame; a run whose picture comes later begins with sound alone. */
const LONGEST_HOLD_SECONDS = 3;
/** Bound of the held units: more than come in that time at 48 kHz. */
const MOST_HELD_UNITS = 256;

/** Where the run begins, and the units held so far, in order. */
export type RunStart = { startSeconds: number; captureTimeMs: number; accessUnits: AccessUnit[] };

/** One gate per run, used until it opens. */
export class RunGate {
	readonly #hasVideo: boolean;
	readonly #held: AccessUnit[] = [];

	/** `hasVideo`: a video track was announced, so the run begins with its first key frame. */
	constructor(hasVideo: boolean) {
		this.#hasVideo = hasVideo;
	}

	/** Returns the start of the run as soon as it is known, and undefined before. */
	admit(accessUnit: AccessUnit): RunStart | undefined {
		if (accessUnit.kind === 'video' || !this.#hasVideo) {
			return accessUnit.isKeyFrame ? startAt(accessUnit, [...this.#held, accessUnit]) : undefined;
		}
		this.#held.push(accessUnit);
		const first = this.#held[0]!;
		const heldSeconds = secondsOf(accessUnit) - secondsOf(first);
		const isOver = heldSeconds >= LONGEST_HOLD_SECONDS || heldSeconds < 0 || this.#held.length >= MOST_HELD_UNITS;
		return isOver ? startAt(first, this.#held) : undefined;
	}
}

function startAt(first: AccessUnit, accessUnits: AccessUnit[]): RunStart {
	return { startSeconds: secondsOf(first), captureTimeMs: first.captureTimeMs, accessUnits };
}

/** Presentation time in seconds of the broadcast's timeline. */
export function secondsOf(accessUnit: AccessUnit): number {
	return accessUnit.presentationTimeTicks / accessUnit.clockRate;
}
