/** One hls.js instance, from its creation to its end: loads, steers the distance to the live edge, and repairs. */
import type Hls from 'hls.js';
import type * as HlsModule from 'hls.js';
import type { ErrorData, LevelDetails } from 'hls.js';
import type { Clock } from '../../../../core/lifecycle/clock.ts';
import type { Logger } from '../../../../core/logger.ts';
import type { Ladder } from '../ladder/ladder.ts';
import { bufferedAheadSeconds, rangesOf, startAfterHole, startOfLongest } from '../measure/buffered-ranges.ts';
import { captureRangesOf, mediaTimeOfCapture, type DatedFragment } from '../measure/capture-clock.ts';
import { BufferFollower, type BufferDecision } from './buffer-follower.ts';
import { manifestFailure } from './hls-failures.ts';
import { HlsLoading, hlsConfigFor } from './hls-loading.ts';
import { HlsRungs } from './hls-rungs.ts';
import {
	EMPTY_CONNECTION_READING,
	type CaptureRange,
	type ConnectionFailure,
	type ConnectionReading,
} from './playback.ts';
import type { QualityPreference } from './quality.ts';
import { LiveEdge, RateController } from './rate-controller.ts';

/** The packager's PART-HOLD-BACK; used until the first playlist arrives. */
const DEFAULT_HOLD_BACK_SECONDS = 0.63;
/** A decoder that fails again this soon after a reset does not recover. */
const MEDIA_RECOVERY_INTERVAL_MS = 5000;
/** Without a byte of media for this long, the line is gone rather than slow. */
const PROGRESS_PATIENCE_MS = 12_000;
/** `readyState` of an element that waits for what comes after the playhead. */
const HAVE_CURRENT_DATA = 2;
/** With less in the buffer, nothing is left to play. */
const DRY_SECONDS = 0.2;
/** With so much in the buffer, a stall is over. */
const RESUMED_SECONDS = 0.5;
const RESUME_INTERVAL_MS = 2000;
/** A line that did not carry the smallest picture is not called better before it has carried one for this long. */
const LINE_PROOF_MS = 20_000;
/** Nearer to the live edge than this, nothing plays faster than it comes. */
const FAST_UNTIL_SECONDS = 0.5;
/** A place this near to the end of the window leaves it soon. */
const WINDOW_MARGIN_MS = 15_000;
/** How far past a range's start to seek, so that rounding cannot miss it. */
const WITHIN_SECONDS = 0.02;

type SessionDeps = {
	clock: Clock;
	logger: Logger;
	video: HTMLVideoElement;
	isPageVisible: () => boolean;
	onFailure: (failure: ConnectionFailure) => void;
};

/** `ladder`: undefined for a channel that is played without one. */
type SessionStart = {
	library: typeof HlsModule;
	ladder: Ladder | undefined;
	hlsUrl: string;
	/** What is known of the line, in bits a second. */
	knownBps: number | undefined;
	preference: QualityPreference;
};

export class HlsSession {
	/** Of the newest playlist. */
	fragments: readonly DatedFragment[] = [];
	readonly #deps: SessionDeps;
	readonly #rateController = new RateController(DEFAULT_HOLD_BACK_SECONDS);
	readonly #liveEdge = new LiveEdge();
	readonly #follower = new BufferFollower();
	readonly #abort = new AbortController();
	#hls: Hls | undefined;
	#loading: HlsLoading | undefined;
	#rungs: HlsRungs | undefined;
	#ladder: Ladder | undefined;
	/** The line was known to be poor before the ladder was. */
	#isLinePoor = false;
	#details: LevelDetails | undefined;
	#edgeDistanceSeconds: number | undefined;
	#lastMediaRecoveryMs = -Infinity;
	/** A playlist has arrived since the last restart of the loading. */
	#isEdgeFresh = true;
	#wasAtBest = true;
	#resumedAtMs = -Infinity;
	/** When the line was last too poor for the smallest picture. */
	#shortAtMs = -Infinity;
	/** At the beginning of the stall under way. */
	#hasRunDry = false;

