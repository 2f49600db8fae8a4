/** The direct connection for a few seconds in real browsers: pictures come in order. Not a speed test. */
import { expect, it } from 'vitest';
import { measureDirectReference, measureHarness } from './direct-reference.ts';
import { measureSoundTap } from './sound-tap.ts';

const PICTURE = { widthPixels: 640, heightPixels: 360, frameRate: 30, videoBitrateBps: 1_000_000 };

it('shows what one browser sends to another in order, with its sound', async () => {
	const reference = await measureDirectReference({ ...PICTURE, settleMs: 3000, durationMs: 5000 });
	const { summary, sent, shown, heard } = reference;
	expect(sent.length).toBeGreaterThan(30);
	expect(shown.length).toBeGreaterThan(30);
	expect(summary.outOfOrderCount).toBe(0);
	const sentNumbers = new Set(sent.map((frame) => frame.frameNumber));
	const known = shown.filter((frame) => sentNumbers.has(frame.frameNumber));
	expect(known.length / shown.length).toBeGreaterThan(0.9);
	// Not picture by picture: a late callback reads a newer picture than the one whose time it gets.
	expect(summary.glassToGlassMs!.p50).toBeGreaterThan(0);
	expect(heard.length).toBeGreaterThanOrEqual(2);
	const seconds = heard.map((sound) => sound.captureTimeMs / 1000);
	expect(seconds).toEqual([...seconds].sort((one, other) => one - other));
});

it('reads its own canvas back within one page', async () => {
	const { summary, shown } = await measureHarness({ ...PICTURE, settleMs: 1000, durationMs: 2000 });
	expect(shown.length).toBeGreaterThan(20);
	expect(summary.outOfOrderCount).toBe(0);
	expect(summary.glassToGlassMs).toBeDefined();
});

it('finds a sound tap offset of less than a second, the most that an audio device buffers', async () => {
	expect(Math.abs(await measureSoundTap())).toBeLessThan(1000);
});
