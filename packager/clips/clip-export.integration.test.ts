/** Clips of recordings with numbered pictures: FFmpeg, mediabunny and Chromium find exactly the wanted ones in them. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ALL_FORMATS, EncodedPacketSink, FilePathSource, Input } from 'mediabunny';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { launchChromium, openHtml } from '../../loadtest/clients/chromium/chromium.ts';
import { TEST_VIDEO_ID, type TestRecording } from '../pictures/testing/recorded-video.ts';
import { recordedObjectName } from '../recording/journal-entry.ts';
import { checkFfmpeg } from '../transcode/ffmpeg-process.ts';
import { exportClip } from './clip-export.ts';
import {
	probe,
	readClicks,
	readNumbers,
	readRgba,
	recordNumbered,
	withClip,
	type MadeClip,
	type NumberedRun,
} from './testing/clip-bench.ts';

const START_SECONDS = 100;
const FFMPEG_PATH = process.env['FFMPEG_PATH'];

// As at the server's start: afterwards no process is asked what it can do.
beforeAll(() => checkFfmpeg(systemClock));
afterEach(() => {
	if (FFMPEG_PATH === undefined) {
		delete process.env['FFMPEG_PATH'];
	} else {
		process.env['FFMPEG_PATH'] = FFMPEG_PATH;
	}
});

function countUp(first: number, end: number): number[] {
	return Array.from({ length: end - first }, (_, index) => first + index);
}

async function readWithMediabunny(
	file: string,
): Promise<{ seconds: number[]; keyCount: number; durationSeconds: number }> {
	using input = new Input({ source: new FilePathSource(file), formats: ALL_FORMATS });
	const track = (await input.getPrimaryVideoTrack()) ?? (await input.getPrimaryAudioTrack())!;
	const packets: { seconds: number; isKey: boolean }[] = [];
	for await (const { timestamp, type } of new EncodedPacketSink(track).packets()) {
		packets.push({ seconds: timestamp, isKey: type === 'key' });
	}
	return {
		seconds: packets.map(({ seconds }) => seconds).toSorted((one, other) => one - other),
		keyCount: packets.filter(({ isKey }) => isKey).length,
		durationSeconds: await track.computeDuration(),
	};
}

/** Every program finds the same times. */
async function expectTimes(clip: MadeClip, pictureCount: number): Promise<void> {
	const streams = probe(clip.file);
	expect(streams[0]!.codec_type).toBe('video');
	expect(Number(streams[0]!.nb_read_frames)).toBe(pictureCount);
	for (const { duration, start_time } of streams) {
		expect(Number(start_time)).toBe(0);
		expect(Number(duration)).toBeCloseTo(clip.durationSeconds, 3);
	}
	const { seconds, durationSeconds } = await readWithMediabunny(clip.file);
	expect([seconds.length, seconds[0]]).toEqual([pictureCount, 0]);
	expect(durationSeconds).toBeCloseTo(clip.durationSeconds, 3);
	// The index is in front.
	const bytes = readFileSync(clip.file);
	expect(bytes.length).toBe(clip.sizeBytes);
	expect(bytes.indexOf('moov')).toBeLessThan(bytes.indexOf('mdat'));
}

