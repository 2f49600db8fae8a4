/** Audio and video messages of one publisher → track configurations and media units. Never throws for what was sent. */
import type { TrackKind } from '../../core/media/access-unit.ts';
import { parseAacConfig, type AacConfigResult } from '../../core/media/aac-config.ts';
import { isSameConfig, type AudioTrackConfig, type TrackConfig } from '../../core/media/codecs.ts';
import { unwrap } from '../../core/units.ts';
import type { TrackProblemCode } from '../publisher/track-problems.ts';
import { AvcTrack, type AvcEvent } from './avc-track.ts';
import { parseAudioMessage, parseVideoMessage, type FlvContent } from './flv-tags.ts';

/** One H.264 picture or one AAC frame, with its times as the encoder gave them. */
export type RtmpMediaUnit = {
	kind: TrackKind;
	/**
	 * Milliseconds on the publisher's RTMP clock, counted on past 2^32. Nearly monotonic within a kind: encoders do step
	 * back by some milliseconds, and jump when they feel like it. Start and origin are the encoder's choice.
	 */
	decodeTimeMs: number;
	/** Presentation minus decode time, signed; 0 for audio. */
	compositionOffsetMs: number;
	/** Video: a decoder may begin here. Audio: always true. */
	isKeyFrame: boolean;
	/** See PublisherUnit. */
	isRecoveryPoint?: true;
	/**
	 * H.264: NAL units after 4-byte lengths, without AUD, filler and the sets of the configuration. AAC: the raw frame.
	 */
	bytes: Uint8Array;
	/** `clock.monotonicMs()` when its last byte arrived. */
	arrivedAtMs: number;
	/** To be added to the decode time, 0–999 999 ns; only from Enhanced RTMP encoders that send it. */
	nanosecondOffset?: number;
};

/** What the demuxer finds, in the order of the wire. */
interface FlvDemuxerSink {
	/** Before the first unit that needs it. */
	configure(config: TrackConfig): void;
	unit(unit: RtmpMediaUnit): void;
	/** The encoder says that this kind ends; it may go on after all. */
	sequenceEnded(kind: TrackKind): void;
	/** A message, or a track in it, that holds nothing for us. */
	ignored(code: TrackProblemCode | undefined, detail: string): void;
}

/** A message as the demuxer needs it. */
type MediaMessage = { timestampMs: number; payload: Uint8Array; arrivedAtMs: number };

/** What belongs to a picture besides its bytes: of the message that its first slice came in. */
type MediaStamp = { decodeTimeMs: number; arrivedAtMs: number; tag: FlvContent & { kind: 'coded-frames' } };
const AAC_PROBLEM_CODES: Readonly<Record<(AacConfigResult & { problem: string })['problem'], TrackProblemCode>> = {
	unreadable: 'audio-config-unreadable',
	profile: 'audio-profile-unsupported',
	channels: 'audio-channels-unsupported',
};

/** Demuxer of one publisher. */
export class FlvDemuxer {
	readonly #sink: FlvDemuxerSink;
	readonly #video = new AvcTrack<MediaStamp>();
	#audioConfig: AudioTrackConfig | undefined;
	/** Of audio and video together, so that both count on past 2^32 at the same place. */
	#lastTimeMs: number | undefined;

	constructor(sink: FlvDemuxerSink) {
		this.#sink = sink;
	}

	/** Takes a video message. */
	video(message: MediaMessage): void {
		for (const tag of parseVideoMessage(message.payload)) {
			switch (tag.kind) {
				case 'sequence-start':
					this.#takeVideo(this.#video.setRecord(tag.bytes));
					break;
				case 'coded-frames':
					this.#takePicture(message, tag);
					break;
				default:
					this.#takeOther('video', tag);
			}
		}
	}

	/** Takes an audio message. */
	audio(message: MediaMessage): void {
		for (const tag of parseAudioMessage(message.payload)) {
			switch (tag.kind) {
				case 'sequence-start':
					this.#takeAudioConfig(tag.bytes);
					break;
				case 'coded-frames':
					if (this.#audioConfig === undefined) {
						this.#sink.ignored('audio-config-missing', 'an AAC frame before its configuration');
					} else if (tag.bytes.length === 0) {
						this.#sink.ignored(undefined, 'an empty AAC frame');
					} else {
						this.#takeFrame(message, tag);
					}
					break;
				default:
					this.#takeOther('audio', tag);
			}
		}
	}

	#takePicture(message: MediaMessage, tag: FlvContent & { kind: 'coded-frames' }): void {
		const decodeTimeMs = this.#unwrapTime(message.timestampMs);
		this.#takeVideo(
			this.#video.takeMessage(tag.bytes, decodeTimeMs, { decodeTimeMs, arrivedAtMs: message.arrivedAtMs, tag }),
		);
	}

	#takeFrame(message: MediaMessage, tag: FlvContent & { kind: 'coded-frames' }): void {
		const { arrivedAtMs } = message;
		const lastTimeMs = this.#lastTimeMs;
		const decodeTimeMs = this.#unwrapTime(message.timestampMs);
		if (lastTimeMs !== undefined && decodeTimeMs > lastTimeMs) {
			// Messages are interleaved by their times, so what belongs to the picture before has come.
			this.#takeVideo(this.#video.settle());
		}
		this.#sink.unit(makeUnit('audio', { decodeTimeMs, arrivedAtMs, tag }, { bytes: tag.bytes, isKeyFrame: true }));
	}

	#takeVideo(found: readonly AvcEvent<MediaStamp>[]): void {
		for (const event of found) {
			if ('problem' in event) {
				this.#sink.ignored(event.problem.code, event.problem.detail);
			} else if ('config' in event) {
				this.#sink.configure(event.config);
			} else {
				const { stamp, ...picture } = event.picture;
				this.#sink.unit(makeUnit('video', stamp, picture));
			}
		}
	}

	#takeAudioConfig(bytes: Uint8Array): void {
		const result = parseAacConfig(bytes);
		if ('problem' in result) {
			this.#sink.ignored(AAC_PROBLEM_CODES[result.problem], result.detail);
		} else if (this.#audioConfig === undefined || !isSameConfig(this.#audioConfig, result.config)) {
			this.#audioConfig = result.config;
			this.#sink.configure(result.config);
		}
	}

	#takeOther(kind: TrackKind, tag: FlvContent & { kind: 'sequence-end' | 'ignored' }): void {
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

function makeUnit(
	kind: TrackKind,
	stamp: MediaStamp,
	content: Pick<RtmpMediaUnit, 'bytes' | 'isKeyFrame' | 'isRecoveryPoint'>,
): RtmpMediaUnit {
	const { decodeTimeMs, arrivedAtMs, tag } = stamp;
	return {
		kind,
		decodeTimeMs,
		compositionOffsetMs: tag.compositionOffsetMs,
		...content,
		arrivedAtMs,
		...(tag.nanosecondOffset === undefined ? {} : { nanosecondOffset: tag.nanosecondOffset }),
	};
}
