/** Audio and video messages of one publisher → track configurations and media units. Never throws for input. */
import type { TrackKind } from '../../core/media/access-unit.ts';
import { parseAacConfig, type AacConfigResult } from '../../core/media/aac-config.ts';
import { isSameConfig, type AudioTrackConfig, type TrackConfig } from '../../core/media/codecs.ts';
import { unwrap } from '../../core/units.ts';
import type { TrackProblemCode } from '../publisher/track-problems.ts';
import { AvcTrack, type AvcEvent } from './avc-track.ts';
import { parseAudioMessage, parseVideoMessage, type FlvContent } from './flv-tags.ts';

/** One H.264 picture or one AAC frame, with the encoder's times. */
export type RtmpMediaUnit = {
	kind: TrackKind;
	/**
	 * Milliseconds on the publisher's RTMP clock, unwrapped past 2^32, with the fraction that Enhanced RTMP adds. Nearly
	 * monotonic within a kind: encoders step back by some milliseconds, and jump. The origin is the encoder's choice.
	 */
	decodeTimeMs: number;
	/** Presentation minus decode time, signed; 0 for audio. */
	compositionOffsetMs: number;
	/** Video: a decoder may begin here. Audio: always true. */
	isKeyFrame: boolean;
	/** See PublisherUnit. */
	isRecoveryPoint?: true;
	/** H.264: NAL units after 4-byte lengths, without AUD, filler and the configuration's sets. AAC: the raw frame. */
	bytes: Uint8Array;
	/** `clock.monotonicMs()` when its last byte arrived. */
	arrivedAtMs: number;
};

/** Gets the content of the messages, in the order of the wire. */
interface FlvDemuxerSink {
	/** Before the first unit that needs it. */
	configure(config: TrackConfig): void;
	unit(unit: RtmpMediaUnit): void;
	/** The encoder announces the end of this kind; it may continue all the same. */
	sequenceEnded(kind: TrackKind): void;
	/** A message, or a track in it, without usable content. */
	ignored(code: TrackProblemCode | undefined, detail: string): void;
}

type MediaMessage = { timestampMs: number; payload: Uint8Array; arrivedAtMs: number };
type CodedFrames = Extract<FlvContent, { kind: 'coded-frames' }>;
/** Times of a picture: those of the message with its first slice. */
type MediaStamp = Pick<RtmpMediaUnit, 'decodeTimeMs' | 'compositionOffsetMs' | 'arrivedAtMs'>;

const AAC_PROBLEM_CODES: Readonly<Record<(AacConfigResult & { problem: string })['problem'], TrackProblemCode>> = {
	unreadable: 'audio-config-unreadable',
	profile: 'audio-profile-unsupported',
	channels: 'audio-channels-unsupported',
};

export class FlvDemuxer {
	readonly #sink: FlvDemuxerSink;
	readonly #video = new AvcTrack<MediaStamp>();
	#audioConfig: AudioTrackConfig | undefined;
	/** Of audio and video together, so that both pass 2^32 at the same place. */
	#lastTimeMs: number | undefined;

	constructor(sink: FlvDemuxerSink) {
		this.#sink = sink;
	}

	video(message: MediaMessage): void {
		for (const tag of parseVideoMessage(message.payload)) {
			switch (tag.kind) {
				case 'sequence-start':
					this.#emitVideo(this.#video.setRecord(tag.bytes));
					break;
				case 'coded-frames':
					this.#readPicture(message, tag);
					break;
				default:
					this.#reportOther('video', tag);
			}
		}
	}

	audio(message: MediaMessage): void {
		for (const tag of parseAudioMessage(message.payload)) {
			switch (tag.kind) {
				case 'sequence-start':
					this.#configureAudio(tag.bytes);
					break;
				case 'coded-frames':
					if (this.#audioConfig === undefined) {
						this.#sink.ignored('audio-config-missing', 'an AAC frame before its configuration');
					} else if (tag.bytes.length === 0) {
						this.#sink.ignored(undefined, 'an empty AAC frame');
					} else {
						this.#emitFrame(message, tag);
					}
					break;
				default:
					this.#reportOther('audio', tag);
			}
		}
	}

	#readPicture({ timestampMs, arrivedAtMs }: MediaMessage, tag: CodedFrames): void {
		const { bytes, compositionOffsetMs } = tag;
		const timeMs = this.#unwrapTime(timestampMs);
		const stamp = { decodeTimeMs: timeMs + offsetMs(tag), compositionOffsetMs, arrivedAtMs };
		// Without the offset: messages of one picture have one timestamp, and only one of them may have an offset.
		this.#emitVideo(this.#video.readMessage(bytes, timeMs, stamp));
	}

	#emitFrame({ timestampMs, arrivedAtMs }: MediaMessage, tag: CodedFrames): void {
		const lastTimeMs = this.#lastTimeMs;
		const timeMs = this.#unwrapTime(timestampMs);
		if (lastTimeMs !== undefined && timeMs > lastTimeMs) {
			// Messages are interleaved by their times, so the previous picture is complete.
			this.#emitVideo(this.#video.settle());
		}
		const { bytes, compositionOffsetMs } = tag;
		const stamp = { decodeTimeMs: timeMs + offsetMs(tag), compositionOffsetMs, arrivedAtMs };
		this.#sink.unit({ kind: 'audio', ...stamp, bytes, isKeyFrame: true });
	}

	#emitVideo(found: readonly AvcEvent<MediaStamp>[]): void {
		for (const event of found) {
			if ('problem' in event) {
				this.#sink.ignored(event.problem.code, event.problem.detail);
			} else if ('config' in event) {
				this.#sink.configure(event.config);
			} else {
				const { stamp, ...picture } = event.picture;
				this.#sink.unit({ kind: 'video', ...stamp, ...picture });
			}
		}
	}

	#configureAudio(bytes: Uint8Array): void {
		const result = parseAacConfig(bytes);
		if ('problem' in result) {
			this.#sink.ignored(AAC_PROBLEM_CODES[result.problem], result.detail);
		} else if (this.#audioConfig === undefined || !isSameConfig(this.#audioConfig, result.config)) {
			this.#audioConfig = result.config;
			this.#sink.configure(result.config);
		}
	}

	#reportOther(kind: TrackKind, tag: FlvContent & { kind: 'sequence-end' | 'ignored' }): void {
		if (tag.kind === 'sequence-end') {
			this.#sink.sequenceEnded(kind);
		} else {
			this.#sink.ignored(tag.code, tag.detail);
		}
	}

	/** RTMP 1.0 §4: 32 bits roll over every 49 days 17 hours; compared as serial numbers. */
	#unwrapTime(timestampMs: number): number {
		this.#lastTimeMs = unwrap(timestampMs, this.#lastTimeMs ?? timestampMs, 32);
		return this.#lastTimeMs;
	}
}

/** Enhanced RTMP v2, "TimestampOffsetNano": moves the times of this message only; both, so that their order stays. */
function offsetMs({ nanosecondOffset = 0 }: CodedFrames): number {
	return nanosecondOffset / 1e6;
}
