/** Tests of the source loop. */
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { SourceLoop, type SentFrame } from './source-loop.ts';

function record(sampleRate: number, soundLeadMs = 0) {
	const clock = new FakeClock();
	const originMs = clock.nowMs();
	const frames: SentFrame[] = [];
	const sounds: Array<[number, number]> = [];
	const output = {
		picture: (frame: SentFrame) => void frames.push(frame),
		sound: (soundOriginMs: number, first: number, end: number) => {
			expect(soundOriginMs).toBe(originMs);
			sounds.push([first, end]);
		},
	};
	const loop = new SourceLoop(
		clock,
		{ widthPixels: 16, heightPixels: 16, frameRate: 30, sampleRate },
		output,
		soundLeadMs,
	);
	return { clock, originMs, frames, sounds, loop };
}

describe('SourceLoop', () => {
	it.each([44_100, 48_000])('makes 30 pictures and %i samples a second without a gap', async (sampleRate) => {
		const { clock, originMs, frames, sounds, loop } = record(sampleRate);
		loop.start();
		await clock.advance(2001);
		expect(frames).toHaveLength(61);
		frames.forEach((frame, index) => {
			expect(frame.frameNumber).toBe(index);
			expect(Math.abs(frame.captureTimeMs - originMs - (index * 1000) / 30)).toBeLessThan(0.01);
		});
		expect(sounds[0]![0]).toBe(0);
		for (let index = 1; index < sounds.length; index++) {
			expect(sounds[index]![0]).toBe(sounds[index - 1]![1]);
		}
		expect(sounds.at(-1)![1]).toBe(2 * sampleRate);
		loop.stop();
		expect(clock.pendingCount).toBe(0);
	});

	it('hands the sound over early when asked', () => {
		const { sounds, loop } = record(48_000, 50);
		loop.start();
		expect(sounds).toEqual([[0, 2400]]);
		loop.stop();
	});

	it('makes every picture when a timer fires late', async () => {
		const late = new FakeClock();
		let fireCount = 0;
		const starved = new SourceLoop(
			{
				nowMs: () => late.nowMs(),
				monotonicMs: () => late.monotonicMs(),
				setTimeout: (callback, delayMs) => late.setTimeout(callback, delayMs + (++fireCount === 40 ? 150 : 0)),
				setInterval: (callback, intervalMs) => late.setInterval(callback, intervalMs),
			},
			{ widthPixels: 16, heightPixels: 16, frameRate: 30, sampleRate: 48_000 },
			{ picture: () => undefined, sound: () => undefined },
		);
		starved.start();
		await late.advance(1001);
		expect(fireCount).toBeGreaterThan(40);
		expect(starved.sent.map((frame) => frame.frameNumber)).toEqual(Array.from({ length: 31 }, (_, index) => index));
	});
});
