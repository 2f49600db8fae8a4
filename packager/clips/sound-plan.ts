/** Decides which frames of sound are in a clip, and where silence fills a hole. Pure. */
import { AAC_FRAME_SAMPLES } from '../../core/units.ts';

/** A frame of the source; times in ticks of the sample rate, on the broadcast's timeline. */
export type SourceFrame = { startTicks: number; durationTicks: number };

export type SoundPlan = {
	/** `index`: of the source's frame; undefined: silence. */
	frames: readonly { index: number | undefined; durationTicks: number }[];
	/** Where in the first frames presentation begins. */
	startTicks: number;
	/** Nothing is heard for so long before, because silence cannot be made. */
	delayTicks: number;
};

/** Smaller holes and overlaps change the duration of the frame before. */
const LEAST_HOLE_TICKS = AAC_FRAME_SAMPLES / 2;

/**
 * All sound from `startTicks` to `endTicks`, with the frame before it: a decoder needs that one to be right from the
 * first sample on. Undefined when there is none. `canFill`: silent frames exist for this sound.
 */
export function planSound(
	source: readonly SourceFrame[],
	{ startTicks, endTicks, canFill }: { startTicks: number; endTicks: number; canFill: boolean },
): SoundPlan | undefined {
	const frames: { index: number | undefined; durationTicks: number }[] = [];
	let firstTicks: number | undefined;
	let cursorTicks = 0;
	const fill = (untilTicks: number, count: number): void => {
		for (let index = 0; index < (canFill ? count : 0); index++) {
			frames.push({ index: undefined, durationTicks: AAC_FRAME_SAMPLES });
			cursorTicks += AAC_FRAME_SAMPLES;
		}
		frames.at(-1)!.durationTicks += untilTicks - cursorTicks;
		cursorTicks = untilTicks;
	};
	source.forEach((frame, index) => {
		const frameEndTicks = frame.startTicks + frame.durationTicks;
		if (frameEndTicks <= startTicks - AAC_FRAME_SAMPLES || frame.startTicks >= endTicks) {
			return;
		}
		if (firstTicks === undefined) {
			const missing = canFill ? Math.max(0, Math.ceil((frame.startTicks - startTicks) / AAC_FRAME_SAMPLES)) : 0;
			firstTicks = frame.startTicks - missing * AAC_FRAME_SAMPLES;
			cursorTicks = firstTicks;
			if (missing > 0) {
				fill(frame.startTicks, missing);
			}
		} else {
			const holeTicks = frame.startTicks - cursorTicks;
			const last = frames.at(-1)!;
			if (holeTicks <= -LEAST_HOLE_TICKS || last.durationTicks + holeTicks < 1) {
				return;
			}
			fill(frame.startTicks, holeTicks >= LEAST_HOLE_TICKS ? Math.round(holeTicks / AAC_FRAME_SAMPLES) : 0);
		}
		frames.push({ index, durationTicks: frame.durationTicks });
		cursorTicks += frame.durationTicks;
	});
	if (firstTicks === undefined) {
		return undefined;
	}
	if (cursorTicks < endTicks) {
		const missing = Math.ceil((endTicks - cursorTicks) / AAC_FRAME_SAMPLES);
		fill(canFill ? cursorTicks + missing * AAC_FRAME_SAMPLES : Math.ceil(endTicks), missing);
	}
	const offsetTicks = Math.round(startTicks - firstTicks);
	return { frames, startTicks: Math.max(0, offsetTicks), delayTicks: Math.max(0, -offsetTicks) };
}
