/** Times through real FFmpeg: every unit leaves at the time at which it entered, sound and picture together. */
import { beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import type { AccessUnit } from '../../core/media/access-unit.ts';
import type { AudioTrackConfig, VideoTrackConfig } from '../../core/media/codecs.ts';
import { clickTimes, decodeAudio, flashTicks } from './testing/decode-media.ts';
import { type TranscodeResult, runTranscoder } from './testing/run-transcoder.ts';
import {
	type TestTrack,
	clickExpression,
	flashSource,
	makeTestAudio,
	makeTestVideo,
	moveUnits,
} from './testing/test-media.ts';
import { createTranscoderFactory } from './transcoder-factory.ts';

const DURATION_SECONDS = 4;
const CAPTURE_START_MS = 1_700_000_000_000;
const ONE_SAMPLE_SECONDS = 1 / 44_100;
// The encoders' own look-ahead in samples, by which their first packet begins before the input.
const OPUS_PRIMING = 120;
const AAC_PRIMING = 1024;
// A day into a broadcast: 2^32 ticks of 90 kHz are over after 13 hours. 55 hours: past FFmpeg's 30 hour threshold too.
const STARTS_SECONDS = [0, 100_000, 200_000];
const factory = createTranscoderFactory({ clock: systemClock });
const common = { run: 3, logger: silentLogger };
const h264 = {
	trackId: 'video0',
	codec: 'h264',
	keyFrames: 'timeline',
	gopDurationSeconds: 1,
	maxBitrateBps: 2_000_000,
} as const;

function transcodeAudio(
	codec: 'aac' | 'opus',
	config: AudioTrackConfig,
	units: readonly AccessUnit[],
): Promise<TranscodeResult> {
	const output = { codec, bitrateBps: 128_000, sampleRate: 48_000, channelCount: 2 };
	return runTranscoder(factory.createAudio({ ...common, trackId: 'audio0', input: config, output }), units, 4);
}

function transcodeVideo(config: VideoTrackConfig, units: readonly AccessUnit[]): Promise<TranscodeResult> {
	return runTranscoder(factory.createVideo({ ...common, input: config, outputs: [h264] }), units, 2);
}

function expectEvenSteps(units: readonly AccessUnit[], stepTicks: number): void {
	const steps = new Set(units.slice(1).map((unit, index) => unit.decodeTimeTicks - units[index]!.decodeTimeTicks));
	expect([...steps]).toEqual([stepTicks]);
	expect(units.every((unit) => unit.durationTicks === stepTicks && unit.isKeyFrame && unit.run === 3)).toBe(true);
}

function expectCaptureTimes(units: readonly AccessUnit[], startSeconds: number): void {
	for (const unit of units) {
		const sinceStartMs = (unit.presentationTimeTicks / unit.clockRate - startSeconds) * 1000;
		expect(Math.abs(unit.captureTimeMs - CAPTURE_START_MS - sinceStartMs)).toBeLessThan(0.05);
	}
}

function expectClicks(actualSeconds: readonly number[], startSeconds: number, toleranceSeconds: number): void {
	expect(actualSeconds).toHaveLength(DURATION_SECONDS);
	for (const [index, time] of actualSeconds.entries()) {
		expect(Math.abs(time - (startSeconds + 0.5 + index))).toBeLessThan(toleranceSeconds);
	}
}

describe.each([44_100, 48_000])('audio at %d Hz', (sampleRate) => {
	let track: TestTrack<AudioTrackConfig>;

	beforeAll(() => {
		track = makeTestAudio({ durationSeconds: DURATION_SECONDS, sampleRate, expression: clickExpression(sampleRate) });
	});

	it.each(STARTS_SECONDS)(
		'keeps its time from AAC to Opus and back to AAC when it starts at %d s',
		async (startSeconds) => {
			// A track cannot begin before 0, so the priming of the source goes at 0 s.
			const units = moveUnits(track.units, startSeconds * sampleRate, CAPTURE_START_MS).filter(
				(unit) => unit.presentationTimeTicks >= 0,
			);
			const opus = await transcodeAudio('opus', track.config, units);
			expect(opus.config).toMatchObject({ codec: 'opus', sampleRate: 48_000, channelCount: 2 });
			expectEvenSteps(opus.units, 960);
			if (sampleRate === 48_000 && startSeconds > 0) {
				expect(opus.units[0]!.decodeTimeTicks).toBe(units[0]!.decodeTimeTicks - OPUS_PRIMING);
			}
			expectCaptureTimes(opus.units, startSeconds);
			expectClicks(clickTimes(opus.config, opus.units), startSeconds, 2 * ONE_SAMPLE_SECONDS);

			const aac = await transcodeAudio('aac', opus.config as AudioTrackConfig, opus.units);
			expect(aac.config).toMatchObject({ codec: 'aac', sampleRate: 48_000, channelCount: 2 });
			expectEvenSteps(aac.units, 1024);
			if (startSeconds > 0) {
				expect(aac.units[0]!.decodeTimeTicks).toBe(opus.units[0]!.decodeTimeTicks - AAC_PRIMING);
			}
			expectCaptureTimes(aac.units, startSeconds);
			expectClicks(clickTimes(aac.config, aac.units), startSeconds, 2 * ONE_SAMPLE_SECONDS);
		},
	);

	it('fills a hole of 300 ms with silence and shifts nothing behind it', async () => {
		const start = 100_000;
		// Between two clicks: 1.6 to 1.9 s.
		const [holeStart, holeEnd] = [(start + 1.6) * sampleRate, (start + 1.9) * sampleRate];
		const units = moveUnits(track.units, start * sampleRate, CAPTURE_START_MS).filter(
			(unit) => unit.presentationTimeTicks < holeStart || unit.presentationTimeTicks >= holeEnd,
		);
		expect(units.length).toBeLessThan(track.units.length - 10);
		const opus = await transcodeAudio('opus', track.config, units);
		expectEvenSteps(opus.units, 960);
		expectCaptureTimes(opus.units, start);
		expectClicks(clickTimes(opus.config, opus.units), start, 0.001);
		const samples = decodeAudio(opus.config, opus.units);
		const middle = Math.round((start + 1.75) * 48_000) - opus.units[0]!.presentationTimeTicks;
		expect(Math.max(...samples.subarray(middle - 2400, middle + 2400).map(Math.abs))).toBeLessThan(0.001);
	});

	it('comes out in even steps when times are rounded to milliseconds, as RTMP has them', async () => {
		const start = 100_000;
		const units = moveUnits(track.units, start * sampleRate, CAPTURE_START_MS).map((unit) => {
			const ticks = Math.round((Math.round((unit.presentationTimeTicks * 1000) / sampleRate) * sampleRate) / 1000);
			return { ...unit, presentationTimeTicks: ticks, decodeTimeTicks: ticks };
		});
		const opus = await transcodeAudio('opus', track.config, units);
		expectEvenSteps(opus.units, 960);
		expectClicks(clickTimes(opus.config, opus.units), start, 0.001);
	});
});

describe('video', () => {
	it.each(STARTS_SECONDS)(
		'keeps every time to the tick when B-frames are re-encoded from %d s',
		async (startSeconds) => {
			const source = flashSource(320, 180, 30);
			const track = makeTestVideo({ durationSeconds: DURATION_SECONDS, bFrames: 2, source });
			// Decode times begin two frames before the first presentation time; at 0 s everything is later by that much.
			const shiftTicks = startSeconds === 0 ? 6000 : 0;
			const units = moveUnits(track.units, startSeconds * 90_000 + shiftTicks, CAPTURE_START_MS - shiftTicks / 90);
			expect(
				units.some((unit, index) => index > 0 && unit.presentationTimeTicks < units[index - 1]!.presentationTimeTicks),
			).toBe(true);
			const video = await transcodeVideo(track.config, units);
			expect(video.config).toMatchObject({ codec: 'h264', widthPixels: 320, heightPixels: 180 });
			const inputTicks = units.map((unit) => unit.presentationTimeTicks).sort((one, other) => one - other);
			expect(video.units.map((unit) => unit.presentationTimeTicks)).toEqual(inputTicks);
			expect(
				video.units.every((unit) => unit.decodeTimeTicks === unit.presentationTimeTicks && unit.clockRate === 90_000),
			).toBe(true);
			const captureTimes = new Map(units.map((unit) => [unit.presentationTimeTicks, unit.captureTimeMs]));
			expect(
				video.units.every(
					(unit) => Math.abs(unit.captureTimeMs - captureTimes.get(unit.presentationTimeTicks)!) < 0.001,
				),
			).toBe(true);
			// Key frames: the first picture, then the first of each whole second of the timeline.
			const keyFrames = video.units
				.filter((unit) => unit.isKeyFrame)
				.map((unit) => unit.presentationTimeTicks - startSeconds * 90_000);
			expect(keyFrames).toEqual(
				shiftTicks > 0 ? [6000, 90_000, 180_000, 270_000, 360_000] : [0, 90_000, 180_000, 270_000],
			);
			const flashes = [0.5, 1.5, 2.5, 3.5].map((seconds) => (startSeconds + seconds) * 90_000 + shiftTicks);
			expect(flashTicks(video.config as VideoTrackConfig, video.units)).toEqual(flashes);
		},
	);
});

describe('audio and video together', () => {
	it('has click and flash at the same time after both were re-encoded', async () => {
		const start = 100_000;
		const sound = makeTestAudio({
			durationSeconds: DURATION_SECONDS,
			sampleRate: 44_100,
			expression: clickExpression(44_100),
		});
		const picture = makeTestVideo({ durationSeconds: DURATION_SECONDS, bFrames: 2, source: flashSource(320, 180, 30) });
		const [audio, video] = await Promise.all([
			transcodeAudio('opus', sound.config, moveUnits(sound.units, start * 44_100, CAPTURE_START_MS)),
			transcodeVideo(picture.config, moveUnits(picture.units, start * 90_000, CAPTURE_START_MS)),
		]);
		const flashes = flashTicks(video.config as VideoTrackConfig, video.units).map((ticks) => ticks / 90_000);
		const clicks = clickTimes(audio.config, audio.units);
		expect(flashes).toHaveLength(DURATION_SECONDS);
		expect(clicks).toHaveLength(DURATION_SECONDS);
		for (const [index, click] of clicks.entries()) {
			expect(Math.abs(click - flashes[index]!)).toBeLessThan(0.001);
		}
	});
});
