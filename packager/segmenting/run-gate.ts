/** Holds the first access units of a run until all its tracks can begin at the same time. Pure. */
import type { AccessUnit } from '../../core/media/access-unit.ts';

/** Sound is held this long for the first key frame; a run whose picture is later begins with sound alone. */
const LONGEST_HOLD_SECONDS = 3;
/** Bound of what is held: at 48 kHz more than the above takes. */
const MOST_HELD_UNITS = 256;

/** What the gate lets through: where the run begins, and the units held so far, in order. */
export type RunStart = { startSeconds: number; captureTimeMs: number; accessUnits: AccessUnit[] };

/** One gate per run. Asked until it opens, then thrown away. */
export class RunGate {
	readonly #hasVideo: boolean;
	#held: AccessUnit[] = [];

	/** `hasVideo`: a video track was announced, so its first key frame is waited for. */
	constructor(hasVideo: boolean) {
		this.#hasVideo = hasVideo;
	}

	/** Takes a unit; returns the start of the run as soon as it is known, and undefined before. */
	admit(accessUnit: AccessUnit): RunStart | undefined {
		const isVideo = accessUnit.kind === 'video';
		if (isVideo || !this.#hasVideo) {
			if (!accessUnit.isKeyFrame) {
				return undefined;
			}
			return this.#open(accessUnit, [...this.#held, accessUnit]);
		}
		this.#held.push(accessUnit);
		const first = this.#held[0]!;
		const heldSeconds = secondsOf(accessUnit) - secondsOf(first);
		if (heldSeconds >= LONGEST_HOLD_SECONDS || heldSeconds < 0 || this.#held.length >= MOST_HELD_UNITS) {
			return this.#open(first, this.#held);
		}
		return undefined;
	}

	#open(first: AccessUnit, accessUnits: AccessUnit[]): RunStart {
		this.#held = [];
		return { startSeconds: secondsOf(first), captureTimeMs: first.captureTimeMs, accessUnits };
	}
}

/** Presentation time in seconds of the broadcast's timeline. */
export function secondsOf(accessUnit: AccessUnit): number {
	return accessUnit.presentationTimeTicks / accessUnit.clockRate;
}
