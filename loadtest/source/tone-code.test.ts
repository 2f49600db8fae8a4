/** Tests of the tone code: every second's burst is recognised and its attack found to within 2 ms. */
import { describe, expect, it } from 'vitest';
import { TONE_CODE_COUNT, ToneDetector, toneCaptureTimeMs, toneSampleAt } from './tone-code.ts';
import type { HeardTone } from './tone-code.ts';

const START_MS = Date.UTC(2026, 5, 1, 12) + 417;

function hear(sampleRate: number, seconds: number, delayMs: number, blockSamples: number, noise = 0): HeardTone[] {
	const detector = new ToneDetector(sampleRate);
	const heard: HeardTone[] = [];
	let seed = 7;
	for (let first = 0; first < seconds * sampleRate; first += blockSamples) {
		const block = new Float32Array(blockSamples);
		for (let index = 0; index < blockSamples; index++) {
			seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff;
			block[index] = toneSampleAt(START_MS + ((first + index) * 1000) / sampleRate) + noise * (seed / 0x4000_0000 - 1);
		}
		heard.push(...detector.push(block, START_MS + delayMs + (first * 1000) / sampleRate));
	}
	return heard;
}

describe('tone code', () => {
	it.each([
		[48_000, 480],
		[44_100, 1024],
		[48_000, 128],
	])('finds every second at %i Hz in blocks of %i', (sampleRate, blockSamples) => {
		const heard = hear(sampleRate, 18, 123, blockSamples);
		expect(heard).toHaveLength(18);
		heard.forEach((tone, index) => {
			const captureTimeMs = Math.ceil(START_MS / 1000) * 1000 + index * 1000;
			expect(toneCaptureTimeMs(tone)).toBe(captureTimeMs);
			expect(Math.abs(tone.heardAtMs - captureTimeMs - 123)).toBeLessThan(2);
		});
		expect(new Set(heard.map((tone) => tone.code)).size).toBe(TONE_CODE_COUNT);
	});

	it('finds every second in light noise and with seconds of delay', () => {
		const heard = hear(48_000, 5, 4321, 960, 0.015);
		expect(heard.map((tone) => tone.heardAtMs - toneCaptureTimeMs(tone)).every((ms) => Math.abs(ms - 4321) < 2)).toBe(
			true,
		);
		expect(heard).toHaveLength(5);
	});

	it('finds nothing in silence, in loud noise or in a steady tone', () => {
		expect(new ToneDetector(48_000).push(new Float32Array(96_000), 0)).toEqual([]);
		expect(hear(48_000, 4, 0, 480, 0.9)).toEqual([]);
		const steady = Float32Array.from({ length: 192_000 }, (_, index) => Math.sin((index * 2 * Math.PI * 440) / 48_000));
		expect(new ToneDetector(48_000).push(steady, 0)).toEqual([]);
	});
});