describe('a clip', () => {
	type Case = { name: string; media: Partial<NumberedRun>; ranges: readonly (readonly [number, number])[] };
	const CASES: readonly Case[] = [
		{
			name: 'GOP of 0.5 s',
			media: { gopFrames: 15 },
			// From just behind a key frame to just before one; from the last of a GOP.
			ranges: [
				[16, 59],
				[29, 31],
			],
		},
		{
			name: 'GOP of 2 s with B-frames',
			media: { gopFrames: 60, bFrames: 2, encoderArguments: ['-b_strategy', '0'] },
			// Within one GOP; each place in a group of B-frames as the end.
			ranges: [
				[7, 50],
				[59, 62],
				[30, 63],
			],
		},
		{
			name: 'B-frames that others refer to, 29.97 pictures a second',
			media: {
				gopFrames: 30,
				bFrames: 3,
				frameRate: '30000/1001',
				encoderArguments: ['-b_strategy', '0', '-b-pyramid', 'normal', '-refs', '4'],
			},
			ranges: [
				[31, 62],
				[20, 63],
			],
		},
	];

	it.each(CASES)('has exactly the wanted pictures: $name', async ({ media, ranges }) => {
		const frameRate = media.frameRate === undefined ? 30 : 30_000 / 1001;
		const recording = await recordNumbered({ startSeconds: START_SECONDS, durationSeconds: 3, ...media });
		for (const [index, [first, end]] of ranges.entries()) {
			// Anywhere up to half a picture from the picture.
			const at = (picture: number): number => START_SECONDS + picture / frameRate;
			await withClip(recording, [at(first - 0.4), at(end + 0.4)], async (clip) => {
				expect(readNumbers(clip.file)).toEqual(countUp(first, end));
				expect(clip.durationSeconds).toBeCloseTo((end - first) / frameRate, 4);
				if (index === 0) {
					await expectTimes(clip, end - first);
				}
			});
		}
	});

	it('is copied without an encoder from a key frame on, and holds the picture in a gap', async () => {
		const run = { durationSeconds: 2, bFrames: 2, gopFrames: 15 };
		const recording = await recordNumbered(
			{ startSeconds: START_SECONDS, ...run },
			{ startSeconds: START_SECONDS + 5, firstNumber: 500, ...run },
		);
		process.env['FFMPEG_PATH'] = 'false';
		await withClip(recording, [START_SECONDS + 1, START_SECONDS + 6], async (clip) => {
			expect(readNumbers(clip.file)).toEqual([...countUp(30, 60), ...countUp(500, 530)]);
			expect(clip.durationSeconds).toBe(5);
			const { seconds, keyCount } = await readWithMediabunny(clip.file);
			expect(seconds[29]).toBeCloseTo(29 / 30, 4);
			expect(seconds[30]).toBeCloseTo(4, 4);
			expect(keyCount).toBe(4);
			await expectTimes(clip, 60);
		});
	});

	it('keeps lips and sound together wherever it begins', async () => {
		const recording = await recordNumbered({ startSeconds: START_SECONDS, durationSeconds: 3, sampleRate: 44_100 });
		await withClip(recording, [START_SECONDS + 17 / 30, START_SECONDS + 80 / 30], (clip) => {
			const clicks = readClicks(clip.file);
			expect(clicks.length).toBe(2);
			[1.5, 2.5].forEach((at, index) => expect(Math.abs(clicks[index]! - (at - 17 / 30))).toBeLessThan(0.001));
		});
	});

	it('has one size and one sound when both change', async () => {
		const recording = await recordNumbered(
			{ startSeconds: START_SECONDS, durationSeconds: 2, gopFrames: 15, sampleRate: 44_100 },
			{
				startSeconds: START_SECONDS + 3,
				durationSeconds: 2,
				gopFrames: 15,
				size: [240, 180],
				firstNumber: 700,
				sampleRate: 48_000,
			},
		);
		await withClip(recording, [START_SECONDS + 1.1, START_SECONDS + 4.1], async (clip) => {
			// Of another shape, with bars at the left and right.
			const later = readNumbers(clip.file, { size: [240, 180], filter: 'crop=240:180:40:0' });
			expect(readNumbers(clip.file).slice(0, 27)).toEqual(countUp(33, 60));
			expect(later.slice(27)).toEqual(countUp(700, 733));
			expect(clip.durationSeconds).toBeCloseTo(3, 4);
			await expectTimes(clip, 60);
			const clicks = readClicks(clip.file);
			[0.4, 2.4].forEach((expected, index) => expect(Math.abs(clicks[index]! - expected)).toBeLessThan(0.001));
		});
	});

	it('has sound alone where there is no picture', async () => {
		const recording = await recordNumbered({
			startSeconds: START_SECONDS,
			durationSeconds: 4,
			sampleRate: 48_000,
			hasPicture: false,
		});
		process.env['FFMPEG_PATH'] = 'false';
		await withClip(recording, [START_SECONDS + 1.234, START_SECONDS + 3], async (clip) => {
			expect(clip.durationSeconds).toBeCloseTo(1.766, 6);
			expect(probe(clip.file).map((stream) => stream.codec_type)).toEqual(['audio']);
			const clicks = readClicks(clip.file);
			[0.266, 1.266].forEach((expected, index) => expect(Math.abs(clicks[index]! - expected)).toBeLessThan(0.001));
		});
	});

	it('plays in Chromium, to the picture', async () => {
		const recording = await recordNumbered({
			startSeconds: START_SECONDS,
			durationSeconds: 4,
			gopFrames: 30,
			bFrames: 2,
			sampleRate: 48_000,
			encoderArguments: ['-b_strategy', '0'],
		});
		await withClip(recording, [START_SECONDS + 0.5, START_SECONDS + 3.2], async (clip) => {
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
				const numbers = result.tops.map((top) => readRgba(top, [320, 180]));
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

describe('an export that fails', () => {
	let recording: TestRecording;
	beforeAll(async () => {
		recording = await recordNumbered({ startSeconds: START_SECONDS, durationSeconds: 6, size: [640, 360] });
	});

	it.each([
		['a segment is missing', 'missing'],
		['a segment is damaged', 'damaged'],
		['FFmpeg fails', 'ffmpeg'],
		['it is given up while FFmpeg runs', 'abort'],
		['it is given up while the store hangs', 'hang'],
	])('leaves nothing behind: %s', async (_what, how) => {
		const folder = mkdtempSync(path.join(tmpdir(), 'spillway-clip-'));
		try {
			const workFolder = path.join(folder, 'work');
			mkdirSync(workFolder);
			const giveUp = new AbortController();
			if (how === 'ffmpeg') {
				process.env['FFMPEG_PATH'] = 'false';
			}
			const timer =
				how === 'abort' || how === 'hang'
					? systemClock.setTimeout(() => giveUp.abort(new Error('enough')), 150)
					: undefined;
			const outputPath = path.join(folder, 'clip.mp4');
			const made = exportClip({
				segments: recording.tracks,
				read: async (trackId, name) => {
					if (how === 'missing' && name === 'segment2.m4s') {
						throw new Error('it is gone');
					}
					if (how === 'hang' && name === 'segment2.m4s') {
						await new Promise(() => undefined);
					}
					const { bytes } = await recording.store.get(recordedObjectName(TEST_VIDEO_ID, trackId, name));
					return how === 'damaged' && name === 'segment2.m4s' ? bytes.subarray(0, bytes.length - 10) : bytes;
				},
				startSeconds: START_SECONDS + 0.5,
				endSeconds: START_SECONDS + 5,
				workFolder,
				outputPath,
				signal: giveUp.signal,
				logger: silentLogger,
				clock: systemClock,
			});
			await expect(made).rejects.toThrow(
				{
					missing: 'it is gone',
					damaged: 'segment2.m4s of its recording is damaged',
					ffmpeg: 'ffmpeg exited with code 1',
					abort: 'enough',
					hang: 'enough',
				}[how]!,
			);
			timer?.();
			expect(readdirSync(workFolder)).toEqual([]);
			expect(existsSync(outputPath)).toBe(false);
		} finally {
			rmSync(folder, { recursive: true, force: true });
		}
	});
});
