/** What a playback is to the page, whichever tier it plays: the contract, not the doing. */
import type { ChannelState } from '../../../../core/protocol/api/channel-description.ts';
import type { PlayedMoment, PlayedMoments } from '../measure/alignment.ts';
import type { LineCounts, LineVerdict } from '../measure/line-judge.ts';
import type { PlaybackMetricsReading } from '../measure/playback-metrics.ts';
import type { PlaybackError, PlaybackState } from './playback-state.ts';
import type { DeliveryTier } from '../../../../core/protocol/tiers.ts';

export type PlaybackEvents = {
	stateChanged: [next: PlaybackState, previous: PlaybackState];
	/** The picture is about to leave the video element; whoever wants to keep it draws it now, synchronously. */
	pictureLeaving: [];
};

/** What a tier knows of its connection beyond the picture; undefined where it does not apply or was not measured. */
export type ConnectionReading = {
	/** Bytes of media received over the connection so far. */
	receivedBytes: number | undefined;
	/** Frames received and not shown, so far. */
	framesDroppedCount: number | undefined;
	/** Names such as `H264` or `avc1.42e01f`. */
	videoCodec: string | undefined;
	audioCodec: string | undefined;
	/** WebRTC: `udp` or `tcp`. */
	transport: string | undefined;
	roundTripMs: number | undefined;
	packetsLostCount: number | undefined;
	/** WebRTC: how long a frame waits to be decoded in order, mean over the last second. */
	jitterBufferMs: number | undefined;
	/** LL-HLS: how far ahead of the playhead is buffered. */
	bufferedAheadMs: number | undefined;
	/** LL-HLS: aimed distance to the live edge. */
	targetDistanceMs: number | undefined;
	/** LL-HLS: distance to the live edge. */
	edgeDistanceMs: number | undefined;
	/** LL-HLS: the line brings less than the stream needs, and the playhead follows what is buffered. */
	isStarved: boolean;
};

/** Everything that is measured about a playback. This object, and no other, is what `window.__spillway` shows. */
export type PlaybackStatistics = PlaybackMetricsReading &
	ConnectionReading & {
		tier: DeliveryTier;
		state: PlaybackState;
		playbackRate: number;
		/** The latency's error: half the least round trip to the server's clock. */
		clockUncertaintyMs: number | undefined;
		/** Times that the connection was made anew since the start. */
		reconnectCount: number;
	};

/** Targets for the receivers' jitter buffers, milliseconds. */
export type DelayTarget = { pictureMs: number; soundMs: number };

/**
 * Sent to a video element whose stream was given its sound later than its picture: a stream tells of its own tracks
 * only.
 */
export const SOUND_ADDED_EVENT = 'spillwaysoundadded';

/** WebRTC: how long sound and picture are held back, and what is heard. */
export interface DelayControl {
	/** Sets the receivers' `jitterBufferTarget`, also for connections to come. */
	setTarget(target: DelayTarget): void;
	/** The sound that is played now; undefined without sound, or before any. */
	playedSound(): PlayedMoment | undefined;
	/** When the last media arrived and was played, monotonic milliseconds; undefined before any. */
	readonly lastMediaAtMs: number | undefined;
	/** The path to the server was found at least once. */
	readonly hasConnected: boolean;
}

/** LL-HLS: where in the window it plays, and how it gets there. */
export interface TimeShift {
	/** False while nobody sees or hears it: then it may hurry. */
	isWatched: boolean;
	/** True while it keeps its distance to the edge instead of the hold-back. */
	readonly isShifted: boolean;
	/** True while the line brings less than is played. */
	readonly isStarved: boolean;
	/** The line is known to carry less than the stream: whole segments from the beginning, and a wait for each. */
	expectPoorLine(): void;
	/** While not watched: waits for a playback that is this much further from live. Negative: it is nearer. */
	waitFor(aheadMs: number): void;
	/** Stops steering towards the edge: what plays on after a pause is what comes next. */
	holdPosition(): void;
	/** Back to the front. */
	goLive(): void;
}

/** One channel in one tier in one video element. Started once, stopped once. */
export interface Playback {
	readonly tier: DeliveryTier;
	/** The frames shown last, by capture time. */
	readonly shownMoments: PlayedMoments;
	readonly delay: DelayControl | undefined;
	readonly timeShift: TimeShift | undefined;
	readonly state: PlaybackState;
	/** Why it does not play; defined in state `error`, and while retrying after a failure. */
	readonly error: PlaybackError | undefined;
	/** Begins to connect. `channelState` is the channel's latest word. */
	start(video: HTMLVideoElement, channelState: ChannelState): void;
	/** What the server now says of the channel. */
	channelReported(channelState: ChannelState): void;
	/** Tries again at once, by the viewer's wish. */
	retry(): void;
	/**
	 * The picture is not sent any more: only the sound plays, until another playback takes over, and nothing is mended.
	 */
	giveUpPicture(): void;
	/** WebRTC: why the picture stands, if it does. `sourceFrameRate`: what the server says that the publisher sends. */
	lineVerdict(sourceFrameRate: number | undefined): LineVerdict | undefined;
	/** Ends for good and frees the video element. Idempotent. */
	stop(): void;
	statistics(): PlaybackStatistics;
	/** Adds a listener; returns the function that removes it. */
	on<Name extends keyof PlaybackEvents>(name: Name, listener: (...args: PlaybackEvents[Name]) => void): () => void;
}

/** Why a connection could not be made, or broke. */
export type ConnectionFailure = {
	error: PlaybackError;
	/** The server's wish; 0 when it has none. */
	retryAfterSeconds: number;
	/** What the failure says about the channel, where it does. */
	channelState?: ChannelState;
};

/** What differs between the tiers: making, mending and reading a connection. {@link TierPlayback} drives it. */
export interface MediaConnection {
	readonly tier: DeliveryTier;
	readonly delay?: DelayControl;
	readonly timeShift?: TimeShift;
	/** Without a frame for this long, although the channel is live, the connection is made anew. */
	readonly rebuildAfterMs: number;
	/**
	 * Connects and lets the video element show it. Failures, also later ones, go to `onFailure`, at most once per
	 * connection; after it, or after {@link disconnect}, nothing more comes.
	 */
	connect(video: HTMLVideoElement, onFailure: (failure: ConnectionFailure) => void): void;
	/** Ends the connection, if there is one. May be followed by a new {@link connect}. */
	disconnect(): void;
	/** Tries something lighter than a new connection; called with 1, 2, … while no frame comes. */
	mend(step: number): void;
	/** Called about every 100 ms while connected. */
	steer(nowMs: number): void;
	/** Capture time of a frame, the server's epoch milliseconds. */
	captureTimeMs(frame: VideoFrameCallbackMetadata): number | undefined;
	/** Latest readings; refreshed by `steer`. */
	reading(): ConnectionReading;
	/** WebRTC: what was received and lost so far; refreshed by `steer`. */
	lineCounts?(): LineCounts | undefined;
	/** Media still come, only slowly: mending or a new connection would lose what is under way. */
	readonly isStarved?: boolean;
}

/** A reading in which nothing was measured. */
export const EMPTY_CONNECTION_READING: ConnectionReading = {
	receivedBytes: undefined,
	framesDroppedCount: undefined,
	videoCodec: undefined,
	audioCodec: undefined,
	transport: undefined,
	roundTripMs: undefined,
	packetsLostCount: undefined,
	jitterBufferMs: undefined,
	bufferedAheadMs: undefined,
	targetDistanceMs: undefined,
	edgeDistanceMs: undefined,
	isStarved: false,
};
