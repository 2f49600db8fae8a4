/** What publishers of all protocols have in common. */
import type { TrackKind } from '../../core/media/access-unit.ts';
import type { TrackConfig, VideoTrackConfig } from '../../core/media/codecs.ts';
import type { PublisherId } from '../../core/ids.ts';
import type { ListenOptions } from '../../core/lifecycle/typed-emitter.ts';
import { OPUS_CLOCK_RATE, VIDEO_CLOCK_RATE } from '../../core/units.ts';

export type PublishProtocol = 'whip' | 'rtmp';

/** Why a publisher ended. After `unpublished` the broadcast ends; after any other reason it may return. */
export type PublisherEndReason =
	| 'unpublished'
	| 'connection-lost'
	| 'timed-out'
	| 'protocol-error'
	| 'replaced'
	| 'key-revoked'
	| 'bitrate-too-high'
	/** It sends nothing that this server can use. */
	| 'media-unusable'
	| 'worker-died'
	| 'server-shutdown';

/** A part of a stream that is left out, or that its streamer should change. One of track-problems.ts. */
export type TrackProblem = {
	kind: TrackKind;
	code: string;
	/** One or two sentences: what is wrong, and what follows from it. */
	message: string;
	/** What to change in the encoder. */
	advice?: string;
};

/** One picture or audio frame with the publisher's own times. Bytes as in AccessUnit. */
export type PublisherUnit = {
	kind: TrackKind;
	/** Unwrapped milliseconds, fractional, on the publisher's clock of this track. */
	decodeTimeMs: number;
	presentationTimeMs: number;
	/** Exact ticks of the same presentation time where the protocol has them (WHIP): unwrapped RTP timestamp. */
	rtpTicks: number | undefined;
	isKeyFrame: boolean;
	/** A key frame that is no IDR picture: a decoder may begin here, and its picture becomes right a little later. */
	isRecoveryPoint?: true;
	bytes: Uint8Array;
	/** Clock.monotonicMs() at arrival. */
	arrivedAtMs: number;
};

/** Ticks a second of a WHIP track's RTP timestamps. */
export function rtpClockRate(kind: TrackKind): number {
	return kind === 'video' ? VIDEO_CLOCK_RATE : OPUS_CLOCK_RATE;
}

/** An RTP payload that can go to the stage unchanged. */
export type PublisherRtpPacket = {
	kind: TrackKind;
	payload: Uint8Array;
	hasMarker: boolean;
	sequenceNumber: number;
	/** Unwrapped RTP timestamp. */
	rtpTicks: number;
	arrivedAtMs: number;
};

export type PublisherEvents = {
	/**
	 * A track's decoder configuration is known, or has changed: before the first unit of the track. Where isSameConfig()
	 * holds, only parameter sets have changed, and the new ones travel with the units.
	 */
	trackConfigured: [config: TrackConfig];
	/** In decode order within a track. */
	unit: [unit: PublisherUnit];
	/** WHIP only, ahead of the unit that the packet is part of, and in the order of arrival. */
	rtpPacket: [packet: PublisherRtpPacket];
	/** WHIP simulcast only: as `trackConfigured`, for a layer below the picture, by its place in the offer. */
	layerConfigured: [layer: number, config: VideoTrackConfig];
	/** WHIP simulcast only: a picture of such a layer. Its `rtpTicks` are those of the picture's track. */
	layerUnit: [layer: number, unit: PublisherUnit];
	/** WHIP only: the publisher's wall time and the track's media time at one instant, milliseconds. */
	senderReport: [kind: TrackKind, publisherMs: number, mediaMs: number];
	/** Once. */
	closed: [reason: PublisherEndReason];
};

/** One encoder's connection. */
export interface Publisher {
	readonly id: PublisherId;
	readonly protocol: PublishProtocol;
	readonly remoteAddress: string;
	/** The encoder's name for itself, if it sends one. */
	readonly encoderName: string | undefined;
	/** Tracks that it announces; undefined when the protocol has no announcement (RTMP). */
	readonly announcedKinds: readonly TrackKind[] | undefined;
	/** Tracks in its metadata (RTMP). Nothing waits for them: encoders describe tracks that they never send. */
	readonly describedKinds?: readonly TrackKind[];
	/** What is left out of its stream now, and why. */
	readonly problems: readonly TrackProblem[];
	/** Audio and video timestamps come from one clock. */
	readonly hasCommonTimeline: boolean;
	on<Name extends keyof PublisherEvents>(
		name: Name,
		listener: (...args: PublisherEvents[Name]) => void,
		options?: ListenOptions,
	): () => void;
	/** Asks for a key frame, without a guarantee; returns false when the protocol cannot ask. */
	requestKeyFrame(): boolean;
	close(reason: PublisherEndReason): Promise<void>;
}
