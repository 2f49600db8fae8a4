/** Recordings whose pictures are numbered, clips of them, and what FFmpeg, ffprobe and mediabunny find in a clip. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { BenchPicture } from '../../../loadtest/source/bench-picture.ts';
import { readPattern } from '../../../loadtest/source/time-pattern.ts';
import { readLuma } from '../../../loadtest/source/testing/read-luma.ts';
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { silentLogger } from '../../../core/logger.ts';
import type { AccessUnit, TrackId } from '../../../core/media/access-unit.ts';
import type { TrackConfig } from '../../../core/media/codecs.ts';
import { recordRuns, TEST_VIDEO_ID, type TestRecording, type TestRun } from '../../pictures/testing/recorded-video.ts';
import { recordedObjectName } from '../../recording/journal-entry.ts';
import { inDecodeOrder } from '../../testing/simulated-source.ts';
import { clicksIn } from '../../transcode/testing/decode-media.ts';
import { clickExpression, makeTestAudio, makeTestVideo, moveUnits } from '../../transcode/testing/test-media.ts';
import { exportClip } from '../clip-export.ts';

const CAPTURE_START_MS = 1_700_000_000_000;

export type NumberedRun = {
	/** On the broadcast's timeline. */
	startSeconds: number;
	durationSeconds: number;
	/** Of the first picture. */
	firstNumber?: number;
	frameRate?: number | string;
	gopFrames?: number;
	bFrames?: number;
	size?: readonly [width: number, height: number];
	/** Hertz; without it there is no sound. Its clicks are in the middle of the run's seconds. */
	sampleRate?: number;
	hasPicture?: boolean;
	encoderArguments?: readonly string[];
};

/** A stretch of a broadcast, encoded by FFmpeg. */
export function numberedRun(options: NumberedRun): TestRun {
	const { startSeconds, durationSeconds, sampleRate, hasPicture = true } = options;
	const tracks = new Map<TrackId, TrackConfig>();
	const units: AccessUnit[] = [];
	if (hasPicture) {
		const video = numberedVideo(options);
		tracks.set('video0', video.config);
		const firstTicks = Math.min(...video.units.map((unit) => unit.presentationTimeTicks));
		units.push(...moveUnits(video.units, Math.round(startSeconds * 90_000) - firstTicks, CAPTURE_START_MS));
	}
	if (sampleRate !== undefined) {
		const audio = makeTestAudio({ durationSeconds, sampleRate, expression: clickExpression(sampleRate) });
		tracks.set('audio0', audio.config);
		units.push(...moveUnits(audio.units, Math.round(startSeconds * sampleRate), CAPTURE_START_MS));
	}
	return { tracks, units: inDecodeOrder(units) };
}

function numberedVideo({
	durationSeconds,
	firstNumber = 0,
	frameRate = 30,
	gopFrames = 30,
	bFrames = 0,
	size: [width, height] = [320, 180],
	encoderArguments = [],
}: NumberedRun): ReturnType<typeof makeTestVideo> {
	const rate = typeof frameRate === 'number' ? `${frameRate}:1` : frameRate.replace('/', ':');
	const [numerator, denominator] = rate.split(':').map(Number) as [number, number];
	const count = Math.round((durationSeconds * numerator) / denominator);
	const artist = new BenchPicture(width, height);
	const pictures = Array.from({ length: count }, (_, index) => {
		const raw = Buffer.alloc(artist.frameBytes);
		artist.draw(raw, { frameNumber: firstNumber + index, captureTimeMs: CAPTURE_START_MS });
		return Buffer.concat([Buffer.from('FRAME\n'), raw]);
	});
	return inFolder((folder) => {
		const file = path.join(folder, 'pictures.y4m');
		writeFileSync(
			file,
			Buffer.concat([Buffer.from(`YUV4MPEG2 W${width} H${height} F${rate} Ip A1:1 C420jpeg\n`), ...pictures]),
		);
		return makeTestVideo({
			durationSeconds: durationSeconds + 1,
			widthPixels: width,
			heightPixels: height,
			gopFrames,
			bFrames,
			source: `movie=${file}`,
			extraArguments: ['-preset', 'ultrafast', '-keyint_min', String(gopFrames), ...encoderArguments],
		});
	});
}

