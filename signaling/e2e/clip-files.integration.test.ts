/** The file of a clip in Chromium: which picture is shown at which time, where encoded meets copied as well. */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { launchChromium, openHtml } from '../../loadtest/clients/chromium/chromium.ts';
import { readRgba, recordNumbered, withClip } from '../../packager/clips/testing/clip-bench.ts';
import { checkFfmpeg } from '../../packager/transcode/ffmpeg-process.ts';

beforeAll(() => checkFfmpeg(systemClock));

describe('the file of a clip', () => {
	it('plays in Chromium, to the picture', async () => {
		const recording = await recordNumbered({
			startSeconds: 100,
			durationSeconds: 4,
			gopFrames: 30,
			bFrames: 2,
			sampleRate: 48_000,
			encoderArguments: ['-b_strategy', '0'],
		});
		await withClip(recording, [100 + 0.5, 100 + 3.2], async (clip) => {
			const browser = await launchChromium();
			try {
				const page = await browser.newPage();
				const body = readFileSync(clip.file).toString('base64');
				await openHtml(page, '/clip', 'http://localhost', '<!doctype html><title>clip</title><video muted></video>');
				// Each picture by its middle: those at both ends, and around both places where encoded meets copied.
				const pictures = [0, 1, 14, 15, 16, 45, 77, 78, 79, 80];
				const result = await page.evaluate<{ duration: number; tops: number[][] }>(
					playerProgram(body, [0, ...pictures.map((picture) => (picture + 0.5) / 30)]),
				);
				expect(result.duration).toBeCloseTo(clip.durationSeconds, 2);
				const numbers = result.tops.map((top) => readRgba(top, 320));
				expect(numbers).toEqual([0, ...pictures].map((picture) => 15 + picture));
			} finally {
				await browser.close();
			}
		});
	});
});

/** Seeks to each of the times, and returns the upper rows of the picture there. */
function playerProgram(base64: string, times: readonly number[]): string {
	return `(async () => {
		const bytes = Uint8Array.from(atob('${base64}'), (character) => character.charCodeAt(0));
		const video = document.querySelector('video');
		const once = (name) => new Promise((resolve, reject) => {
			video.addEventListener(name, resolve, { once: true });
			video.addEventListener('error', () => reject(new Error(video.error.message)), { once: true });
		});
		const loaded = once('loadeddata');
		video.src = URL.createObjectURL(new Blob([bytes], { type: 'video/mp4' }));
		await loaded;
		const context = Object.assign(document.createElement('canvas'), { width: 320, height: 180 }).getContext('2d');
		const tops = [];
		for (const time of ${JSON.stringify(times)}) {
			const sought = once('seeked');
			video.currentTime = time;
			await sought;
			context.drawImage(video, 0, 0, 320, 180);
			tops.push([...context.getImageData(0, 0, 320, 20).data]);
		}
		return { duration: video.duration, tops };
	})()`;
}
