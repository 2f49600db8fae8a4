/** The mix of a page whose sound is silent for known times. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sleep, systemClock } from '../../../core/lifecycle/clock.ts';
import { launchChromium } from './chromium.ts';
import { COLLECT_MIX, MIX_EAR, type MixReadings } from './mix-ear.ts';

const GAPS_MS = [120, 30];
/** Blocks of 5 ms may begin anywhere in a gap. */
const TOLERANCE_MS = 11;

// A hum as quiet as the bench's, silent for each of the gaps, a second apart.
const HUM = `(async () => {
	const context = new AudioContext();
	const [hum, gain] = [new OscillatorNode(context, { frequency: 250 }), new GainNode(context, { gain: 0.015 })];
	hum.connect(gain).connect(context.destination);
	const startSeconds = context.currentTime + 0.5;
	hum.start();
	${JSON.stringify(GAPS_MS)}.forEach((ms, index) => {
		gain.gain.setValueAtTime(0, startSeconds + index + 1);
		gain.gain.setValueAtTime(0.015, startSeconds + index + 1 + ms / 1000);
	});
	await new Promise((resolve) => setTimeout(resolve, 3500));
	return context.state;
})()`;

let browser: Browser;

beforeAll(async () => {
	browser = await launchChromium();
});

afterAll(async () => {
	await browser.close();
});

it('records every silence of the mix with its length, and none where there is sound', async () => {
	const page = await browser.newPage();
	await page.addInitScript({ content: MIX_EAR });
	await page.goto('data:text/html,<title>hum</title>');
	expect(await page.evaluate<string>(HUM)).toBe('running');
	await sleep(systemClock, 200);
	const { quiet, contextCount } = await page.evaluate<MixReadings>(COLLECT_MIX);
	expect(contextCount).toBe(1);
	// There may be one more stretch: the silence before the hum begins.
	const heardMs = quiet.slice(-GAPS_MS.length).map(({ durationMs }) => durationMs);
	expect(quiet.length).toBeLessThanOrEqual(GAPS_MS.length + 1);
	heardMs.forEach((ms, index) => expect(Math.abs(ms - GAPS_MS[index]!)).toBeLessThan(TOLERANCE_MS));
	expect(heardMs).toHaveLength(GAPS_MS.length);
});
