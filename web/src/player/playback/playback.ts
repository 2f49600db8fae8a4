/** The contracts of a playback and of a tier's connection, the same for both tiers. */
import type { ChannelState } from '../../../../core/protocol/api/channel-description.ts';
import type { PlayedMoment, PlayedMoments } from '../measure/alignment.ts';
import type { LineCounts, LineVerdict } from '../measure/line-judge.ts';
import type { PlaybackMetricsReading } from '../measure/playback-metrics.ts';
import type { QualityControl } from './quality.ts';
import type { PlaybackError, PlaybackState } from './playback-state.ts';
import type { DeliveryTier } from '../../../../core/protocol/tiers.ts';

export type PlaybackEvents = {
	stateChanged: [next: PlaybackState, previous: PlaybackState];
	/** The picture is about to leave the video element: a listener that keeps it draws it now, synchronously. */
	pictureLeaving: [];
};

/** What a tier measures on its connection; undefined where it does not apply or was not measured. */
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
	/** WebRTC: how long a frame waits in the jitter buffer, mean over the last second. */
	jitterBufferMs: number | undefined;
	/** LL-HLS: media buffered ahead of the playhead. */
	bufferedAheadMs: number | undefined;
	/** LL-HLS: aimed distance to the live edge. */
	targetDistanceMs: number | undefined;
	/** LL-HLS: distance to the live edge. */
	edgeDistanceMs: number | undefined;
	/** LL-HLS: the line carries less than the stream needs, and the playhead follows the buffer. */
	isStarved: boolean;
	/** LL-HLS: the line does not carry the smallest picture at the live edge. */
	isLineShort: boolean;
	/** LL-HLS: what the line carries, as the choice of the picture assumes. */
	lineBps: number | undefined;
};

/** Everything that is measured about a playback. `window.__spillway` shows it. */
export type PlaybackStatistics = PlaybackMetricsReading &
	ConnectionReading & {
		tier: DeliveryTier;
		state: PlaybackState;
		playbackRate: number;
		/** The latency's error: half the least round trip to the server's clock. */
		clockUncertaintyMs: number | undefined;
		/** New connections since the first one. */
		reconnectCount: number;
	};

export type DelayTarget = { pictureMs: number; soundMs: number };

/** Sent to a video element whose stream got its sound later than its picture: `addTrack()` fires no event. */
export const SOUND_ADDED_EVENT = 'spillwaysoundadded';

/** WebRTC: how long sound and picture are held back, and what is heard. */
export interface DelayControl {
	/** Sets the receivers' `jitterBufferTarget`, also for connections to come. */
	setTarget(target: DelayTarget): void;
	/** The sound that plays now; undefined without sound, or before any. */
	playedSound(): PlayedMoment | undefined;
	/** No picture comes: the viewer wants none, or the broadcast has none. The sound is what plays. */
	readonly isSoundAlone: boolean;
	/** When sound was last played, monotonic milliseconds; undefined before any. */
	readonly soundPlayedAtMs: number | undefined;
	/** When the last media arrived and was played, monotonic milliseconds; undefined before any. */
	readonly lastMediaAtMs: number | undefined;
	/** ICE has connected at least once. */
	readonly hasConnected: boolean;
}

/** A stretch of a broadcast; capture times, the server's epoch milliseconds. */
export type CaptureRange = { startMs: number; endMs: number };

/** What a playlist for rewinding lists. */
export type RewindRange = CaptureRange & {
	/** Nothing was received for these stretches. */
	gaps: readonly CaptureRange[];
	/** Its oldest media leave it when new ones come. */
	isSliding: boolean;
};

/** LL-HLS: where in the window it plays; or a playback of what is kept, which is always behind live. */
export interface TimeShift {
	/** False while it is hidden and silent: then its rate may change more. */
	isWatched: boolean;
	/** True while it keeps its distance to the edge instead of the hold-back. */
	readonly isShifted: boolean;
	/** False: it plays only behind live, and {@link goLive} does nothing. */
	readonly hasLiveEdge: boolean;
	readonly isStarved: boolean;
	/** Loaded, and not played yet or played just now. */
	readonly buffered: readonly CaptureRange[];
	/** What its playlist lists, where that is more than the live window. */
	readonly listed: RewindRange | undefined;
	/** The line is known to carry less than the stream: loads whole segments from the start. */
	expectPoorLine(): void;
	/** While not watched: aligns with a playback that is this much further from live (negative: nearer). */
	alignWith(aheadMs: number): void;
	/** Stops steering towards the live edge: after a pause it plays on from the same place. */
	holdPosition(): void;
	goLive(): void;
	/** Whether {@link seek} can play from there, and for some time. */
	reaches(captureTimeMs: number): boolean;
	/** Plays from there on, and keeps that distance to live. */
	seek(captureTimeMs: number): void;
	/** 1 is normal. Applies behind live only. */
	setSpeed(speed: number): void;
}

