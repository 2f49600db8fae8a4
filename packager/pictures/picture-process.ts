/** One run of FFmpeg that makes still pictures: bounded in time, and gone when it is over. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import { silentLogger } from '../../core/logger.ts';
import { NutReader } from '../../core/wire/nut/nut-reader.ts';
import type { FfmpegArguments } from '../transcode/ffmpeg-arguments.ts';
import { FfmpegProcess, type FfmpegExit } from '../transcode/ffmpeg-process.ts';

type PictureRun = {
	arguments: FfmpegArguments;
	/** Read while FFmpeg has room for more. */
	input: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
	/** `seconds`: the time that the picture had in the input. `outputIndex`: of the output of the arguments. */
	onPicture: (bytes: Uint8Array, seconds: number, outputIndex: number) => void;
	/** Then FFmpeg is killed. */
	timeoutMs: number;
	/** Aborts the run. */
	signal: AbortSignal;
};

/**
 * Resolves when FFmpeg has ended by itself, which it does also when it could not decode some of the pictures. Throws
 * TRANSCODER_FAILED, what the input throws, and the reason of the signal. The process is gone in all cases.
 */
export async function runPictures(clock: Clock, run: PictureRun): Promise<void> {
	const { timeoutMs, signal } = run;
	signal.throwIfAborted();
	// Several a minute: not a line of the log for each.
	const process = new FfmpegProcess({ clock, logger: silentLogger }, run.arguments);
	let problem: unknown;
	let exit: FfmpegExit | undefined;
	const stop = (why: unknown): void => {
		problem ??= why;
		void process.stop();
	};
	const readers = run.arguments.outputs.map((_output, index) => pictureReader(run, index));
	process.on('output', (chunk, outputIndex) => {
		try {
			if (problem === undefined) {
				readers[outputIndex]!.push(chunk);
			}
		} catch (error) {
			stop(error);
		}
	});
	const exited = new Promise<FfmpegExit>((resolve) => {
		process.on('exited', resolve, { once: true });
	});
	const isOver = (): boolean => problem !== undefined || exit !== undefined;
	void exited.then((ended) => (exit = ended));
	const cancel = clock.setTimeout(() => stop(failure('it hangs', `it did not end within ${timeoutMs} ms`)), timeoutMs);
	const onAbort = (): void => stop(signal.reason);
	signal.addEventListener('abort', onAbort, { once: true });
	try {
		process.start();
		// What the input still waits for after the end, such as a slow store, holds up nobody.
		await Promise.race([feed(process, run.input, exited, isOver), exited]);
		process.endInput();
		const { isClean, message, stderrLines } = await exited;
		if (problem !== undefined) {
			throw problem;
		}
		if (!isClean) {
			throw failure(message, stderrLines.join(' | ') || 'it gave no reason');
		}
	} finally {
		cancel();
		signal.removeEventListener('abort', onAbort);
		await process.stop();
	}
}

function pictureReader({ onPicture }: Pick<PictureRun, 'onPicture'>, outputIndex: number): NutReader {
	let tickSeconds = 0;
	return new NutReader({
		onStream: ({ timeBase }) => (tickSeconds = timeBase.numerator / timeBase.denominator),
		onFrame: ({ bytes, timeTicks }) => onPicture(bytes, timeTicks * tickSeconds, outputIndex),
	});
}

async function feed(
	process: FfmpegProcess,
	input: PictureRun['input'],
	exited: Promise<unknown>,
	isOver: () => boolean,
): Promise<void> {
	for await (const bytes of input) {
		if (isOver()) {
			return;
		}
		if (!process.write(bytes)) {
			const writable = new Promise<void>((resolve) => process.on('writable', resolve, { once: true }));
			await Promise.race([writable, exited]);
		}
	}
}

function failure(how: string, details: string): SpillwayError {
	return new SpillwayError('TRANSCODER_FAILED', [how, details]);
}
