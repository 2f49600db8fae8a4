/** Encodes ten pictures with one of FFmpeg's encoders, checks them, and measures how fast they came. */
import { type Clock, withDeadline } from '../../core/lifecycle/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import type { AccessUnit } from '../../core/media/access-unit.ts';
import type { VideoTrackConfig } from '../../core/media/codecs.ts';
import type { H264EncoderName } from '../../core/media/transcoder.ts';
import { NutReader } from '../../core/wire/nut/nut-reader.ts';
import { CaptureTimes } from './capture-times.ts';
import { EncodedTrack } from './encoded-track.ts';
import { type FfmpegArguments, videoArguments } from './ffmpeg-arguments.ts';
import { type FfmpegExit, FfmpegProcess } from './ffmpeg-process.ts';

const FRAME_COUNT = 10;
const FRAME_RATE = 60;
const KEY_FRAME_INTERVAL = 4;
const TIMEOUT_MS = 2000;
const PICTURE: VideoTrackConfig = {
	kind: 'video',
	codec: 'h264',
	widthPixels: 1280,
	heightPixels: 720,
	sps: [],
	pps: [],
};
// Two moving pictures in turn from memory, later than the server's offset to all times, so that drawing them takes no
// time of the encoder's.
const SOURCE =
	`testsrc2=s=${PICTURE.widthPixels}x${PICTURE.heightPixels}:r=${FRAME_RATE},format=yuv420p,` +
	`loop=loop=-1:size=2,setpts=PTS+10/TB`;

/** @returns pictures a second. @throws what is wrong with the encoder, in at most 2 s. */
export async function tryEncoder(clock: Clock, name: H264EncoderName, cpuCount: number): Promise<number> {
	const trial = new Trial(clock, name, cpuCount);
	try {
		return await withDeadline(clock, trial.run(), TIMEOUT_MS, () => new Error(`no answer within ${TIMEOUT_MS} ms`));
	} finally {
		// In the background: one that ignores SIGTERM takes longer than the trial may.
		void trial.stop();
	}
}

function trialArguments(encoder: H264EncoderName, cpuCount: number): FfmpegArguments {
	const output = {
		trackId: 'video0',
		codec: 'h264',
		keyFrames: 'timeline',
		gopDurationSeconds: KEY_FRAME_INTERVAL / FRAME_RATE,
		maxBitrateBps: 4_000_000,
		frameRate: FRAME_RATE,
	} as const;
	const { input, filters, outputs } = videoArguments(
		{ input: PICTURE, outputs: [output] },
		{ encoder, cpuCount, startTimeSeconds: 0 },
	);
	return {
		input: input.map((word) => (word === 'nut' ? 'lavfi' : word)),
		source: SOURCE,
		filters,
		outputs: outputs.map((words) => ['-frames:v', String(FRAME_COUNT), ...words]),
	};
}

class Trial {
	readonly #name: H264EncoderName;
	readonly #process: FfmpegProcess;
	readonly #reader: NutReader;
	readonly #units: AccessUnit[] = [];
	#problem: Error | undefined;
	/** The encoder is open from the stream header on. */
	#openMs = 0;
	#lastMs = 0;

	constructor(clock: Clock, name: H264EncoderName, cpuCount: number) {
		this.#name = name;
		const captureTimes = new CaptureTimes();
		captureTimes.add(0, FRAME_RATE, 0);
		const track = new EncodedTrack({ trackId: 'video0', codec: 'h264', run: 0, frameDurationMs: 0, captureTimes });
		this.#process = new FfmpegProcess({ clock, logger: silentLogger }, trialArguments(name, cpuCount));
		this.#reader = new NutReader({
			onStream: (stream) => {
				this.#openMs = clock.monotonicMs();
				track.onStream(stream);
			},
			onFrame: (frame) => {
				const { unit } = track.onFrame(frame);
				this.#units.push(...(unit === undefined ? [] : [unit]));
				this.#lastMs = clock.monotonicMs();
			},
		});
	}

	run(): Promise<number> {
		return new Promise((resolve, reject) => {
			this.#process.on('output', (chunk) => this.#read(chunk));
			this.#process.on('exited', (exit) => {
				try {
					resolve(this.#judge(exit));
				} catch (error) {
					reject(error as Error);
				}
			});
			this.#process.start();
		});
	}

	stop(): Promise<void> {
		return this.#process.stop();
	}

	#read(chunk: Uint8Array): void {
		try {
			this.#reader.push(chunk);
		} catch (error) {
			this.#problem ??= error as Error;
		}
	}

	#judge({ isClean, message, stderrLines }: FfmpegExit): number {
		if (!isClean) {
			// The encoder's first line is the cause, such as "Cannot load libcuda.so.1"; its consequences follow.
			const cause = stderrLines.find((line) => line.startsWith(`[${this.#name} @`)) ?? stderrLines[0] ?? message;
			throw new Error(cause.replace(/^\[[^\]]*\] /, ''));
		}
		if (this.#problem !== undefined) {
			throw this.#problem;
		}
		const keyFrames = this.#units.flatMap(({ isKeyFrame }, index) => (isKeyFrame ? [index] : []));
		const isAsAsked = keyFrames.every((index, place) => index === place * KEY_FRAME_INTERVAL);
		if (this.#units.length !== FRAME_COUNT || !isAsAsked || keyFrames.length * KEY_FRAME_INTERVAL < FRAME_COUNT) {
			const which = keyFrames.map((index) => index + 1).join(', ') || 'none';
			throw new Error(`${this.#units.length} of ${FRAME_COUNT} pictures came; key frames: ${which}`);
		}
		return Math.round((FRAME_COUNT * 1000) / Math.max(1, this.#lastMs - this.#openMs));
	}
}