	constructor(deps: SessionDeps) {
		this.#deps = deps;
	}

	/** Aborts when it is closed. */
	get signal(): AbortSignal {
		return this.#abort.signal;
	}

	/** Undefined until it is opened, and for a channel that is played without a ladder. */
	get rungs(): HlsRungs | undefined {
		return this.#rungs;
	}

	open({ library, ladder, hlsUrl, knownBps, preference }: SessionStart): void {
		if (this.#abort.signal.aborted) {
			return;
		}
		const { default: HlsClass, Events } = library;
		if (!HlsClass.isSupported()) {
			this.fail('unsupported', 'This browser cannot play H.264 through Media Source Extensions.', true);
			return;
		}
		this.#ladder = ladder;
		if (ladder !== undefined) {
			const onPartLate = (): void => this.#rateController.stalled(this.#deps.clock.monotonicMs());
			this.#rungs = new HlsRungs(this.#deps, ladder, { hlsUrl, knownBps, preference, onPartLate });
		}
		if (this.#isLinePoor) {
			this.expectPoorLine();
		}
		const { isFollowing } = this.#follower;
		const hls = new HlsClass({ ...hlsConfigFor(isFollowing), ...this.#rungs?.hlsConfig });
		this.#hls = hls;
		const onSegment = (mediaSeconds: number, tookMs: number): void =>
			this.#follower.segmentLoaded(mediaSeconds, tookMs);
		this.#loading = new HlsLoading({ hls, library, onSegment }, isFollowing);
		hls.on(Events.LEVEL_UPDATED, (_event, { details }) => this.#onPlaylist(details));
		hls.on(Events.ERROR, (_event, data) => this.#onError(data));
		this.#deps.video.addEventListener('waiting', () => this.#onWaiting(), { signal: this.#abort.signal });
		hls.loadSource(hlsUrl);
		hls.attachMedia(this.#deps.video);
	}

	close(): void {
		this.#abort.abort();
		this.#deps.video.playbackRate = 1;
		this.#hls?.destroy();
		this.#hls = undefined;
		this.#rungs?.close();
	}

	get isStarved(): boolean {
		const progressAtMs = this.#loading?.progressAtMs ?? -Infinity;
		return this.isFollowing && this.#deps.clock.monotonicMs() - progressAtMs < PROGRESS_PATIENCE_MS;
	}

	/** Everything of a broadcast that is over has been played. */
	get hasEnded(): boolean {
		return this.#hls !== undefined && this.#deps.video.ended;
	}

	/** Whether this broadcast is loaded, whose id is in the addresses; undefined until there are any. */
	leadsTo(broadcastId: string): boolean | undefined {
		const url = this.#ladder?.rungs[0]?.playlistUrl ?? this.#hls?.levels[0]?.url[0];
		return url?.includes(`/${broadcastId}/`);
	}

	get isFollowing(): boolean {
		return this.#follower.isFollowing;
	}

	/** The line carries less than the stream: begins with a smaller picture, or behind the live edge. */
	expectPoorLine(): void {
		this.#isLinePoor = true;
		if (this.#rungs?.isAdaptive === true) {
			this.#rungs.expectPoorLine();
		} else if (this.#rungs !== undefined || this.#hls !== undefined) {
			this.#follower.begin(this.#deps.clock.monotonicMs());
		}
	}

	setWatched(isWatched: boolean): void {
		this.#rateController.isWatched = isWatched;
		if (isWatched) {
			this.#deps.video.playbackRate = 1;
		}
	}

	alignWith(aheadMs: number): void {
		if (this.#edgeDistanceSeconds !== undefined) {
			this.#rateController.alignedDistanceSeconds = this.#edgeDistanceSeconds + aheadMs / 1000;
		}
	}

	repair(step: number): void {
		if (this.#hls === undefined) {
			return;
		}
		if (step === 1) {
			this.#loading?.restart();
			this.goLive();
		} else if (step === 2) {
			this.#hls.recoverMediaError();
		}
	}

	steer(nowMs: number): void {
		this.#watchLoading(nowMs);
		const edgeSeconds = this.#liveEdge.edgeSeconds(nowMs);
		const video = this.#deps.video;
		if (edgeSeconds === undefined || video.readyState === 0 || video.paused) {
			return;
		}
		this.#edgeDistanceSeconds = edgeSeconds - video.currentTime;
		const followed = this.#followBuffer(nowMs);
		if (followed !== undefined) {
			if (followed.jumpsToEdge) {
				this.goLive();
			} else if (video.played.length === 0) {
				// Over a poor line everything that was loaded is shown, wherever hls.js started in it.
				this.#seekTo(startOfLongest(video));
			}
			return;
		}
		// Before the start the playhead is at zero, and hls.js moves it: a jump here discards the first part.
		const hasStarted = video.currentTime > 0 || video.played.length > 0;
		if (video.seeking || !hasStarted) {
			return;
		}
		this.#endStall(nowMs);
		if (!this.#isEdgeFresh) {
			return;
		}
		const decision = this.#rateController.update({
			nowMs,
			behindEdgeSeconds: this.#edgeDistanceSeconds,
			bufferedAheadSeconds: bufferedAheadSeconds(this.#deps.video),
		});
		if (video.playbackRate !== decision.playbackRate) {
			video.playbackRate = decision.playbackRate;
		}
		if (decision.seekBySeconds !== undefined) {
			this.#seekToEdge();
		}
	}

	/**
	 * Chromium waits for 0.4 s of sound after a stall, for 0.8 s after the next one, and so on up to 3 s
	 * (AudioRendererAlgorithm::IncreasePlaybackThreshold). After a seek it waits for 0.2 s again. A stall with a full
	 * buffer comes from a slow decoder, for which a seek is more work.
	 */
	#endStall(nowMs: number): void {
		const { video } = this.#deps;
		const isWaiting = video.readyState === HAVE_CURRENT_DATA;
		this.#hasRunDry = this.#hasRunDry && isWaiting;
		const isEnough = bufferedAheadSeconds(video) >= RESUMED_SECONDS;
		if (this.#hasRunDry && isEnough && nowMs - this.#resumedAtMs >= RESUME_INTERVAL_MS) {
			this.#resumedAtMs = nowMs;
			this.#hasRunDry = false;
			const { currentTime } = video;
			video.currentTime = currentTime;
		}
	}

	/** Plays at this speed, without steering the playhead. */
	keepDistance(nowMs: number, speed: number): void {
		this.#watchLoading(nowMs);
		const edgeSeconds = this.#liveEdge.edgeSeconds(nowMs);
		this.#edgeDistanceSeconds = edgeSeconds === undefined ? undefined : edgeSeconds - this.#deps.video.currentTime;
		const isAtEdge = (this.#edgeDistanceSeconds ?? Infinity) < this.#rateController.targetSeconds + FAST_UNTIL_SECONDS;
		if (this.#deps.video.paused || this.#followBuffer(nowMs) === undefined) {
			this.#deps.video.playbackRate = isAtEdge ? Math.min(1, speed) : speed;
		}
	}

	/** Undefined while the line keeps up: then the rate controller steers. */
	#followBuffer(nowMs: number): BufferDecision | undefined {
		if (this.#rungs?.isExhausted === false && !this.isFollowing) {
			// A smaller picture comes first.
			return undefined;
		}
		const aheadSeconds = bufferedAheadSeconds(this.#deps.video);
		const decision = this.#follower.update({
			nowMs,
			behindEdgeSeconds: this.#edgeDistanceSeconds,
			bufferedAheadSeconds: aheadSeconds,
			windowSeconds: this.#isSliding ? this.#details!.totalduration : Infinity,
			hasStarted: this.#deps.video.played.length > 0,
		});
		// Before the start the playhead is at zero, and hls.js moves it.
		if (decision === undefined || this.#deps.video.currentTime === 0) {
			return undefined;
		}
		if (aheadSeconds === 0) {
			// hls.js crosses holes only while the playhead moves.
			this.#seekTo(startAfterHole(this.#deps.video));
		}
		if (this.#deps.video.playbackRate !== decision.playbackRate) {
			this.#deps.video.playbackRate = decision.playbackRate;
		}
		return decision;
	}

	#watchLoading(nowMs: number): void {
		this.#rungs?.steer(nowMs);
		if (this.isFollowing || this.#rungs?.isLineShort(nowMs) === true) {
			this.#shortAtMs = nowMs;
		}
		const isAtBest = this.#rungs?.isAtBest ?? true;
		if (isAtBest && !this.#wasAtBest) {
			this.#rateController.recovered(nowMs);
		}
		this.#wasAtBest = isAtBest;
		if (this.#loading?.setWholeSegments(nowMs, this.isFollowing) === true) {
			this.#isEdgeFresh = false;
		}
		const { paused, readyState, currentTime } = this.#deps.video;
		const listedEndSeconds = this.#details?.fragmentEnd ?? 0;
		const missingSeconds =
			paused || readyState === 0 ? 0 : listedEndSeconds - currentTime - bufferedAheadSeconds(this.#deps.video);
		this.#loading?.watch(nowMs, missingSeconds);
	}

	/** Seeks to just after the start of a range. */
	#seekTo(startSeconds: number | undefined): void {
		if (startSeconds !== undefined && Math.abs(this.#deps.video.currentTime - startSeconds) > 2 * WITHIN_SECONDS) {
			this.#deps.video.currentTime = startSeconds + WITHIN_SECONDS;
		}
	}

	get hasPlaylist(): boolean {
		return this.fragments.length > 0 && this.#deps.video.readyState > 0;
	}

	get buffered(): CaptureRange[] {
		return captureRangesOf(rangesOf(this.#deps.video.buffered), this.fragments);
	}

	/** Whether that time is in the playlist, and stays there for some time. */
	reaches(captureTimeMs: number): boolean {
		const oldest = this.fragments[0];
		return oldest !== undefined && captureTimeMs >= oldest.programDateTimeMs + this.#marginMs;
	}

	/** False when that time is not in the playlist. */
	seekToCaptureTime(captureTimeMs: number): boolean {
		const oldest = this.fragments[0];
		if (oldest === undefined || oldest.programDateTimeMs > captureTimeMs) {
			return false;
		}
		this.#deps.video.currentTime = mediaTimeOfCapture(captureTimeMs, this.fragments)!;
		return true;
	}

	/** At the start of a broadcast nothing leaves its playlist. */
	get #marginMs(): number {
		return this.#isSliding ? WINDOW_MARGIN_MS : 0;
	}

	get #isSliding(): boolean {
		return this.#details !== undefined && this.#details.startSN > 1;
	}

	reading(): ConnectionReading {
		const codecs = this.#rungs?.codecs ?? [];
		const level = this.#hls?.levels[this.#hls.currentLevel];
		const edgeDistanceMs = this.#edgeDistanceSeconds === undefined ? undefined : this.#edgeDistanceSeconds * 1000;
		return {
			...EMPTY_CONNECTION_READING,
			receivedBytes: this.#loading?.completedBytes ?? 0,
			framesDroppedCount: this.#deps.video.getVideoPlaybackQuality().droppedVideoFrames,
			videoCodec: codecs.find((codec) => !isSound(codec)) ?? level?.videoCodec,
			audioCodec: codecs.find(isSound) ?? level?.audioCodec,
			bufferedAheadMs: bufferedAheadSeconds(this.#deps.video) * 1000,
			// A playhead that follows the buffer has no other target than where it is.
			targetDistanceMs: this.isFollowing ? edgeDistanceMs : this.#rateController.targetSeconds * 1000,
			edgeDistanceMs,
			isStarved: this.isStarved,
			isLineShort: this.#deps.clock.monotonicMs() - this.#shortAtMs < LINE_PROOF_MS,
			lineBps: this.#rungs?.estimateBps,
		};
	}

	fail(kind: ConnectionFailure['error']['kind'], detail: string, fatal = false): void {
		this.#report({ error: { kind, detail, fatal }, retryAfterSeconds: 0 });
	}

	/** The multivariant playlist did not come. */
	failManifest(httpStatus: number): void {
		this.#report(manifestFailure(httpStatus));
	}

	#report(failure: ConnectionFailure): void {
		if (!this.#abort.signal.aborted) {
			this.#deps.onFailure(failure);
		}
	}

	#onPlaylist(details: LevelDetails): void {
		this.#details = details;
		this.#isEdgeFresh = true;
		this.#rateController.holdBackSeconds = details.partHoldBack || details.holdBack || details.targetduration;
		if (details.advanced) {
			this.#liveEdge.add(this.#deps.clock.monotonicMs(), details.edge);
		}
		// The hint is the segment that still grows, where the frames on screen mostly come from.
		const all = details.fragmentHint === undefined ? details.fragments : [...details.fragments, details.fragmentHint];
		this.fragments = all.flatMap((fragment) =>
			fragment.programDateTime === null
				? []
				: [{ startSeconds: fragment.start, programDateTimeMs: fragment.programDateTime }],
		);
	}

	#onWaiting(): void {
		// The first wait is for the first part; one after a jump is for its target.
		if (this.#deps.video.currentTime > 0 && !this.#deps.video.seeking) {
			this.#rateController.stalled(this.#deps.clock.monotonicMs());
			this.#hasRunDry = bufferedAheadSeconds(this.#deps.video) < DRY_SECONDS;
		}
	}