export async function recordNumbered(...runs: readonly NumberedRun[]): Promise<TestRecording> {
	return recordRuns(runs.map(numberedRun));
}

export type MadeClip = { file: string; sizeBytes: number; durationSeconds: number };

/** Exports a clip, and calls back with it while its file exists. */
export async function withClip<T>(
	{ store, tracks }: Pick<TestRecording, 'store' | 'tracks'>,
	[startSeconds, endSeconds]: readonly [number, number],
	use: (clip: MadeClip) => Promise<T> | T,
): Promise<T> {
	return inFolderAsync(async (folder) => {
		const file = path.join(folder, 'clip.mp4');
		const made = await exportClip({
			segments: tracks,
			read: async (trackId, name) => (await store.get(recordedObjectName(TEST_VIDEO_ID, trackId, name))).bytes,
			startSeconds,
			endSeconds,
			workFolder: folder,
			outputPath: file,
			signal: AbortSignal.timeout(60_000),
			logger: silentLogger,
			clock: systemClock,
		});
		const left = readdirSync(folder);
		if (left.length !== 1) {
			throw new Error(`The export left ${left.join(', ')}.`);
		}
		return use({ file, ...made });
	});
}

/**
 * The numbers on all pictures that FFmpeg decodes, in order; undefined for one that cannot be read. Throws when FFmpeg
 * has a complaint. `filter`: cuts the picture out that the number is in.
 */
export function readNumbers(
	file: string,
	{ size: [width, height] = [320, 180], filter = 'null' }: { size?: readonly [number, number]; filter?: string } = {},
): (number | undefined)[] {
	const output = [
		'-map',
		'0:v:0',
		'-vf',
		filter,
		'-fps_mode',
		'passthrough',
		'-pix_fmt',
		'gray',
		'-f',
		'rawvideo',
		'-',
	];
	const raw = runQuietly('ffmpeg', ['-v', 'warning', '-i', file, ...output]);
	return Array.from({ length: raw.length / (width * height) }, (_, index) => {
		const luma = raw.subarray(index * width * height, (index + 1) * width * height);
		return readLuma(luma, width, height, CAPTURE_START_MS)?.frameNumber;
	});
}

/** The number in a picture of RGBA, which may have the top only. */
export function readRgba(
	rgba: ArrayLike<number>,
	[width, pictureHeight]: readonly [number, number],
): number | undefined {
	const layout = { width, pictureHeight, rowStride: width * 4, sampleStride: 4, firstIndex: 1 };
	return readPattern({ samples: rgba, ...layout }, CAPTURE_START_MS)?.frameNumber;
}

/** Seconds from the begin of the presentation at which clicks are heard. Throws when FFmpeg has a complaint. */
export function readClicks(file: string): number[] {
	const rate = 48_000;
	const output = ['-map', '0:a:0', '-af', `aresample=${rate}`, '-ac', '1', '-f', 'f32le', '-'];
	const raw = runQuietly('ffmpeg', ['-v', 'warning', '-i', file, ...output]);
	return clicksIn(new Float32Array(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.length)), rate);
}

type ProbedStream = { codec_type: string; duration: string; nb_read_frames: string; start_time: string };

/** What ffprobe finds. Throws when it has a complaint. */
export function probe(file: string): ProbedStream[] {
	const text = runQuietly('ffprobe', ['-v', 'warning', '-count_frames', '-show_streams', '-of', 'json', file]);
	return (JSON.parse(text.toString()) as { streams: ProbedStream[] }).streams;
}

function runQuietly(program: string, args: readonly string[]): Buffer {
	const { stdout, stderr, status } = spawnSync(program, args, { maxBuffer: 2 ** 30, timeout: 60_000 });
	if (status !== 0 || stderr.length > 0) {
		throw new Error(`${program} complains: ${stderr.toString()}`);
	}
	return stdout;
}

function inFolder<T>(use: (folder: string) => T): T {
	const folder = mkdtempSync(path.join(tmpdir(), 'spillway-clip-'));
	try {
		return use(folder);
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}

async function inFolderAsync<T>(use: (folder: string) => Promise<T>): Promise<T> {
	const folder = mkdtempSync(path.join(tmpdir(), 'spillway-clip-'));
	try {
		return await use(folder);
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}
