/** One FFmpeg process: one track in as NUT, one or more out of NUT, and detection of a hang. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError, errorMessage } from '../../core/errors/errors.ts';
import type { AccessUnit } from '../../core/media/access-unit.ts';
import type { TrackConfig } from '../../core/media/codecs.ts';
import { toAnnexB } from '../../core/media/h264.ts';
import type { TransitionTable } from '../../core/lifecycle/state-machine.ts';
import { TIMELINE_OFFSET_SECONDS } from './encoded-track.ts';
import type { FfmpegExit, FfmpegProcess } from './ffmpeg-process.ts';
import type { NutStream } from '../../core/wire/nut/nut-headers.ts';
import { type NutFrame, NutReader } from '../../core/wire/nut/nut-reader.ts';
import { nutClockRate, nutFrameHeader, nutStreamHeader } from '../../core/wire/nut/nut-writer.ts';

/** How often a hang is looked for. */
const HANG_CHECK_INTERVAL_MS = 500;
/** Input that pauses for this long does not flow: its last units may rightly wait inside the encoder for the next. */
const INPUT_PAUSE_MS = 1000;

/** What an encoding needs of its process. */
export type EncoderProcess = Pick<
	FfmpegProcess,
	'processId' | 'start' | 'write' | 'endInput' | 'stop' | 'waitForEnd' | 'on'
>;

/** Called by an encoding. After `onEnded` nothing is called any more. */
export type EncodingListener = {
	/** @throws SpillwayError when the stream cannot be used; the encoding then ends with that error. */
	onStream(stream: NutStream, outputIndex: number): void;
	onFrame(frame: NutFrame, outputIndex: number): void;
	onWritable(): void;
	/** Undefined: it ended because its input did. The process may still be running, as one that hangs is: see stop(). */
	onEnded(error: SpillwayError | undefined, isHang: boolean): void;
};

type EncodingDependencies = { process: EncoderProcess; clock: Clock; listener: EncodingListener };
type EncodingOptions = {
	input: TrackConfig;
	/** Pictures a second, of a picture. */
	frameRate?: number | undefined;
	outputCount: number;
	/** Nothing from any of the outputs for this long while input flows is a hang. */
	hangTimeoutMs: number;
};

/** `finishing`: no input any more, but output. `ended`: nothing is reported any more. */
type EncodingState = 'running' | 'finishing' | 'ended';
type EncodingEvent = 'input-ended' | 'ended';

const TRANSITIONS: TransitionTable<EncodingState, EncodingEvent> = {
	running: { 'input-ended': 'finishing', ended: 'ended' },
	finishing: { 'input-ended': 'finishing', ended: 'ended' },
	ended: {},
};

/** Owns its process. */
export class Encoding {
	readonly #deps: EncodingDependencies;
	readonly #options: EncodingOptions;
	readonly #readers: readonly NutReader[];
	readonly #cancelWatch: () => void;
	readonly #startedAtMs: number;
	#state: EncodingState = 'running';
	/** For each output: since when input is offered without anything from it, and without a pause. */
	readonly #unansweredSinceMs: (number | undefined)[];
	#offeredAtMs = -Infinity;
	#isBlocked: boolean;

	constructor(deps: EncodingDependencies, options: EncodingOptions) {
		this.#deps = deps;
		this.#options = options;
		const { process, clock, listener } = deps;
		this.#startedAtMs = clock.monotonicMs();
		this.#readers = Array.from(
			{ length: options.outputCount },
			(_, index) =>
				new NutReader({
					onStream: (stream) => listener.onStream(stream, index),
					onFrame: (frame) => this.#onFrame(frame, index),
				}),
		);
		this.#unansweredSinceMs = this.#readers.map(() => undefined);
		this.#cancelWatch = clock.setInterval(() => this.#watch(), HANG_CHECK_INTERVAL_MS);
		process.on('output', (chunk, index) => this.#onOutput(chunk, index));
		process.on('writable', () => this.#onWritable());
		process.on('exited', (exit) => this.#onExited(exit));
		process.start();
		this.#isBlocked = !process.write(nutStreamHeader(options.input, options.frameRate));
	}

	get processId(): number | undefined {
		return this.#deps.process.processId;
	}

	/** True while the pipe is full: hold units back until `onWritable`. */
	get isBlocked(): boolean {
		return this.#isBlocked;
	}

	/** Milliseconds since the start. */
	get ageMs(): number {
		return this.#deps.clock.monotonicMs() - this.#startedAtMs;
	}

	/** There is a new unit, passed on or held back, so input flows. For the detection of a hang only. */
	recordInput(): void {
		const nowMs = this.#deps.clock.monotonicMs();
		const isAfterPause = nowMs - this.#offeredAtMs > INPUT_PAUSE_MS;
		this.#offeredAtMs = nowMs;
		this.#unansweredSinceMs.forEach((sinceMs, index) => {
			this.#unansweredSinceMs[index] = isAfterPause ? nowMs : (sinceMs ?? nowMs);
		});
	}