	#onError(data: ErrorData): void {
		if (!data.fatal || this.#hls === undefined) {
			return;
		}
		const status = data.response?.code ?? 0;
		if (data.details === 'manifestLoadError' || data.details === 'manifestLoadTimeOut') {
			this.#report(manifestFailure(status));
		} else if (data.details === 'manifestIncompatibleCodecsError') {
			this.fail('undecodable', 'This browser cannot decode the codecs of this channel.', true);
		} else if (data.details === 'bufferStalledError') {
			// Nudging has not helped, and hls.js has stopped loading. Most often the publisher is away: wait for new parts;
			// TierPlayback knows the channel's state and does the rest.
			this.#hls.startLoad(-1);
		} else if (data.type === 'mediaError') {
			this.#onMediaError(data);
		} else {
			this.fail(status === 0 ? 'unreachable' : 'connection-lost', `The stream broke off (${data.details}, ${status}).`);
		}
	}

	#onMediaError(data: ErrorData): void {
		const nowMs = this.#deps.clock.monotonicMs();
		if (nowMs - this.#lastMediaRecoveryMs < MEDIA_RECOVERY_INTERVAL_MS) {
			this.fail('undecodable', `The stream could not be decoded (${data.details}).`);
			return;
		}
		this.#lastMediaRecoveryMs = nowMs;
		this.#hls?.recoverMediaError();
	}

	/** Jumps forward to the live edge, as near as it can play; never back. */
	goLive(): void {
		if (!this.isFollowing) {
			this.#seekToEdge();
			return;
		}
		const newest = this.#details?.fragments.at(-1);
		if (newest !== undefined && newest.start > this.#deps.video.currentTime) {
			this.#seekTo(newest.start);
		}
	}

	#seekToEdge(): void {
		const edgeSeconds = this.#liveEdge.edgeSeconds(this.#deps.clock.monotonicMs());
		if (edgeSeconds === undefined || this.#details === undefined) {
			return;
		}
		// Never past the last listed part: hls.js then waits for one that is not announced.
		const aimSeconds = edgeSeconds - this.#rateController.targetSeconds;
		const reachableSeconds = Math.min(aimSeconds, this.#details.edge - this.#details.partTarget);
		// Only forward: when the publisher is lost, a jump back repeats what was already shown.
		if (reachableSeconds > this.#deps.video.currentTime) {
			this.#deps.video.currentTime = reachableSeconds;
		}
	}
}

function isSound(codec: string): boolean {
	return /^(mp4a|opus|ac-3|ec-3)/i.test(codec);
}
