/** One running FFmpeg: bytes in, bytes of each output out, how it ended. The only file that imports fluent-ffmpeg. */
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import ffmpeg from 'fluent-ffmpeg';
import { type Clock, withDeadline } from '../../core/lifecycle/clock.ts';
import { SpillwayError, errorMessage } from '../../core/errors/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import type { FfmpegArguments } from './ffmpeg-arguments.ts';
import { OutputSockets } from './output-sockets.ts';

/** How long a process may take to leave after SIGTERM; then SIGKILL. F-5 requires 2 s. */
const TERMINATION_GRACE_MS = 2000;
/** Messages of FFmpeg that are kept for the error, and the length that each is cut to. */
const STDERR_LINES = 8;
const STDERR_LINE_CHARACTERS = 300;
/** Bytes that wait in our side of the pipe before write() returns false; the kernel's pipe holds 64 kB more. */
const INPUT_BUFFER_BYTES = 64 * 1024;

// A script sets the environment and the priority of the process, because fluent-ffmpeg cannot.
ffmpeg.setFfmpegPath(fileURLToPath(new URL('./launch-ffmpeg.sh', import.meta.url)));

/** How a process ended. */
export type FfmpegExit = {
	/** True when it ended by itself, after the end of its input. */
	isClean: boolean;
	/** Of fluent-ffmpeg, such as "ffmpeg was killed with signal SIGKILL". Empty when clean. */
	message: string;
	/** Its last messages, oldest first. */
	stderrLines: readonly string[];
};

/** @internal for tests */
export type FfmpegProcessEvents = {
	output: [chunk: Uint8Array, outputIndex: number];
	/** After write() returned false: there is room again. */
	writable: [];
	/** The process is gone and its outputs are read, or it could not be started. Emitted once. */
	exited: [exit: FfmpegExit];
};

// What @types/fluent-ffmpeg leaves out.
type CommandWithProcess = ffmpeg.FfmpegCommand & { ffmpegProc?: { pid?: number } };

/** Starts with start(), ends by itself after endInput(), or by stop(). */
export class FfmpegProcess extends TypedEmitter<FfmpegProcessEvents> {
	readonly #deps: { clock: Clock; logger: Logger };
	readonly #arguments: FfmpegArguments;
	readonly #input = new PassThrough({ highWaterMark: INPUT_BUFFER_BYTES });
	readonly #stderrLines: string[] = [];
	#running: Promise<void> | undefined;
	#command: CommandWithProcess | undefined;
	#processId: number | undefined;
	#stopping: Promise<void> | undefined;
	#exit: FfmpegExit | undefined;
	#killSignal: NodeJS.Signals | undefined;

	constructor(deps: { clock: Clock; logger: Logger }, ffmpegArguments: FfmpegArguments) {
		super(deps.logger);
		this.#deps = deps;
		this.#arguments = ffmpegArguments;
	}

	/** Of the running process; undefined before it runs and after it ended. */
	get processId(): number | undefined {
		return this.#processId;
	}

	/** Starts FFmpeg. A failure is reported as `exited`. Call once. */
	start(): void {
		this.#input.on('drain', () => this.emit('writable'));
		this.#running = this.#run();
	}

	/** Passes bytes on. Returns false when the caller should wait for `writable`. Ignored once ended. */
	write(chunk: Uint8Array): boolean {
		return this.#exit === undefined && !this.#input.writableEnded && this.#input.write(chunk);
	}

	/** Nothing follows; FFmpeg encodes what it has and leaves. */
	endInput(): void {
		if (!this.#input.writableEnded) {
			this.#input.end();
		}
	}

	/** SIGTERM, a grace of 2 s, SIGKILL. Resolves when the process is gone. Idempotent. */
	stop(): Promise<void> {
		this.#stopping ??= this.#stop();
		return this.#stopping;
	}

