/** Decides which frames of sound are in a clip. Pure. */
import { AAC_FRAME_SAMPLES } from '../../core/units.ts';

/** A frame of the source; times in ticks of the sample rate, on the broadcast's timeline. */
export type SourceFrame = { startTicks: number; durationTicks: number };

type SoundRange = { startTicks: number; endTicks: number };

type SoundPlan = {
	/** `index`: of the source's frame; undefined: silence. */
	frames: readonly { index: number | undefined; durationTicks: number }[];
	/** Where in the first frames presentation begins. */
	startTicks: number;
};

/** Of lips and sound; a larger hole cannot be closed by other durations, which players do not keep to. */
const HOLE_SECONDS = 0.001;

/** Each frame begins where the one before ends. */
export function isContinuous(frames: readonly SourceFrame[], sampleRate: number): boolean {
	return frames.slice(1).every(({ startTicks }, index) => {
		const before = frames[index]!;
		return Math.abs(startTicks - before.startTicks - before.durationTicks) <= HOLE_SECONDS * sampleRate;
	});
}

/**
 * All sound of the range, with the frame before it: a decoder needs that one to be right from the first sample on. The
 * frames are continuous. Silence is added at the ends where they do not cover the range. Undefined when there is none.
 */
export function planSound(source: readonly SourceFrame[], range: SoundRange): SoundPlan | undefined {
	const kept = source.flatMap((frame, index) => (isNeeded(frame, range) ? [{ ...frame, index }] : []));
	const [first, last] = [kept[0], kept.at(-1)];
	if (first === undefined || last === undefined) {
		return undefined;
	}
	const before = silentFrames(first.startTicks - range.startTicks);
	const after = silentFrames(range.endTicks - last.startTicks - last.durationTicks);
	return {
		frames: [
			...before,
			...kept.map(({ index, startTicks, durationTicks }, place) => {
				const next = kept[place + 1];
				return { index, durationTicks: next === undefined ? durationTicks : next.startTicks - startTicks };
			}),
			...after,
		],
		startTicks: Math.round(range.startTicks - first.startTicks + before.length * AAC_FRAME_SAMPLES),
	};
}

function isNeeded({ startTicks, durationTicks }: SourceFrame, range: SoundRange): boolean {
	return startTicks + durationTicks > range.startTicks - AAC_FRAME_SAMPLES && startTicks < range.endTicks;
}

function silentFrames(ticks: number): SoundPlan['frames'][number][] {
	const length = Math.max(0, Math.ceil(ticks / AAC_FRAME_SAMPLES - 1e-6));
	return Array.from({ length }, () => ({ index: undefined, durationTicks: AAC_FRAME_SAMPLES }));
}
