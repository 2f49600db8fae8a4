/** The transcoder with real FFmpeg processes that are killed, stopped, fed garbage or abandoned. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import type { AccessUnit } from '../../core/media/access-unit.ts';
import type { AudioTrackConfig, VideoTrackConfig } from '../../core/media/codecs.ts';
import { NAL_TYPE, nalType, splitLengthPrefixed } from '../../core/media/h264.ts';
import type { MediaTranscoder } from '../../core/media/transcoder.ts';
import { checkFfmpeg } from './ffmpeg-process.ts';
import { decodeBrightness } from './testing/decode-media.ts';
import { collect, runTranscoder } from './testing/run-transcoder.ts';
import { makeTestAudio, makeTestVideo, moveUnits } from './testing/test-media.ts';
import { DEFAULT_RESTART_POLICY } from './restart-policy.ts';
import { createTranscoderFactory } from './transcoder-factory.ts';

const WAIT_MS = 20_000;
const restartPolicy = { ...DEFAULT_RESTART_POLICY, firstDelayMs: 50, maxDelayMs: 100, failingFromAttempt: 3 };
const factory = createTranscoderFactory({ clock: systemClock, restartPolicy, hangTimeoutMs: 1000 });
const opus = { codec: 'opus', bitrateBps: 128_000, sampleRate: 48_000, channelCount: 2 } as const;
const h264 = {
	trackId: 'video0',
	codec: 'h264',
	keyFrames: 'timeline',
	gopDurationSeconds: 1,
	maxBitrateBps: 2_000_000,
} as const;
const common = { run: 0, logger: silentLogger };

function createAudio(input: AudioTrackConfig): MediaTranscoder {
	return factory.createAudio({ ...common, trackId: 'audio0', input, output: opus });
}

function createVideo(input: VideoTrackConfig, size: { heightPixels?: number } = {}): MediaTranscoder {
	return factory.createVideo({ ...common, input, outputs: [{ ...h264, ...size }] });
}

async function until(condition: () => boolean, what: string): Promise<void> {
	const deadlineMs = systemClock.monotonicMs() + WAIT_MS;
	while (!condition()) {
		if (systemClock.monotonicMs() > deadlineMs) {
			throw new Error(`not within ${WAIT_MS} ms: ${what}`);
		}
		await new Promise<void>((resolve) => setTimeout(resolve, 10));
	}
}

function isAlive(processId: number): boolean {
	try {
		process.kill(processId, 0);
		return true;
	} catch {
		return false;
	}
}

// Writes in real time until stopped, so that input flows even while the encoder hangs.
function keepWriting(transcoder: MediaTranscoder, units: readonly AccessUnit[]): () => void {
	let index = 0;
	const startMs = systemClock.monotonicMs();
	return systemClock.setInterval(() => {
		for (; index < units.length; index++) {
			const unit = units[index]!;
			const dueMs = ((unit.decodeTimeTicks - units[0]!.decodeTimeTicks) * 1000) / unit.clockRate;
			if (dueMs > systemClock.monotonicMs() - startMs) {
				return;
			}
			transcoder.write(unit);
		}
	}, 10);
}

/** Writes garbage until the encoder is failing, then closes. Returns the processes that ran. */
async function failAndClose(transcoder: MediaTranscoder, garbage: readonly AccessUnit[]): Promise<number[]> {
	const processIds = new Set<number>();
	const stopWriting = keepWriting(transcoder, garbage);
	await until(() => {
		processIds.add(transcoder.statistics.processId ?? 0);
		return transcoder.encoderState === 'failing';
	}, 'three failures');
	stopWriting();
	await transcoder.close('tier-closed');
	processIds.delete(0);
	return [...processIds];
}

describe('checkFfmpeg', () => {
	it('is satisfied with the installed FFmpeg', async () => {
		await expect(checkFfmpeg(systemClock)).resolves.toBeUndefined();
	});
});