/** One channel in one tier in one video element. Started once, stopped once. */
export interface Playback {
	readonly tier: DeliveryTier;
	/** The frames shown last, by capture time. */
	readonly shownMoments: PlayedMoments;
	readonly delay: DelayControl | undefined;
	readonly timeShift: TimeShift | undefined;
	readonly quality: QualityControl;
	readonly state: PlaybackState;
	/** Why it does not play; defined in state `error`, and while retrying after a failure. */
	readonly error: PlaybackError | undefined;
	/** Starts to connect. `channelState`, `broadcastId`: the latest that the server reported. */
	start(video: HTMLVideoElement, channelState: ChannelState, broadcastId?: string): void;
	/** `broadcastId`: of the broadcast that runs; another one than before is loaded. Undefined: none, or not known. */
	channelReported(channelState: ChannelState, broadcastId?: string): void;
	/** Tries again at once, when the viewer asks for it. */
	retry(): void;
	/** The server stops the picture: only the sound plays until another playback takes over; no repair is tried. */
	giveUpPicture(): void;
	/** WebRTC: why the picture is frozen, if it is. `sourceFrameRate`: the publisher's, as the server reports it. */
	lineVerdict(sourceFrameRate: number | undefined): LineVerdict | undefined;
	/** Ends for good and frees the video element. Idempotent. */
	stop(): void;
	statistics(): PlaybackStatistics;
	on<Name extends keyof PlaybackEvents>(name: Name, listener: (...args: PlaybackEvents[Name]) => void): () => void;
}

export type ConnectionFailure = {
	error: PlaybackError;
	/** As the server asks; 0 when it does not. */
	retryAfterSeconds: number;
	/** The channel's state, where the failure shows it. */
	channelState?: ChannelState;
};

/** What differs between the tiers: making, repairing and reading a connection. {@link TierPlayback} drives it. */
export interface MediaConnection {
	readonly tier: DeliveryTier;
	readonly delay?: DelayControl;
	readonly timeShift?: TimeShift;
	readonly quality: QualityControl;
	/** Without a frame for this long on a live channel, a new connection is made. */
	readonly rebuildAfterMs: number;
	/** What is left of a broadcast that is over still plays. */
	readonly playsToEnd: boolean;
	/** The server has ended it, and nothing is left to play. */
	readonly hasEnded: boolean;
	/** It plays nothing but the broadcast that it was made for. */
	readonly isOfOneBroadcast?: boolean;
	/** Whether it is a connection to this broadcast; undefined: not known yet. */
	leadsTo(broadcastId: string): boolean | undefined;
	/**
	 * Connects and plays in the video element. A failure, at once or later, is reported to `onFailure`, at most once per
	 * connection and never after {@link disconnect}.
	 */
	connect(video: HTMLVideoElement, onFailure: (failure: ConnectionFailure) => void): void;
	/** Ends the connection, if there is one. May be followed by a new {@link connect}. */
	disconnect(): void;
	/** Tries something lighter than a new connection; called with 1, 2, … while no frame comes. */
	repair(step: number): void;
	/** Called about every 100 ms while connected. */
	steer(nowMs: number): void;
	/** Capture time of a frame, the server's epoch milliseconds. */
	captureTimeMs(frame: VideoFrameCallbackMetadata): number | undefined;
	/** Latest readings; refreshed by `steer`. */
	reading(): ConnectionReading;
	/** WebRTC: what was received and lost so far; refreshed by `steer`. */
	lineCounts?(): LineCounts | undefined;
	/** Media still come, only slowly: a repair or a new connection discards what is half loaded. */
	readonly isStarved?: boolean;
}

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
	isLineShort: false,
	lineBps: undefined,
};
