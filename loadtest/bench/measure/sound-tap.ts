/**
 * The time from the bench's sound tap to the loudspeaker. The bench taps sound some buffers before it can be heard, but
 * Chromium shows pictures in step with audible sound. A file whose sound and picture are in step shows the difference.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sleep, systemClock } from '../../../core/lifecycle/clock.ts';
import { benchSource } from '../../source/bench-source.ts';
import { BENCH_SETTINGS, type EncoderSettings, RAW_INPUT, videoEncoder } from '../../source/encoder-settings.ts';
import { BenchPage } from '../../clients/chromium/bench-page.ts';
import { launchChromium } from '../../clients/chromium/chromium.ts';
import { throwFailure } from '../../source/publisher.ts';
import { summariseWatch } from './frame-log.ts';

const SETTINGS: EncoderSettings = { ...BENCH_SETTINGS, widthPixels: 640, heightPixels: 360, videoBitrateBps: 500_000 };
/** The tone code repeats after 16 s: recording and playing take less, so that each burst has one meaning. */
const FILE_MS = 6000;
const SETTLE_MS = 1500;

/** Milliseconds to add to `heardAtMs` for media that an element plays from a file or through MSE. */
export async function measureSoundTap(): Promise<number> {
	const file = await recordFile();
	const browser = await launchChromium();
	try {
		const page = await BenchPage.openOwn(browser);
		await page.call('startReading', 'video', true);
		await page.call('playFile', file.toString('base64'), 'video/mp4');
		const startedAtMs = systemClock.nowMs();
		await sleep(systemClock, FILE_MS);
		const { frames, sounds } = await page.collect();
		const window = { fromMs: startedAtMs + SETTLE_MS, toMs: startedAtMs + FILE_MS };
		const skew = summariseWatch(frames, sounds, [], window).audioVideoSkewMs;
		const toneCount = skew?.count ?? 0;
		if (skew === undefined || toneCount < 2) {
			throw new Error(
				`Only ${toneCount} tones were heard in a file of ${FILE_MS} ms: this browser gives no sound to measure.`,
			);
		}
		return -skew.p50;
	} finally {
		await browser.close();
	}
}

async function recordFile(): Promise<Buffer> {
	const folder = await mkdtemp(path.join(tmpdir(), 'spillway-bench-'));
	try {
		const file = path.join(folder, 'in-step.mp4');
		const output = ['-c:a', 'aac', '-movflags', 'faststart', '-f', 'mp4', file];
		const encoderArguments = [...RAW_INPUT, '-map', '0:v', '-map', '0:a', ...videoEncoder(SETTINGS), ...output];
		const { encoder, loop } = benchSource(encoderArguments, SETTINGS);
		encoder.output.resume();
		loop.start();
		await sleep(systemClock, FILE_MS);
		loop.stop();
		await encoder.stop();
		throwFailure(encoder);
		return await readFile(file);
	} finally {
		await rm(folder, { recursive: true, force: true });
	}
}
