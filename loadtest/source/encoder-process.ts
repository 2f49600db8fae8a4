/** One FFmpeg process with raw pictures, raw sound, or both as its input, in real time from one {@link SourceLoop}. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { systemClock, withDeadline } from '../../core/lifecycle/clock.ts';
import { VIDEO_CLOCK_RATE } from '../../core/units.ts';
import { nutFrameHeader, nutHeader, type NutTrack } from '../../core/wire/nut/nut-writer.ts';
import { toneSampleAt } from './tone-code.ts';
import { ownChild } from './owned-children.ts';
import type { PictureArtist } from './bench-picture.ts';
import type { SentFrame, SourceFormat, SourceOutput } from './source-loop.ts';

/** Pictures that may wait for FFmpeg: three seconds. More means that it, or its receiver, is too slow. */
const MAX_WAITING_PICTURES = 90;
const STOP_DEADLINE_MS = 3000;
const STDERR_LINES = 20;

type EncoderTracks = 'video-and-sound' | 'video' | 'sound';

/** Below the pitch of all bursts. */
const HUM_HZ = 250;

export class EncoderProcess implements SourceOutput {
	readonly #child: ChildProcess;
	readonly #artist: PictureArtist;
	readonly #format: SourceFormat;
	readonly #tracks: EncoderTracks;
	readonly #freeBuffers: Uint8Array[] = [];
	#bufferCount = 0;
	#lateSinceMs: number | undefined;
	readonly #stderr: string[] = [];
	#failure: Error | undefined;
	#isEnding = false;
	readonly #exited: Promise<void>;
	/** While FFmpeg does not keep up, pictures are left out for this long; after it, that is a failure. */
	patienceMs = 0;
	/** Called once when FFmpeg ends by itself or cannot keep up. */
	onFailure: ((error: Error) => void) | undefined;

	/** The arguments begin with {@link RAW_INPUT}; encoded bytes may go to `pipe:1`. */
	constructor(
		ffmpegArguments: readonly string[],
		format: SourceFormat,
		artist: PictureArtist,
		tracks: EncoderTracks = 'video-and-sound',
	) {
		this.#artist = artist;
		this.#format = format;
		this.#tracks = tracks;
		this.#child = spawn('ffmpeg', ['-hide_banner', '-loglevel', 'warning', ...ffmpegArguments], {
			stdio: ['pipe', 'pipe', 'pipe'],
			// Its own process group, so that Ctrl-C on the terminal does not reach it and we can end it in order.
			detached: true,
		});
		ownChild(this.#child, 'SIGKILL');
		this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
			this.#stderr.push(...text.trim().split('\n'));
			this.#stderr.splice(0, this.#stderr.length - STDERR_LINES);
		});
		// EPIPE when FFmpeg ends first; its exit has the reason.
		this.#child.stdin!.on('error', () => undefined);
		this.#exited = new Promise((resolve) => {
			this.#child.once('error', (error) => {
				this.#fail(new Error(`FFmpeg cannot be started: ${error.message}`));
				resolve();
			});
			this.#child.once('exit', (code, signal) => {
				this.#fail(new Error(`FFmpeg ended (${signal ?? code}): ${this.#stderr.join(' | ')}`));
				resolve();
			});
		});
		this.#child.stdin!.write(nutHeader(rawTracks(format, tracks)));
	}

	/** FFmpeg's `pipe:1`. Must be read. */
	get output(): Readable {
		return this.#child.stdout!;
	}

	/** Why it ended by itself. */
	get failure(): Error | undefined {
		return this.#failure;
	}

	picture(frame: SentFrame): void {
		if (this.#tracks === 'sound' || this.#isEnding || this.#failure !== undefined) {
			return;
		}
		// A buffer is used again only after FFmpeg has read all of it.
		let buffer = this.#freeBuffers.pop();
		if (buffer === undefined) {
			if (this.#bufferCount === MAX_WAITING_PICTURES) {
				this.#lateSinceMs ??= systemClock.monotonicMs();
				if (systemClock.monotonicMs() - this.#lateSinceMs >= this.patienceMs) {
					this.#fail(new Error('FFmpeg, or what it pushes to, takes pictures more slowly than they are made.'));
				}
				return;
			}
			this.#bufferCount++;
			buffer = new Uint8Array(this.#artist.frameBytes);
		}
		this.#lateSinceMs = undefined;
		const drawn = buffer;
		this.#artist.draw(drawn, frame);
		// The even time, as of a capture device; the picture's pattern has the real capture time.
		const timeTicks = Math.round((frame.frameNumber * VIDEO_CLOCK_RATE) / this.#format.frameRate);
		this.#child.stdin!.write(nutFrameHeader(timeTicks, true, drawn.length));
		this.#child.stdin!.write(drawn, () => this.#freeBuffers.push(drawn));
	}

	sound(originMs: number, firstSample: number, endSample: number): void {
		if (this.#tracks === 'video' || this.#isEnding || this.#failure !== undefined) {
			return;
		}
		const { sampleRate, humAmplitude = 0 } = this.#format;
		const samples = new Int16Array((endSample - firstSample) * 2);
		for (let index = firstSample; index < endSample; index++) {
			const hum = humAmplitude * Math.sin((2 * Math.PI * HUM_HZ * index) / sampleRate);
			const value = Math.round((toneSampleAt(originMs + (index * 1000) / sampleRate) + hum) * 32_767);
			samples[(index - firstSample) * 2] = value;
			samples[(index - firstSample) * 2 + 1] = value;
		}
		const trackIndex = this.#tracks === 'sound' ? 0 : 1;
		this.#child.stdin!.write(nutFrameHeader(firstSample, true, samples.byteLength, trackIndex));
		this.#child.stdin!.write(new Uint8Array(samples.buffer));
	}

	/** Ends the input, so that FFmpeg flushes and closes; kills it when that takes too long. Idempotent. */
	async stop(): Promise<void> {
		this.#isEnding = true;
		this.#child.stdin!.end();
		const timeout = new Error('timeout');
		await withDeadline(systemClock, this.#exited, STOP_DEADLINE_MS, () => timeout).catch(() => this.kill());
	}

	/** Idempotent. */
	async kill(): Promise<void> {
		this.#isEnding = true;
		this.#child.kill('SIGKILL');
		await this.#exited;
	}

	#fail(error: Error): void {
		if (this.#failure === undefined && !this.#isEnding) {
			this.#failure = error;
			this.#child.kill('SIGKILL');
			this.onFailure?.(error);
		}
	}
}

// One pipe with timestamps: FFmpeg 5.1 polls two raw pipes every 10 ms and numbers their pictures itself, which delays
// pictures and hides late ones.
function rawTracks({ widthPixels, heightPixels, sampleRate }: SourceFormat, tracks: EncoderTracks): NutTrack[] {
	const shared = { codecSpecificData: new Uint8Array(0), decodeDelay: 0 };
	const yuv420p = { ...shared, fourcc: Buffer.from('I420'), clockRate: VIDEO_CLOCK_RATE };
	// "PSD", 16: signed 16-bit samples, little-endian.
	const pcm = { ...shared, fourcc: Buffer.from('PSD\x10'), clockRate: sampleRate, channelCount: 2 };
	return [
		...(tracks === 'sound' ? [] : [{ ...yuv420p, kind: 'video' as const, widthPixels, heightPixels }]),
		...(tracks === 'video' ? [] : [{ ...pcm, kind: 'audio' as const }]),
	];
}