describe('a transcoder whose FFmpeg', () => {
	const sound = makeTestAudio({ durationSeconds: 30 });
	const units = moveUnits(sound.units, 480_000);

	/** Sends the signal to a process that works, and returns its id when its successor works. */
	async function outlive(
		signal: NodeJS.Signals,
		transcoder: MediaTranscoder,
		output: readonly AccessUnit[],
	): Promise<number> {
		const stopWriting = keepWriting(transcoder, units);
		await until(() => output.length > 20, 'first output');
		const processId = transcoder.statistics.processId!;
		process.kill(processId, signal);
		await until(() => transcoder.statistics.restartCount === 1, 'restart');
		const before = output.length;
		await until(() => output.length > before + 20, 'output of the second process');
		stopWriting();
		return processId;
	}

	it('is killed starts another and continues in time', async () => {
		await using transcoder = createAudio(sound.config);
		const collected = collect(transcoder);
		const processId = await outlive('SIGKILL', transcoder, collected.units);
		expect(transcoder.statistics.processId).not.toBe(processId);
		expect(isAlive(processId)).toBe(false);
		expect(collected.configs).toHaveLength(1);
		expect(
			collected.units.every(
				(unit, index) => index === 0 || unit.decodeTimeTicks > collected.units[index - 1]!.decodeTimeTicks,
			),
		).toBe(true);
		// Capture time shows the age of the output: the gap was skipped, not caught up.
		const last = collected.units.at(-1)!;
		expect(last.captureTimeMs - collected.units[0]!.captureTimeMs).toBeCloseTo(
			(last.decodeTimeTicks - collected.units[0]!.decodeTimeTicks) / 48,
			1,
		);
		expect(collected.events.map((event) => event.split(':')[0])).toEqual(['restarting', 'running']);
	});

	it('is stopped counts as hanging, is killed and replaced', async () => {
		await using transcoder = createAudio(sound.config);
		const collected = collect(transcoder);
		const processId = await outlive('SIGSTOP', transcoder, collected.units);
		await transcoder.close('tier-closed');
		expect(isAlive(processId)).toBe(false);
		expect(collected.events.map((event) => event.split(':')[0])).toEqual(['restarting', 'running', 'closed']);
	});

	it('gets no secret of our environment', async () => {
		process.env['SPILLWAY_TEST_SECRET'] = 'sesame';
		try {
			const transcoder = createAudio(sound.config);
			const stopWriting = keepWriting(transcoder, units);
			const collected = collect(transcoder);
			await until(() => collected.units.length > 0, 'output');
			const processId = transcoder.statistics.processId!;
			const environment = readFileSync(`/proc/${processId}/environ`, 'utf8');
			expect(environment.split('\0').map((line) => line.split('=')[0])).toEqual(
				expect.arrayContaining(['PATH', 'LC_ALL']),
			);
			expect(environment).not.toContain('sesame');
			stopWriting();
			await transcoder.close('tier-closed');
			expect(isAlive(processId)).toBe(false);
		} finally {
			delete process.env['SPILLWAY_TEST_SECRET'];
		}
	});

	it('reports `failing` with FFmpeg’s last output after repeated crashes, and leaves no process when it closes', async () => {
		const config = { ...sound.config, audioSpecificConfig: Uint8Array.from([0xff, 0xff, 0xff, 0xff]) };
		const garbage = units.map((unit, index) => ({
			...unit,
			bytes: Uint8Array.from({ length: 200 }, (_, at) => (at * 7 + index * 13) & 255),
		}));
		const transcoder = createAudio(config);
		const collected = collect(transcoder);
		const processIds = await failAndClose(transcoder, garbage);
		expect(collected.events.at(-2)).toMatch(/^failing: FFmpeg failed \(.+\): .+/);
		expect(collected.units).toEqual([]);
		expect(processIds).not.toEqual([]);
		expect(processIds.filter(isAlive)).toEqual([]);
	});
});

