/** An encoder process for tests, which ends and puts out what the test wants, and Opus for it. */
import { TypedEmitter } from '../../../core/lifecycle/typed-emitter.ts';
import type { AudioTrackConfig } from '../../../core/media/codecs.ts';
import { nutFrameHeader } from '../../../core/wire/nut/nut-writer.ts';
import { TIMELINE_OFFSET_SECONDS } from '../encoded-track.ts';
import type { EncoderProcess } from '../encoding.ts';
import type { FfmpegExit, FfmpegProcessEvents } from '../ffmpeg-process.ts';

export const OPUS: AudioTrackConfig = {
	kind: 'audio',
	codec: 'opus',
	sampleRate: 48_000,
	channelCount: 2,
	audioSpecificConfig: new Uint8Array(0),
};

/** The n-th packet of 20 ms, as FFmpeg puts it out behind the stream header. */
export function encodedOpus(index: number): Uint8Array {
	const timeTicks = TIMELINE_OFFSET_SECONDS * 48_000 + index * 960;
	return Buffer.concat([nutFrameHeader(timeTicks, true, 2), Uint8Array.from([1, 2])]);
}

export const CLEAN_EXIT: FfmpegExit = { isClean: true, message: '', stderrLines: [] };
const CRASH: FfmpegExit = {
	isClean: false,
	message: 'ffmpeg was killed with signal SIGKILL',
	stderrLines: ['last words'],
};

export class FakeProcess extends TypedEmitter<FfmpegProcessEvents> implements EncoderProcess {
	readonly processId = 1;
	readonly written: Uint8Array[] = [];
	hasRoom = true;
	isInputEnded = false;
	/** Ends as soon as it is waited for. */
	endsInTime = true;
	stopCount = 0;

	start(): void {
		this.written.length = 0;
	}

	write(chunk: Uint8Array): boolean {
		this.written.push(chunk);
		return this.hasRoom;
	}

	endInput(): void {
		this.isInputEnded = true;
	}

	async stop(): Promise<void> {
		this.stopCount++;
	}

	async waitForEnd(): Promise<void> {
		if (this.endsInTime) {
			this.exit(CLEAN_EXIT);
		}
	}

	/** Of the first output. */
	output(...chunks: Uint8Array[]): void {
		this.outputOf(0, ...chunks);
	}

	outputOf(index: number, ...chunks: Uint8Array[]): void {
		for (const chunk of chunks) {
			this.emit('output', chunk, index);
		}
	}

	makeRoom(): void {
		this.hasRoom = true;
		this.emit('writable');
	}

	exit(exit: FfmpegExit = CRASH): void {
		this.emit('exited', exit);
	}
}
