/** Audio and video messages of one publisher → track configurations and media units. Never throws for what was sent. */
import { parseAacConfig, type AacConfigResult } from '../../core/media/aac-config.ts';
import { isSameConfig, type AudioTrackConfig, type TrackConfig } from '../../core/media/codecs.ts';
import { unwrap } from '../../core/units.ts';
import type { TrackProblemCode } from '../track-problems.ts';
import { AvcTrack, type AvcPicture } from './avc-track.ts';
import { parseAudioMessage, parseVideoMessage, type FlvTag } from './flv-tags.ts';

/** One H.264 picture or one AAC frame, with its times as the encoder gave them. */
export type RtmpMediaUnit = {
	kind: 'video' | 'audio';
	/**
	 * Milliseconds on the publisher's RTMP clock, counted on past 2^32. Nearly monotonic within a kind: encoders do step back by
	 * some milliseconds, and jump when they feel like it. Start and origin are the encoder's choice.
	 */
	decodeTimeMs: number;
	/** Presentation minus decode time, signed; 0 for audio. */
	compositionOffsetMs: number;
	/** Video: holds an IDR picture. Audio: always true. */
	isKeyFrame: boolean;
	/** H.264: NAL units after 4-byte lengths, without SPS, PPS, AUD and filler. AAC: the raw frame. Owned by the unit. */
	bytes: Uint8Array;
	/** `clock.monotonicMs()` when its last byte arrived. */
	arrivedAtMs: number;
	/** To be added to the decode time, 0–999 999 ns; only from Enhanced RTMP encoders that send it. */
	nanosecondOffset?: number;
};

/** What the demuxer finds, in the order of the wire. */
export interface FlvDemuxerSink {
	/** Before the first unit that needs it. */
	configure(config: TrackConfig): void;
	unit(unit: RtmpMediaUnit): void;
	/** The encoder says that this kind ends; it may go on after all. */
	sequenceEnded(kind: 'video' | 'audio'): void;
	/** A message, or a track in it, that holds nothing for us. */
	ignored(code: TrackProblemCode | undefined, detail: string): void;
}

/** A message as the demuxer needs it. */
export type MediaMessage = { timestampMs: number; payload: Uint8Array; arrivedAtMs: number };

const AAC_PROBLEM_CODES: Readonly<Record<(AacConfigResult & { problem: string })['problem'], TrackProblemCode>> = {
	unreadable: 'audio-config-unreadable',
	profile: 'audio-profile-unsupported',
	channels: 'audio-channels-unsupported',
};

/** Demuxer of one publisher. */
export class FlvDemuxer {
	readonly #sink: FlvDemuxerSink;
	readonly #video = new AvcTrack();
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
					this.#report(this.#video.setRecord(tag.bytes), 'video-config-unreadable');
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
						this.#sink.unit(this.#makeUnit('audio', message, tag, tag.bytes, true));
					}
					break;
				default:
					this.#takeOther('audio', tag);
			}
		}
	}

	#takePicture(message: MediaMessage, tag: FlvTag & { kind: 'coded-frames' }): void {
		const result = this.#video.takePicture(tag.bytes);
		this.#report(result, this.#video.config === undefined ? 'video-config-missing' : 'video-damaged');
		if (result.picture !== undefined) {
			const { bytes, isKeyFrame } = result.picture;
			this.#sink.unit(this.#makeUnit('video', message, tag, bytes, isKeyFrame));
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

	#takeOther(kind: 'video' | 'audio', tag: FlvTag & { kind: 'sequence-end' | 'ignored' }): void {
		if (tag.kind === 'sequence-end') {
			this.#sink.sequenceEnded(kind);
		} else {
			this.#sink.ignored(tag.code, tag.detail);
		}
	}

	#report(result: AvcPicture, code: TrackProblemCode): void {
		if (result.problem !== undefined) {
			this.#sink.ignored(code, result.problem);
		}
		if (result.config !== undefined) {
			this.#sink.configure(result.config);
		}
	}

	#makeUnit(
		kind: 'video' | 'audio',
		message: MediaMessage,
		tag: FlvTag & { kind: 'coded-frames' },
		bytes: Uint8Array,
		isKeyFrame: boolean,
	): RtmpMediaUnit {
		// RTMP 1.0 §4: 32 bits roll over every 49 days 17 hours; compared as serial numbers.
		this.#lastTimeMs = unwrap(message.timestampMs, this.#lastTimeMs ?? message.timestampMs, 32);
		return {
			kind,
			decodeTimeMs: this.#lastTimeMs,
			compositionOffsetMs: tag.compositionOffsetMs,
			isKeyFrame,
			bytes,
			arrivedAtMs: message.arrivedAtMs,
			...(tag.nanosecondOffset === undefined ? {} : { nanosecondOffset: tag.nanosecondOffset }),
		};
	}
}