describe('a video transcoder', () => {
	it('is failing, with a clear error, when its pictures are garbage, and leaves no process', async () => {
		const video = makeTestVideo({ durationSeconds: 10, gopFrames: 15 });
		const transcoder = createVideo(video.config);
		const collected = collect(transcoder);
		const garbage = moveUnits(video.units, 90_000).map((unit) => ({ ...unit, bytes: unit.bytes.slice(0, 8) }));
		const processIds = await failAndClose(transcoder, garbage);
		expect(collected.events.at(-2)).toMatch(/^failing: FFmpeg failed \((it hangs|ffmpeg exited with code 1.*)\): .+/);
		expect(processIds.filter(isAlive)).toEqual([]);
	});

	it('puts out length-prefixed pictures without parameter sets', async () => {
		const video = makeTestVideo({ durationSeconds: 2, gopFrames: 250 });
		const transcoder = createVideo(video.config, { heightPixels: 90 });
		const result = await runTranscoder(transcoder, moveUnits(video.units, 90_000), 2);
		const config = result.config as VideoTrackConfig;
		expect(config).toMatchObject({ codec: 'h264', widthPixels: 160, heightPixels: 90 });
		expect([config.sps.map(nalType), config.pps.map(nalType)]).toEqual([[NAL_TYPE.SPS], [NAL_TYPE.PPS]]);
		for (const unit of result.units) {
			const types = splitLengthPrefixed(unit.bytes).map(nalType);
			expect(
				types.filter((type) => type !== NAL_TYPE.SEI && type !== NAL_TYPE.IDR && type !== NAL_TYPE.NON_IDR),
			).toEqual([]);
			expect(types.includes(NAL_TYPE.IDR)).toBe(unit.isKeyFrame);
		}
		expect(decodeBrightness(config, result.units)).toHaveLength(60);
	});

	it('keeps size and times when VP8 changes its size on the way', async () => {
		const large = makeTestVideo({ durationSeconds: 1, codec: 'vp8', widthPixels: 320, heightPixels: 180 });
		const small = makeTestVideo({ durationSeconds: 1, codec: 'vp8', widthPixels: 160, heightPixels: 90 });
		const units = [...moveUnits(large.units, 0), ...moveUnits(small.units, 90_000)];
		const transcoder = createVideo(large.config);
		const result = await runTranscoder(transcoder, units, 2);
		expect(result.units.map((unit) => unit.presentationTimeTicks)).toEqual(
			units.map((unit) => unit.presentationTimeTicks),
		);
		expect(result.config).toMatchObject({ widthPixels: 320, heightPixels: 180 });
		expect(decodeBrightness(result.config as VideoTrackConfig, result.units)).toHaveLength(60);
	});

	it('halves a frame rate above 60 and keeps the times of what remains', async () => {
		const video = makeTestVideo({ durationSeconds: 1, frameRate: 120 });
		const units = moveUnits(video.units, 90_000);
		const transcoder = createVideo(video.config);
		const result = await runTranscoder(transcoder, units);
		expect(result.units.map((unit) => unit.presentationTimeTicks)).toEqual(
			units.filter((_, index) => index % 2 === 0).map((unit) => unit.presentationTimeTicks),
		);
	});
});

describe('closing', () => {
	it('ends the process, reports why once, and ignores what comes later', async () => {
		const sound = makeTestAudio({ durationSeconds: 2 });
		const transcoder = createAudio(sound.config);
		const collected = collect(transcoder);
		for (const unit of moveUnits(sound.units, 48_000)) {
			transcoder.write(unit);
		}
		await until(() => collected.units.length > 0, 'first output');
		const processId = transcoder.statistics.processId!;
		await Promise.all([transcoder.close('run-ended'), transcoder.close('server-shutdown')]);
		const count = collected.units.length;
		transcoder.write(moveUnits(sound.units, 480_000)[0]!);
		expect(isAlive(processId)).toBe(false);
		expect(collected.events).toEqual(['closed: run-ended']);
		expect(collected.units).toHaveLength(count);
	});

	it('closes at once when nothing was written', async () => {
		const transcoder = createAudio(makeTestAudio({ durationSeconds: 1 }).config);
		const collected = collect(transcoder);
		await transcoder.close('run-ended');
		expect(collected.events).toEqual(['closed: run-ended']);
	});
});

describe('FFmpeg', () => {
	// F-6: no orphans.
	it('ends when the program that started it is killed', async () => {
		const program = spawn(process.execPath, [path.join(import.meta.dirname, 'testing/abandoned-transcoder.ts')], {
			stdio: ['ignore', 'pipe', 'inherit'],
		});
		try {
			const [line] = (await once(program.stdout, 'data', { signal: AbortSignal.timeout(WAIT_MS) })) as [Buffer];
			const processId = Number(line.toString());
			expect(isAlive(processId)).toBe(true);
			program.kill('SIGKILL');
			await until(() => !isAlive(processId), 'FFmpeg ends');
		} finally {
			program.kill('SIGKILL');
		}
	});
});
