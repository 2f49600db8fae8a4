/** A ladder through real FFmpeg: every rung has the source's key frames, to the tick, whatever the source is like. */
import { expect, it } from 'vitest';
import { ALIGNMENT_CASES, describeCase, runAlignment } from './testing/ladder-alignment.ts';

const DURATION_SECONDS = 5;

it.concurrent.for(ALIGNMENT_CASES.map((kind) => [describeCase(kind), kind] as const))('%s', async ([, kind]) => {
	const { sourceKeyFrames, expectedKeyFrames, expectedPictures, ...differing } = await runAlignment(
		kind,
		DURATION_SECONDS,
	);
	expect(differing).toEqual({ differingKeyFrames: 0, differingPictures: 0 });
	expect([sourceKeyFrames, expectedKeyFrames, expectedPictures].every((count) => count > 0)).toBe(true);
});
