/** Decides what the step from one unit of a track to the next means. Pure: it sees only the facts of one step. */

/**
 * `continues`: a usual step. `smoothed`: a small step back; the unit follows right behind the previous one. `paused`:
 * the track paused for as long, which is no fault. `broken`: its times contradict all other facts.
 */
export type StepVerdict = 'continues' | 'smoothed' | 'paused' | 'broken';

/** The facts of one step. @internal for tests */
export type Step = {
	/** From the unit before to this one, by the encoder's times. */
	stepMs: number;
	/** The usual step of this track; undefined before it has one. */
	cadenceMs: number | undefined;
	/** Time between the arrivals of the two. */
	elapsedMs: number;
	/** By how much the unit arrives sooner, by its own time, than all recent units; negative when it is late. */
	earlyMs: number;
	/** How far the other track is ahead of this unit, where both run on one clock; undefined without such a track. */
	otherAheadMs: number | undefined;
	/** Steps back up to this are small. */
	smallStepBackMs: number;
};

/** Smaller steps are always usual: a few lost pictures, or the jitter of an encoder's clock. */
const USUAL_STEP_MS = 250;
/** The same, in steps of the track: half a step of jitter at one picture in ten seconds is 5 s. */
const USUAL_STEPS = 1.5;
/**
 * A unit may arrive sooner than the previous ones by this much, since all of them may have been late. Half of it treats
 * the first seconds of an encoder as a break; twice of it accepts a jump of a second as a hole.
 */
const EARLY_TOLERANCE_MS = 500;
/** The same as a share of the wait: 10 s that are 12 by the encoder's clock are a pause. */
const EARLY_TOLERANCE_RATIO = 0.5;
/** The other track confirms a step that ends at most this far ahead of it, because the two are interleaved. */
const OTHER_TOLERANCE_MS = 500;
/** A step of more than so many usual ones is a pause. */
const PAUSE_STEPS = 4;

export function judgeStep(step: Step): StepVerdict {
	const { stepMs, cadenceMs = 0 } = step;
	if (!Number.isFinite(stepMs)) {
		return 'broken';
	}
	if (stepMs <= 0) {
		return -stepMs <= step.smallStepBackMs ? 'smoothed' : 'broken';
	}
	if (stepMs <= Math.max(USUAL_STEP_MS, USUAL_STEPS * cadenceMs)) {
		return 'continues';
	}
	const isInTime = step.earlyMs <= Math.max(EARLY_TOLERANCE_MS, step.elapsedMs * EARLY_TOLERANCE_RATIO);
	const isWhereTheOtherIs = step.otherAheadMs !== undefined && step.otherAheadMs >= -OTHER_TOLERANCE_MS;
	if (!isInTime && !isWhereTheOtherIs) {
		return 'broken';
	}
	return stepMs > Math.max(USUAL_STEP_MS, PAUSE_STEPS * cadenceMs) ? 'paused' : 'continues';
}
