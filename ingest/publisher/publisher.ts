/** What all publishers have in common, whatever protocol they came by. */
import type { TrackKind } from '../../core/media/access-unit.ts';
import type { TrackConfig } from '../../core/media/codecs.ts';
import type { PublisherId } from '../../core/ids.ts';
import type { ListenOptions } from '../../core/lifecycle/typed-emitter.ts';

/** How a publisher came. */
export type PublishProtocol = 'whip' | 'rtmp';

/** Why a publisher ended. After `unpublished` the broadcast ends; after any other it may come back. */
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

/** Something of a stream that is left out, or that its streamer should change. One of track-problems.ts. */
export type TrackProblem = {
	kind: TrackKind;
	code: string;
	/** One or two sentences: what is wrong, and what becomes of it. */
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
	/** A key frame that is no IDR picture: a decoder may begin here, with a picture that becomes right a little later. */
	isRecoveryPoint?: true;
	bytes: Uint8Array;
	/** Clock.monotonicMs() at arrival. */
	arrivedAtMs: number;
};

/** An RTP payload that can go to the stage as it is. */
export type PublisherRtpPacket = {
	kind: TrackKind;
	payload: Uint8Array;
	hasMarker: boolean;
	sequenceNumber: number;
	/** Unwrapped RTP timestamp. */
	rtpTicks: number;
	arrivedAtMs: number;
};

/** Events of a publisher. */
export type PublisherEvents = {
	/**
	 * A track's decoder configuration is known, or has changed: before the first unit of the track. Where isSameConfig()
	 * holds, only the parameter sets are others, and those that are new travel with the units.
	 */
	trackConfigured: [config: TrackConfig];
	/** In decode order within a track. */
	unit: [unit: PublisherUnit];
	/** WHIP only, ahead of the unit that the packet is part of, and in the order of arrival. */
	rtpPacket: [packet: PublisherRtpPacket];
	/** WHIP only: the publisher's wall time and the track's media time of the same instant, milliseconds. */
	senderReport: [kind: TrackKind, publisherMs: number, mediaMs: number];
	/** Once. */
	closed: [reason: PublisherEndReason];
};

/** One encoder's connection. */
export interface Publisher {
	readonly id: PublisherId;
	readonly protocol: PublishProtocol;
	readonly remoteAddress: string;
	/** What the encoder calls itself, where it says so. */
	readonly encoderName: string | undefined;
	/** Tracks it has said it will send; undefined when the protocol does not tell (RTMP). */
	readonly announcedKinds: readonly TrackKind[] | undefined;
	/**
	 * Tracks that its metadata describes (RTMP). Encoders describe tracks that they never send, so nothing waits for
	 * them.
	 */
	readonly describedKinds?: readonly TrackKind[];
	/** What is left out of its stream at this moment, and why. */
	readonly problems: readonly TrackProblem[];
	/** Audio and video timestamps are of one clock. */
	readonly hasCommonTimeline: boolean;
	on<Name extends keyof PublisherEvents>(
		name: Name,
		listener: (...args: PublisherEvents[Name]) => void,
		options?: ListenOptions,
	): () => void;
	/** Asks for a key frame; returns false when the protocol has no way to. An answer is not promised. */
	requestKeyFrame(): boolean;
	close(reason: PublisherEndReason): Promise<void>;
}
