/** Tests of encoder-admission.ts: the plan without capacity to re-encode. */
import { describe, expect, it } from 'vitest';
import { EncoderAdmission } from './encoder-admission.ts';
import { worthyRungs } from './ladder.ts';
import { encodedPictures, isPictureOff, type MediaPlan, type StreamFacts } from './media-planner.ts';
import { EncoderBudget } from './work-budget.ts';

const CLEAN = { codec: 'h264', hasBFrames: false, longestGopMs: 2000 } as const;
const HD = { widthPixels: 1280, heightPixels: 720, frameRate: () => 30 };
const HD_PIXELS = 1280 * 720 * 30;

function plan(video: StreamFacts['video'], room: number): MediaPlan {
	return admissionOf(new EncoderBudget(room)).plan({ video, audio: { codec: 'aac' } }, HD);
}

const admissionOf = (budget: EncoderBudget): EncoderAdmission =>
	new EncoderAdmission({ encoderGrants: budget.grantsFor({ isKnown: false }) });

const videoModes = ({ legs }: MediaPlan): string[] =>
	legs.filter(({ track }) => track === 'video').map(({ tier, mode }) => `${tier}: ${mode}`);

describe('EncoderAdmission', () => {
	it.each([
		['a clean stream', CLEAN, ['webrtc: pass-through', 'll-hls: pass-through']],
		['B-frames', { ...CLEAN, hasBFrames: true }, ['webrtc: off', 'll-hls: pass-through']],
		['VP8', { ...CLEAN, codec: 'vp8' }, ['webrtc: off', 'll-hls: off']],
		['a long GOP', { ...CLEAN, longestGopMs: 9000 }, ['webrtc: pass-through', 'll-hls: off']],
		['a long GOP with B-frames', { ...CLEAN, hasBFrames: true, longestGopMs: 9000 }, ['webrtc: off', 'll-hls: off']],
	] as const)('keeps what passes through of %s when there is no capacity', (_what, video, expected) => {
		const without = plan(video, 0);
		expect(videoModes(without)).toEqual(expected);
		expect(encodedPictures(without)).toEqual([]);
		for (const leg of without.legs.filter(({ mode }) => mode === 'off')) {
			expect(leg.reason).toMatch(/too large to be re-encoded here: 28 of at most 0 million/);
			expect(leg.advice).toBeDefined();
		}
		// Sound does not depend on the capacity.
		expect(without.legs.filter(({ track }) => track === 'audio').map(({ mode }) => mode)).toEqual([
			'transcode',
			'pass-through',
		]);
	});

	it('has no ladder without capacity for the source’s own picture, with that reason', () => {
		const picture = { ...HD, frameRate: 30, bitrateBps: 2_500_000 };
		const ladder = { ...worthyRungs(picture, 'automatic'), reason: 'There is room.' };
		const facts: StreamFacts = { video: { ...CLEAN, codec: 'vp8' }, audio: undefined };
		const none = admissionOf(new EncoderBudget(0)).plan(facts, HD, ladder);
		expect(none.ladder.rungs).toEqual([]);
		expect(none.ladder.leftOut.map(({ name, cause }) => `${name} ${cause}`)).toEqual([
			'480p30 room',
			'360p30 room',
			'160p30 room',
		]);
		expect(none.ladder.reason).toMatch(/no room to re-encode the source’s own picture/);
		const off = { rungs: [], leftOut: [], reason: 'Off.' };
		expect(admissionOf(new EncoderBudget(0)).plan(facts, HD, off).ladder).toEqual(off);
	});

	it('re-encodes where there is capacity, once for both tiers', () => {
		const budget = new EncoderBudget(HD_PIXELS);
		const admission = admissionOf(budget);
		const facts: StreamFacts = { video: { ...CLEAN, longestGopMs: 9000 }, audio: undefined };
		expect(videoModes(admission.plan(facts, HD))).toEqual(['webrtc: re-encode', 'll-hls: re-encode']);
		admission.plan(facts, HD);
		expect(budget.usedPixelsPerSecond).toBe(HD_PIXELS);
		admission.release();
		expect(budget.usedPixelsPerSecond).toBe(0);
	});

	it('waits for capacity that another releases, with that reason', () => {
		const budget = new EncoderBudget(HD_PIXELS);
		const [first, second] = [admissionOf(budget), admissionOf(budget)];
		const facts: StreamFacts = { video: { ...CLEAN, hasBFrames: true }, audio: undefined };
		first.plan(facts, HD);
		const waiting = second.plan(facts, HD);
		expect([isPictureOff(waiting, 'webrtc'), isPictureOff(waiting, 'll-hls')]).toEqual([true, false]);
		expect(waiting.legs[0]!.reason).toContain('has to wait until there is room');
		first.release();
		expect(videoModes(second.plan(facts, HD))).toEqual(['webrtc: re-encode', 'll-hls: pass-through']);
	});

	it('follows the size and the rate of the picture, but not measurement noise', () => {
		const budget = new EncoderBudget(1e9);
		const admission = admissionOf(budget);
		const facts: StreamFacts = { video: { ...CLEAN, hasBFrames: true }, audio: undefined };
		const used = (frameRate: number): number => {
			admission.plan(facts, { ...HD, frameRate: () => frameRate });
			return budget.usedPixelsPerSecond / (1280 * 720);
		};
		expect([0, 29.4, 30.6, 50.2, 120, 0.4].map(used)).toEqual([30, 30, 30, 50, 60, 5]);
	});
});
