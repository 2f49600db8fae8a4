/** Encoders of graphics cards that fail in every way, with the real libx264 behind them, and what is used then. */
import { describe, expect, it } from 'vitest';
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import type { EncoderSetting } from './hardware.ts';
import { DEFAULT_RESTART_POLICY } from './restart-policy.ts';
import { type FakeBehaviour, type FakeEncoders, withFakeFfmpeg } from './testing/fake-ffmpeg.ts';
import { collect, runTranscoder } from './testing/run-transcoder.ts';
import { makeTestVideo, moveUnits } from './testing/test-media.ts';
import { createTranscoderFactory, type FfmpegTranscoderFactory } from './transcoder-factory.ts';

const WAIT_MS = 20_000;
const restartPolicy = { ...DEFAULT_RESTART_POLICY, firstDelayMs: 50, maxDelayMs: 100 };
/** What this machine itself may have is not tried. */
const NO_OTHERS: FakeEncoders = {
	h264_nvenc: { trial: 'fails', live: 'fails' },
	h264_qsv: { trial: 'fails', live: 'fails' },
	h264_vaapi: { trial: 'fails', live: 'fails' },
	h264_v4l2m2m: { trial: 'fails', live: 'fails' },
};
const OUTPUT = {
	trackId: 'video0',
	codec: 'h264',
	keyFrames: 'source',
	gopDurationSeconds: 1,
	maxBitrateBps: 500_000,
	frameRate: 30,
} as const;
const OUTPUTS = [OUTPUT, { ...OUTPUT, trackId: 'video1', heightPixels: 90 }] as const;

async function until(condition: () => boolean, what: string): Promise<void> {
	const deadlineMs = systemClock.monotonicMs() + WAIT_MS;
	while (!condition()) {
		if (systemClock.monotonicMs() > deadlineMs) {
			throw new Error(`not within ${WAIT_MS} ms: ${what}`);
		}
		await sleep(systemClock, 10);
	}
}

async function createFactory(encoder: EncoderSetting): Promise<FfmpegTranscoderFactory> {
	const factory = createTranscoderFactory({ clock: systemClock, encoder, restartPolicy, hangTimeoutMs: 1500 });
	expect(factory.encoder.name).toBe('libx264');
	await until(() => !factory.encoder.reason.includes('not over'), 'the trials');
	return factory;
}

describe('the trial of an encoder', () => {
	it.each<[FakeBehaviour, RegExp | undefined]>([
		['works', undefined],
		['fails', /^the device is gone$/],
		['garbles', /its output cannot be read/],
		['ignores', /^10 of 10 pictures came; key frames: 1$/],
		['hangs', /^no answer within 2000 ms$/],
	])('that %s', async (trial, problem) => {
		const encoders = { ...NO_OTHERS, h264_nvenc: { trial, live: trial } };
		const { encoder } = await withFakeFfmpeg(encoders, () => createFactory('h264_nvenc'));
		const [tried] = encoder.tried;
		expect(encoder.name).toBe(problem === undefined ? 'h264_nvenc' : 'libx264');
		expect(tried).toEqual({
			name: 'h264_nvenc',
			...(problem === undefined
				? { framesPerSecond: expect.any(Number) as number }
				: { problem: expect.stringMatching(problem) as string }),
		});
		expect(encoder.reason).toMatch(problem === undefined ? /configured/ : /h264_nvenc cannot be used: /);
	});

	it('of all that FFmpeg has ends with one that works, within 4 s', async () => {
		const startMs = systemClock.monotonicMs();
		const factory = await withFakeFfmpeg({ ...NO_OTHERS, h264_qsv: { trial: 'hangs', live: 'hangs' } }, () =>
			createFactory('auto'),
		);
		expect(systemClock.monotonicMs() - startMs).toBeLessThan(5000);
		expect(factory.encoder).toMatchObject({ name: 'libx264', reason: 'no other works' });
	});
});

describe('an encoder that worked in its trial', () => {
	const video = makeTestVideo({ durationSeconds: 12, gopFrames: 15 });
	const units = moveUnits(video.units, 90_000);

	function createVideo(factory: FfmpegTranscoderFactory): ReturnType<FfmpegTranscoderFactory['createVideo']> {
		return factory.createVideo({ input: video.config, outputs: OUTPUTS, run: 0, logger: silentLogger });
	}

	it('is used, and its pictures come with their parameter sets', async () => {
		await withFakeFfmpeg({ ...NO_OTHERS, h264_nvenc: { trial: 'works', live: 'works' } }, async () => {
			const factory = await createFactory('h264_nvenc');
			const result = await runTranscoder(createVideo(factory), units.slice(0, 60), 'as-encoded');
			expect(result.config).toMatchObject({ codec: 'h264', sps: [expect.any(Uint8Array)] });
			expect(result.units).toHaveLength(120);
			const keyFrames = result.units.filter(({ isKeyFrame, trackId }) => isKeyFrame && trackId === 'video1');
			expect(keyFrames.map(({ presentationTimeTicks }) => presentationTimeTicks)).toEqual(
				units.slice(0, 60).flatMap((unit) => (unit.isKeyFrame ? [unit.presentationTimeTicks] : [])),
			);
			expect(factory.encoder.name).toBe('h264_nvenc');
		});
	});

	it.each<[FakeBehaviour, RegExp]>([
		['fails', /h264_nvenc failed on the air: .*the device is gone/],
		['hangs', /h264_nvenc failed on the air: .*it hangs/],
		['garbles', /h264_nvenc failed on the air: .*its output cannot be read/],
	])('is abandoned when it %s on the air, and libx264 takes over', async (live, reason) => {
		await withFakeFfmpeg({ ...NO_OTHERS, h264_nvenc: { trial: 'works', live } }, async () => {
			const factory = await createFactory('h264_nvenc');
			expect(factory.encoder.name).toBe('h264_nvenc');
			await using transcoder = createVideo(factory);
			const collected = collect(transcoder);
			const startMs = systemClock.monotonicMs();
			const stop = systemClock.setInterval(() => {
				const dueCount = Math.floor((systemClock.monotonicMs() - startMs) * 0.03);
				units.slice(transcoder.statistics.writtenUnitCount, dueCount).forEach((unit) => transcoder.write(unit));
			}, 20);
			await until(() => collected.units.length > 20, 'pictures of libx264');
			stop();
			expect(factory.encoder).toMatchObject({ name: 'libx264', reason: expect.stringMatching(reason) as string });
			expect(collected.events.at(-1)).toBe(`running: ${collected.events[0]!.replace('restarting: ', '')}`);
		});
	});
});
