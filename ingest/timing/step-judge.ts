/**
 * Decides what the step from one unit of a track to the next means. Pure: it knows no publisher, only the facts of one
 * step.
 */

/**
 * `continues`: as usual. `smoothed`: a small step back; the unit goes right behind the one before. `paused`: the track
 * stood still for as long, which is no fault. `broken`: its times contradict everything else that is known.
 */
export type StepVerdict = 'continues' | 'smoothed' | 'paused' | 'broken';

/** What is known of a step. @internal for tests */
export type Step = {
	/** From the unit before to this one, by the encoder's times. */
	stepMs: number;
	/** The usual step of this track; undefined before it has one. */
	cadenceMs: number | undefined;
	/** Time between the arrivals of the two. */
	elapsedMs: number;
	/** By how much the unit comes sooner than any other lately, measured by its own time; negative when it is late. */
	earlyMs: number;
	/** How far the other track is ahead of this unit, where both run on one clock; undefined without such a track. */
	otherAheadMs: number | undefined;
	/** Steps back up to this are small. */
	smallStepBackMs: number;
};

/** Steps up to this are never looked at twice: a few lost pictures, or the jitter of an encoder's clock. */
const USUAL_STEP_MS = 250;
/** The same, in steps of the track: half a step of jitter at one picture in ten seconds is 5 s. */
const USUAL_STEPS = 1.5;
/**
 * A unit may come sooner than those before it by this much, since all of those may have been late. Half of it takes the
 * first seconds of an encoder for a break; twice of it lets a jump of a second stand as a hole.
 */
const EARLY_TOLERANCE_MS = 500;
/** The same as a share of the wait: after 10 s that were 12 by the encoder's clock, it has paused, not jumped. */
const EARLY_TOLERANCE_RATIO = 0.5;
/** The other track confirms a step that leads to where it is, give or take the interleaving of the two. */
const OTHER_TOLERANCE_MS = 500;
/** A pause is a step of so many usual ones, for whoever wants to know. */
const PAUSE_STEPS = 4;

/** Judges a step. */
export function judgeStep(step: Step): StepVerdict {
	const { stepMs, cadenceMs = 0 } = step;
	if (!Number.isFinite(stepMs)) {
		return 'broken';
	}
	if (stepMs <= 0) {
		return -stepMs <= step.smallStepBackMs ? 'smoothed' : 'broken';
	}
	const isLong = stepMs > Math.max(USUAL_STEP_MS, PAUSE_STEPS * cadenceMs);
	if (stepMs <= Math.max(USUAL_STEP_MS, USUAL_STEPS * cadenceMs)) {
		return 'continues';
	}
	const isInTime = step.earlyMs <= Math.max(EARLY_TOLERANCE_MS, step.elapsedMs * EARLY_TOLERANCE_RATIO);
	const isWhereTheOtherIs = step.otherAheadMs !== undefined && step.otherAheadMs >= -OTHER_TOLERANCE_MS;
	if (!isInTime && !isWhereTheOtherIs) {
		return 'broken';
	}
	return isLong ? 'paused' : 'continues';
}