	write(unit: AccessUnit): void {
		this.#isBlocked = !this.#deps.process.write(toNutFrame(unit, this.#options.input));
	}

	/** No input follows, but output does. Resolves when the process is gone, by force after the time. */
	finish(timeoutMs: number): Promise<void> {
		this.#handle('input-ended');
		this.#deps.process.endInput();
		return this.#deps.process.waitForEnd(timeoutMs);
	}

	/** Ends it at once, without a report. Resolves when the process is gone. */
	stop(): Promise<void> {
		if (this.#handle('ended')) {
			this.#cancelWatch();
		}
		return this.#deps.process.stop();
	}

	#onOutput(chunk: Uint8Array, index: number): void {
		if (this.#state === 'ended') {
			return;
		}
		try {
			this.#readers[index]!.push(chunk);
		} catch (error) {
			this.#end(
				error instanceof SpillwayError ? error : failure('its output cannot be read', errorMessage(error), error),
			);
		}
	}

	#onFrame(frame: NutFrame, index: number): void {
		this.#unansweredSinceMs[index] = undefined;
		if (this.#state !== 'ended') {
			this.#deps.listener.onFrame(frame, index);
		}
	}

	#onWritable(): void {
		this.#isBlocked = false;
		if (this.#state !== 'ended') {
			this.#deps.listener.onWritable();
		}
	}

	#onExited(exit: FfmpegExit): void {
		if (exit.isClean && this.#state === 'finishing') {
			this.#end(undefined);
			return;
		}
		const how = exit.isClean ? 'it ended by itself' : exit.message;
		this.#end(failure(how, exit.stderrLines.join(' | ') || 'it said nothing'));
	}

	#watch(): void {
		const { hangTimeoutMs } = this.#options;
		const isSilent = (sinceMs: number | undefined): boolean =>
			sinceMs !== undefined && this.#offeredAtMs - sinceMs >= hangTimeoutMs;
		const silent = this.#unansweredSinceMs.flatMap((sinceMs, index) => (isSilent(sinceMs) ? [index] : []));
		if (silent.length > 0) {
			const which = silent.length < this.#readers.length ? ` of output ${silent.join(', ')}` : '';
			const what = `nothing came out${which} for ${hangTimeoutMs} ms while units went in`;
			this.#end(failure('it hangs', what), true);
		}
	}

	#end(error: SpillwayError | undefined, isHang = false): void {
		if (this.#handle('ended')) {
			this.#cancelWatch();
			this.#deps.listener.onEnded(error, isHang);
		}
	}

	#handle(event: EncodingEvent): boolean {
		const next = TRANSITIONS[this.#state][event];
		this.#state = next ?? this.#state;
		return next !== undefined;
	}
}

function failure(how: string, details: string, cause?: unknown): SpillwayError {
	return new SpillwayError('TRANSCODER_FAILED', [how, details], { cause });
}

/**
 * A unit as one NUT frame with all its bytes, its time moved by {@link TIMELINE_OFFSET_SECONDS}.
 * @internal for tests
 */
export function toNutFrame(unit: AccessUnit, config: TrackConfig): Uint8Array {
	const clockRate = nutClockRate(config);
	const timeTicks =
		Math.round((unit.presentationTimeTicks * clockRate) / unit.clockRate) + TIMELINE_OFFSET_SECONDS * clockRate;
	const bytes = config.codec === 'h264' ? toAnnexB(unit.bytes) : unit.bytes;
	return Buffer.concat([nutFrameHeader(timeTicks, unit.isKeyFrame, bytes.length), bytes]);
}
