/** Keeps an audio track's timeline gapless: steers out drift, and reports holes and repeated frames. Pure. */

type AudioFramePlan =
	/** Write it, for this long: its nominal duration, a few ticks more or less while a drift is steered out. */
	| { kind: 'keep'; durationTicks: number }
	/** Write this many frames of silence first, then plan again. */
	| { kind: 'fill'; frameCount: number }
	/** There is sound at its time already. */
	| { kind: 'drop' };

/** Jitter below this is left alone; RTMP's whole milliseconds make up to 1 ms of it. */
const TOLERANCE_SECONDS = 0.003;
/** 2 of 1024 ticks is 0.2 %, more than any clock drifts; a jump of up to two frames is steered out faster. */
const SLOW_STEER_TICKS = 2;
const FAST_STEER_TICKS = 16;
/** From this many frames of difference on, something is missing or repeated. */
const HOLE_FRAMES = 2;

/** `expectedTicks`: end of the media so far. `sourceTicks`: the frame's own time. Both in ticks of `sampleRate`. */
export function planAudioFrame(input: {
	expectedTicks: number;
	sourceTicks: number;
	frameTicks: number;
	sampleRate: number;
}): AudioFramePlan {
	const { expectedTicks, sourceTicks, frameTicks, sampleRate } = input;
	const errorTicks = sourceTicks - expectedTicks;
	if (errorTicks >= HOLE_FRAMES * frameTicks) {
		return { kind: 'fill', frameCount: Math.round(errorTicks / frameTicks) };
	}
	if (errorTicks <= -HOLE_FRAMES * frameTicks) {
		return { kind: 'drop' };
	}
	const size = Math.abs(errorTicks);
	if (size <= TOLERANCE_SECONDS * sampleRate) {
		return { kind: 'keep', durationTicks: frameTicks };
	}
	const steerTicks = size > frameTicks ? FAST_STEER_TICKS : SLOW_STEER_TICKS;
	return { kind: 'keep', durationTicks: frameTicks + Math.sign(errorTicks) * steerTicks };
}
