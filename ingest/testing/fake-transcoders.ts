/** Encoders for tests: each unit comes out a moment later in the wanted codec, a key frame at each whole second. */
import type { AccessUnit, TrackId, TrackKind } from '../../core/media/access-unit.ts';
import type { TrackConfig } from '../../core/media/codecs.ts';
import type {
	AudioTranscodeOptions,
	MediaTranscoder,
	TranscoderCloseReason,
	TranscoderEvents,
	TranscoderFactory,
	TranscoderStatistics,
	VideoTranscodeOptions,
} from '../../core/media/transcoder.ts';
import type { EncoderState } from '../../core/protocol/api/channel-description.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import { AAC_CONFIG, H264_CONFIG, OPUS_CONFIG } from './track-configs.ts';

const EMPTY_STATISTICS: TranscoderStatistics = {
	writtenUnitCount: 0,
	droppedUnitCount: 0,
	outputUnitCount: 0,
	outputBytes: 0,
	restartCount: 0,
	queuedMs: 0,
	lagMs: 0,
	processId: undefined,
};

export class FakeTranscoder extends TypedEmitter<TranscoderEvents> implements MediaTranscoder {
	readonly options: AudioTranscodeOptions | VideoTranscodeOptions;
	readonly output: TrackConfig;
	readonly trackIds: readonly TrackId[];
	readonly written: AccessUnit[] = [];
	statistics = EMPTY_STATISTICS;
	encoderState: EncoderState = 'running';
	closeReason: TranscoderCloseReason | undefined;
	/** It has no output, like an encoder that does not start. */
	readonly #isDead: boolean;
	#isConfigured = false;
	#lastSecond = -1;

	constructor(options: AudioTranscodeOptions | VideoTranscodeOptions, output: TrackConfig, isDead: boolean) {
		super();
		this.options = options;
		this.trackIds = 'outputs' in options ? options.outputs.map(({ trackId }) => trackId) : [options.trackId];
		this.output = output;
		this.#isDead = isDead;
	}

	get closed(): boolean {
		return this.closeReason !== undefined;
	}

	write(unit: AccessUnit): void {
		if (this.closed) {
			return;
		}
		this.written.push(unit);
		// Never within write(): an encoder is another process.
		queueMicrotask(() => this.#encode(unit));
	}

	finish(): Promise<void> {
		return this.close('finished');
	}

	close(reason: TranscoderCloseReason): Promise<void> {
		if (this.closeReason === undefined) {
			this.closeReason = reason;
			this.emit('closed', reason);
		}
		return Promise.resolve();
	}

	[Symbol.asyncDispose](): Promise<void> {
		return this.close('tier-closed');
	}

	#encode(unit: AccessUnit): void {
		// A decoder begins with a key frame.
		if (this.closed || this.#isDead || (!this.#isConfigured && !unit.isKeyFrame)) {
			return;
		}
		if (!this.#isConfigured) {
			this.#isConfigured = true;
			this.trackIds.forEach((trackId) => this.emit('trackConfigured', this.output, trackId));
		}
		const second = Math.floor(unit.decodeTimeTicks / unit.clockRate);
		for (const trackId of this.trackIds) {
			this.emit('accessUnit', {
				...unit,
				trackId,
				codec: this.output.codec,
				presentationTimeTicks: unit.decodeTimeTicks,
				isKeyFrame: this.output.kind === 'audio' || second !== this.#lastSecond,
				bytes: Uint8Array.from([0, 0, 0, 2, second === this.#lastSecond ? 0x41 : 0x65, 0xee]),
			});
		}
		this.#lastSecond = second;
	}
}

export class FakeTranscoderFactory implements TranscoderFactory {
	readonly all: FakeTranscoder[] = [];
	readonly encoder = { name: 'libx264', reason: 'no other works' };
	/** New encoders of this kind have no output. */
	deadKind: TrackKind | undefined;

	createAudio(options: AudioTranscodeOptions): FakeTranscoder {
		const output = options.output.codec === 'opus' ? OPUS_CONFIG : AAC_CONFIG;
		return this.#add(new FakeTranscoder(options, output, this.deadKind === 'audio'));
	}

	createVideo(options: VideoTranscodeOptions): FakeTranscoder {
		return this.#add(new FakeTranscoder(options, H264_CONFIG, this.deadKind === 'video'));
	}

	/** The newest encoder of pictures falls behind by this much. */
	set pictureLagMs(lagMs: number) {
		const newest = this.all.findLast(({ output }) => output.kind === 'video')!;
		newest.statistics = { ...newest.statistics, lagMs };
	}

	/** Running encoders, as `video → h264`. */
	get running(): string[] {
		return this.all.filter(({ closed }) => !closed).map(({ output }) => `${output.kind} → ${output.codec}`);
	}

	#add(transcoder: FakeTranscoder): FakeTranscoder {
		this.all.push(transcoder);
		return transcoder;
	}
}