	/** Resolves when the process has ended by itself; stops it when it takes longer than `timeoutMs`. */
	async waitForEnd(timeoutMs: number): Promise<void> {
		try {
			const ended = this.#running ?? Promise.resolve();
			await withDeadline(this.#deps.clock, ended, timeoutMs, () => new Error('FFmpeg did not end in time'));
		} catch {
			// It did not end in time.
			await this.stop();
		}
	}

	async #stop(): Promise<void> {
		this.endInput();
		if (this.#running === undefined || this.#exit !== undefined) {
			return;
		}
		this.#kill('SIGTERM');
		try {
			await withDeadline(this.#deps.clock, this.#running, TERMINATION_GRACE_MS, () => new Error('still running'));
		} catch {
			// A stopped or wedged process ignores SIGTERM; SIGKILL ends it in any state.
			this.#deps.logger.warn({ processId: this.#processId }, 'FFmpeg ignored SIGTERM and is killed');
			this.#kill('SIGKILL');
			await this.#running;
		}
	}

	async #run(): Promise<void> {
		const onChunk = (chunk: Uint8Array, index: number): void => this.emit('output', chunk, index);
		let sockets: OutputSockets;
		try {
			sockets = await OutputSockets.open(this.#deps.clock, { count: this.#arguments.outputs.length, onChunk });
		} catch (error) {
			this.#onExit({ isClean: false, message: errorMessage(error), stderrLines: [] });
			return;
		}
		const exit = await this.#runCommand(sockets);
		this.#processId = undefined;
		await sockets.readToEnd();
		sockets.close();
		this.#onExit(exit);
	}

	#runCommand(sockets: OutputSockets): Promise<FfmpegExit> {
		const { input, source = this.#input, filters, outputs } = this.#arguments;
		const command: CommandWithProcess = ffmpeg({ logger: undefined }).input(source).inputOptions(input);
		if (filters.length > 0) {
			command.complexFilter(filters);
		}
		outputs.forEach((output, index) => command.output(`unix:${sockets.path(index)}`).outputOptions(output));
		this.#command = command;
		return new Promise((resolve) => {
			command.on('start', (commandLine: string) => {
				this.#processId = command.ffmpegProc?.pid;
				this.#deps.logger.info({ commandLine, processId: this.#processId }, 'FFmpeg started');
				if (this.#killSignal !== undefined) {
					command.kill(this.#killSignal);
				}
			});
			command.on('stderr', (line: string) => this.#keepLine(line));
			command.on('end', () => resolve({ isClean: true, message: '', stderrLines: this.#stderrLines }));
			command.on('error', (error: unknown) => {
				// extractError() appends all messages; here they are kept apart.
				const message = errorMessage(error).split('\n')[0]!.slice(0, STDERR_LINE_CHARACTERS);
				resolve({ isClean: false, message, stderrLines: this.#stderrLines });
			});
			command.run();
		});
	}

	#kill(signal: NodeJS.Signals): void {
		// Before fluent-ffmpeg has started the process, kill() does nothing; `start` then delivers it.
		this.#killSignal = signal;
		this.#command?.kill(signal);
	}

	#keepLine(line: string): void {
		if (line.length > 0) {
			this.#stderrLines.push(line.slice(0, STDERR_LINE_CHARACTERS));
			this.#stderrLines.splice(0, Math.max(0, this.#stderrLines.length - STDERR_LINES));
		}
	}

	#onExit(exit: FfmpegExit): void {
		this.#exit = exit;
		this.#input.destroy();
		this.emit('exited', exit);
	}
}

/** The encoders that {@link audioArguments} and {@link videoArguments} name. */
const NEEDED_ENCODERS = ['libx264', 'libopus', 'aac'];

/**
 * Checks that FFmpeg exists with what we need. fluent-ffmpeg asks FFmpeg for its formats and encoders before the first
 * process and keeps the answers. So an early call also takes some 0.2 s off the first start.
 * @throws SpillwayError TRANSCODER_FAILED, saying what is missing.
 */
export async function checkFfmpeg(clock: Clock): Promise<void> {
	const check = new Promise<void>((resolve, reject) => {
		ffmpeg.getAvailableFormats((formatError, formats) => {
			if (formatError || formats?.['nut']?.canDemux !== true || !formats['nut'].canMux) {
				reject(notUsable(formatError ? errorMessage(formatError) : 'the format NUT is missing', formatError));
				return;
			}
			ffmpeg.getAvailableEncoders((encoderError, encoders) => {
				const missing = NEEDED_ENCODERS.filter((name) => encoders?.[name] === undefined);
				if (encoderError || missing.length > 0) {
					reject(
						notUsable(
							encoderError ? errorMessage(encoderError) : `the encoders ${missing.join(', ')} are missing`,
							encoderError,
						),
					);
					return;
				}
				resolve();
			});
		});
	});
	await withDeadline(clock, check, 15_000, () => notUsable('it did not answer within 15 s', undefined));
}

/** The names of all encoders that this FFmpeg has; whether their devices exist, they do not show. */
export function listEncoders(): Promise<ReadonlySet<string>> {
	return new Promise((resolve, reject) => {
		ffmpeg.getAvailableEncoders((error, encoders) => {
			if (error) {
				reject(notUsable(errorMessage(error), error));
			} else {
				resolve(new Set(Object.keys(encoders ?? {})));
			}
		});
	});
}

function notUsable(why: string, cause: unknown): SpillwayError {
	return new SpillwayError(
		'TRANSCODER_FAILED',
		['it cannot be used', `${why}. Install FFmpeg 5.1 or later with x264 and Opus.`],
		{ cause },
	);
}
