/** One broadcast in LL-HLS: takes its access units, keeps its renditions in step through runs, pauses and the end. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import type { BroadcastId, ChannelName } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import type { AccessUnit, TrackId, TrackKind } from '../../core/media/access-unit.ts';
import type { TrackConfig } from '../../core/media/codecs.ts';
import type { TrackSink } from '../../core/media/track-sink.ts';
import { RateLimitedReport } from '../../core/limits/rate-limited-report.ts';
import { StateMachine, type TransitionTable } from '../../core/lifecycle/state-machine.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import { AwayGaps } from './away-gaps.ts';
import { cmafTimescale, isPackageable, writeInitSegment } from '../cmaf/init-segment.ts';
import { frameRateOfPart, frameRateOfSegment } from '../segmenting/frame-cadence.ts';
import { MemorySegmentStore, type SegmentStore } from '../store/segment-store.ts';
import type { PackagerConfig } from '../config/packager-config.ts';
import type { Part } from '../rendition/part.ts';
import { Rendition } from '../rendition/rendition.ts';
import { RunDates } from '../rendition/run-dates.ts';
import { RunGate, secondsOf, type RunStart } from '../segmenting/run-gate.ts';
import { AudioTrackWriter, VideoTrackWriter, type TrackWriter } from '../segmenting/track-writer.ts';
import { VIDEO_CLOCK_RATE } from '../../core/units.ts';

/** `waiting`: no media yet. `live`: media comes. `interrupted`: the publisher is away. `ended`: ENDLIST, still served. */
export type BroadcastPackagerState = 'waiting' | 'live' | 'interrupted' | 'ended' | 'closed';
/** What moves {@link BroadcastPackagerState}. */
export type BroadcastPackagerEvent = 'media-came' | 'publisher-lost' | 'broadcast-ended' | 'closed';

/** The life of a broadcast in this tier. */
export const BROADCAST_PACKAGER_TRANSITIONS = {
	waiting: { 'media-came': 'live', 'publisher-lost': 'waiting', 'broadcast-ended': 'ended', closed: 'closed' },
	live: { 'media-came': 'live', 'publisher-lost': 'interrupted', 'broadcast-ended': 'ended', closed: 'closed' },
	interrupted: { 'media-came': 'live', 'publisher-lost': 'interrupted', 'broadcast-ended': 'ended', closed: 'closed' },
	ended: { closed: 'closed' },
	closed: {},
} as const satisfies TransitionTable<BroadcastPackagerState, BroadcastPackagerEvent>;

/** Why a broadcast's media is not served any more. */
export type BroadcastPackagerCloseReason = 'window-expired' | 'packager-closed' | 'replaced' | 'server-shutdown';

/** Events of a broadcast packager. */
export type BroadcastPackagerEvents = {
	/** A part of a rendition can be fetched. */
	partAdded: [trackId: TrackId, part: Part];
	/** The multivariant playlist can be served from now on. Emitted once. */
	ready: [];
	/** All playlists have their ENDLIST. Emitted once. */
	ended: [];
	/** Nothing is served any more. Emitted once. */
	closed: [reason: BroadcastPackagerCloseReason];
};

/** Once one track has a part, this long is waited for the others before the multivariant playlist goes without them. */
const READY_WAIT_MS = 2000;
/** A track that falls behind the others by this much is filled up, so that players do not stall on it. */
const SILENCE_AFTER_SECONDS = 2.5;
/** A track that the run does not have is filled up at once, in steps of about a part. */
const FILL_STEP_SECONDS = 0.25;
/** Time jumps are answered by a discontinuity at most this often; units are dropped otherwise. */
const JUMP_RESTART_INTERVAL_MS = 10_000;
/** What the window may shrink to when memory is short. */
const LEAST_WINDOW_SECONDS = 12;
/** Media in memory: two windows (the listed one, and what left it and must stay as long), and this for whole segments. */
const KEPT_BESIDES_SECONDS = 11;

/** One rendition with what is known of its track, for the multivariant playlist. */
export type RenditionEntry = {
	trackId: TrackId;
	rendition: Rendition;
	/** Of the newest run that had the track. */
	config: TrackConfig;
	/** Frames a second, once measured; video only. */
	frameRate: number | undefined;
};

type Track = RenditionEntry & {
	sequence: { next: number };
	writer: TrackWriter | undefined;
	/** The current run has it. */
	isInRun: boolean;
	/** It has media of the current run. */
	hasRunMedia: boolean;
};

/** Implements {@link TrackSink} for the LL-HLS tier. Made by `Packager.startBroadcast()`. */
export class BroadcastPackager extends TypedEmitter<BroadcastPackagerEvents> implements TrackSink {
	readonly broadcastId: BroadcastId;
	readonly channelName: ChannelName;
	/** Media by `track/file`. */
	readonly store: SegmentStore = new MemorySegmentStore();
	/** Resolves once the multivariant playlist can be served; never, when the broadcast ends or closes before. */
	readonly firstPartReady: Promise<void>;
	readonly #scope: CloseScope<BroadcastPackagerCloseReason>;
	readonly #clock: Clock;
	readonly #config: PackagerConfig;
	readonly #logger: Logger;
	readonly #state: StateMachine<BroadcastPackagerState, BroadcastPackagerEvent>;
	readonly #tracks = new Map<TrackId, Track>();
	readonly #droppedUnits: RateLimitedReport;
	readonly #forcedCuts: RateLimitedReport;
	readonly #ignoredTracks = new Set<TrackId>();
	readonly #awayGaps: AwayGaps;
	#run = -1;
	#runTracks: ReadonlyMap<TrackId, TrackConfig> = new Map();
	#gate: RunGate | undefined;
	/** Runs that had media: the discontinuity sequence number of the current one. */
	#discontinuitySequence = -1;
	#windowSeconds: number;
	/** The current run began with a picture; else it began with sound alone, after a wait. */
	#hasPicture = false;
	#isReady = false;
	#cancelReadyWait: (() => void) | undefined;
	#restartedAtMs = -Infinity;

	constructor(options: {
		broadcastId: BroadcastId;
		channelName: ChannelName;
		config: PackagerConfig;
		clock: Clock;
		logger: Logger;
	}) {
		super(options.logger);
		this.broadcastId = options.broadcastId;
		this.channelName = options.channelName;
		this.#clock = options.clock;
		this.#config = options.config;
		this.#logger = options.logger;
		this.#windowSeconds = options.config.windowSeconds;
		this.#scope = new CloseScope(options.logger);
		this.#awayGaps = new AwayGaps(options.clock);
		this.#droppedUnits = new RateLimitedReport(options.clock, options.logger, 'access units were dropped', 5000);
		this.#forcedCuts = new RateLimitedReport(
			options.clock,
			options.logger,
			'a segment was cut without a key frame; the source should send one at least every 2.5 s',
			10_000,
		);
		this.#state = new StateMachine<BroadcastPackagerState, BroadcastPackagerEvent>({
			table: BROADCAST_PACKAGER_TRANSITIONS,
			initial: 'waiting',
			logger: options.logger,
		});
		this.firstPartReady = new Promise((resolve) => this.on('ready', resolve, { once: true }));
	}

	/** Where the broadcast is in its life. */
	get state(): BroadcastPackagerState {
		return this.#state.state;
	}

	/** True once the multivariant playlist can be served. */
	get isReady(): boolean {
		return this.#isReady;
	}

	/** Aborts when the media is not served any more. */
	get signal(): AbortSignal {
		return this.#scope.signal;
	}

	/** The renditions that exist, video first, in the order of their numbers. */
	get renditions(): readonly RenditionEntry[] {
		const rank = ({ trackId, config }: RenditionEntry): string => (config.kind === 'video' ? '0' : '1') + trackId;
		return [...this.#tracks.values()]
			.filter((track) => track.rendition.hasParts)
			.sort((one, other) => (rank(one) < rank(other) ? -1 : 1));
	}

	/** One rendition by its track. */
	rendition(trackId: string): Rendition | undefined {
		return this.#tracks.get(trackId as TrackId)?.rendition;
	}

	/** What a track carries. */
	trackKind(trackId: string): TrackKind | undefined {
		return this.#tracks.get(trackId as TrackId)?.config.kind;
	}

	/** Seconds that the window lists now; less than configured when memory is short. */
	get windowSeconds(): number {
		return this.#windowSeconds;
	}

	/** Counts of what should not happen, since the broadcast began. */
	get counters(): { droppedUnits: number; forcedCuts: number; earlyEvictions: number } {
		let earlyEvictions = 0;
		for (const track of this.#tracks.values()) {
			earlyEvictions += track.rendition.earlyEvictionCount;
		}
		return { droppedUnits: this.#droppedUnits.total, forcedCuts: this.#forcedCuts.total, earlyEvictions };
	}

	/** {@link TrackSink.beginRun}. Runs that are not newer than the current one are ignored. */
	beginRun(run: number, tracks: ReadonlyMap<TrackId, TrackConfig>): void {
		if (this.#isOver() || run <= this.#run) {
			return;
		}
		this.#flush();
		this.#run = run;
		const supported = new Map<TrackId, TrackConfig>();
		for (const [trackId, config] of tracks) {
			if (isPackageable(config)) {
				supported.set(trackId, config);
			} else if (!this.#ignoredTracks.has(trackId)) {
				this.#ignoredTracks.add(trackId);
				this.#logger.warn(
					{ trackId, codec: config.codec },
					'track ignored: LL-HLS takes H.264 and AAC with their configuration',
				);
			}
		}
		this.#runTracks = supported;
		this.#openGate();
	}

	/** {@link TrackSink.write}. */
	write(accessUnit: AccessUnit): void {
		if (this.#isOver() || !this.#runTracks.has(accessUnit.trackId)) {
			return;
		}
		if (
			accessUnit.run !== this.#run ||
			(this.state === 'interrupted' && this.#gate === undefined) ||
			!isSane(accessUnit)
		) {
			this.#drop(accessUnit, 'not of this run');
			return;
		}
		if (this.#gate === undefined) {
			this.#deliver(accessUnit);
			return;
		}
		const start = this.#gate.admit(accessUnit);
		if (start !== undefined) {
			this.#gate = undefined;
			this.#startRun(start);
			for (const held of start.accessUnits) {
				this.#deliver(held);
			}
		}
	}

	/** {@link TrackSink.interrupt}. */
	interrupt(): void {
		if (this.#isOver()) {
			return;
		}
		this.#flush();
		this.#gate = undefined;
		this.#state.handle('publisher-lost');
		if (this.state === 'interrupted') {
			this.#awayGaps.begin(this.renditions.map(({ rendition }) => rendition));
		}
	}

	/** {@link TrackSink.end}. The playlists stay for as long as they have media, then the broadcast closes itself. */
	end(): void {
		if (this.#isOver()) {
			return;
		}
		this.#flush();
		this.#awayGaps.stop();
		this.#state.handle('broadcast-ended');
		this.#cancelReadyWait?.();
		for (const track of this.#tracks.values()) {
			track.rendition.end();
		}
		this.emit('ended');
		// L-46: served for at least the window after the end.
		const servedMs = (this.#config.windowSeconds + 9) * 1000;
		this.#scope.onClose(this.#clock.setTimeout(() => void this.close('window-expired'), servedMs));
	}

	/** Stops serving at once; what waits is released. Idempotent. */
	close(reason: BroadcastPackagerCloseReason): Promise<void> {
		if (!this.#scope.closed) {
			this.#cancelReadyWait?.();
			this.#awayGaps.stop();
			this.#state.handle('closed');
			this.#scope.onClose(() => {
				this.store.clear();
				this.emit('closed', reason);
			});
		}
		return this.#scope.close(reason);
	}

	#isOver(): boolean {
		return this.state === 'ended' || this.state === 'closed';
	}

	#openGate(): void {
		this.#gate = new RunGate([...this.#runTracks.values()].some((config) => config.kind === 'video'));
	}

	#startRun(start: RunStart): void {
		this.#awayGaps.stop();
		this.#discontinuitySequence++;
		for (const [trackId, config] of this.#runTracks) {
			const track = this.#tracks.get(trackId) ?? this.#createTrack(trackId, config);
			track.config = config;
			track.isInRun = true;
		}
		const tracks = [...this.#runTracks];
		const [leadingTrackId] = tracks.find(([, config]) => config.kind === 'video') ?? tracks[0]!;
		const dates = new RunDates(leadingTrackId, start);
		this.#hasPicture = start.accessUnits.some(({ kind }) => kind === 'video');
		for (const track of this.#tracks.values()) {
			const isInRun = this.#runTracks.has(track.trackId);
			track.isInRun = isInRun;
			track.hasRunMedia = false;
			const delayTicks = presentationDelayTicks(start, track.trackId);
			track.rendition.beginRun({
				// A track that this run lacks goes on with silence under the configuration it had.
				initBytes: isInRun || track.config.kind === 'audio' ? writeInitSegment(track.config, delayTicks) : undefined,
				timescale: cmafTimescale(track.config),
				discontinuitySequence: this.#discontinuitySequence,
				dates,
			});
			const writerStart = {
				rendition: track.rendition,
				startSeconds: start.startSeconds,
				captureTimeMs: start.captureTimeMs,
				sequence: track.sequence,
				onForcedCut: () => this.#forcedCuts.count({ trackId: track.trackId }),
			};
			track.writer =
				track.config.kind === 'video'
					? new VideoTrackWriter(writerStart, delayTicks)
					: new AudioTrackWriter(writerStart, track.config);
		}
		this.#state.handle('media-came');
	}

	#createTrack(trackId: TrackId, config: TrackConfig): Track {
		const rendition = new Rendition({
			trackId,
			store: this.store,
			windowSeconds: this.#windowSeconds,
			discontinuitySequence: Math.max(0, this.#discontinuitySequence),
			logger: this.#logger,
		});
		rendition.on('partAdded', (part) => this.#onPartAdded(trackId, part));
		rendition.on('segmentAdded', (segment) => {
			track.frameRate = (config.kind === 'video' ? frameRateOfSegment(segment) : undefined) ?? track.frameRate;
			this.#keepBound();
		});
		const track: Track = {
			trackId,
			rendition,
			config,
			frameRate: undefined,
			sequence: { next: 1 },
			writer: undefined,
			isInRun: true,
			hasRunMedia: false,
		};
		this.#tracks.set(trackId, track);
		return track;
	}

	#deliver(accessUnit: AccessUnit): void {
		const track = this.#tracks.get(accessUnit.trackId);
		const result = track?.writer?.write(accessUnit);
		if (track === undefined || result === undefined) {
			return;
		}
		if (result === 'written') {
			track.hasRunMedia = true;
			this.#fillOthers(track);
		} else if (result === 'dropped') {
			this.#drop(accessUnit, 'no place for it');
		} else {
			this.#restartAfterJump(accessUnit);
		}
	}

	/** Keeps the renditions in step: a track that has nothing to say is filled up to where `leader` is. */
	#fillOthers(leader: Track): void {
		const leaderSeconds = leader.writer!.endSeconds;
		for (const track of this.#tracks.values()) {
			if (track === leader || track.writer === undefined) {
				continue;
			}
			const behindSeconds = leaderSeconds - track.writer.endSeconds;
			if (behindSeconds > (track.isInRun ? SILENCE_AFTER_SECONDS : FILL_STEP_SECONDS)) {
				track.hasRunMedia = true;
				track.writer.fillUntil(track.isInRun ? leaderSeconds - FILL_STEP_SECONDS : leaderSeconds);
			}
		}
	}

	// F-15: a jump is a discontinuity of all tracks. Rarely, lest two tracks on two timelines end each other's runs forever.
	#restartAfterJump(accessUnit: AccessUnit): void {
		const nowMs = this.#clock.monotonicMs();
		if (nowMs - this.#restartedAtMs < JUMP_RESTART_INTERVAL_MS) {
			this.#drop(accessUnit, 'time jumped again');
			return;
		}
		this.#restartedAtMs = nowMs;
		this.#logger.warn(
			{ trackId: accessUnit.trackId, toSeconds: secondsOf(accessUnit) },
			'media time jumped; a discontinuity follows',
		);
		this.#flush();
		this.#openGate();
		this.write(accessUnit);
	}

	/** Publishes all that is open and sees to it that every rendition has a segment of the run that ends. */
	#flush(): void {
		if (this.#gate !== undefined) {
			return;
		}
		const tracks = [...this.#tracks.values()].filter((track) => track.writer !== undefined);
		for (const track of tracks) {
			track.writer!.flush();
		}
		const endSeconds = Math.max(
			...tracks.filter((track) => track.hasRunMedia).map((track) => track.writer!.endSeconds),
		);
		for (const track of tracks) {
			// Else the run's discontinuity would be missing here and the numbers out of step.
			if (Number.isFinite(endSeconds) && !track.hasRunMedia && track.rendition.hasParts) {
				track.writer!.fillUntil(Math.max(endSeconds, track.writer!.endSeconds + FILL_STEP_SECONDS));
				track.writer!.flush();
			}
			track.writer = undefined;
		}
	}

	#onPartAdded(trackId: TrackId, part: Part): void {
		const track = this.#tracks.get(trackId)!;
		if (track.config.kind === 'video') {
			track.frameRate ??= frameRateOfPart(part, VIDEO_CLOCK_RATE);
		}
		this.emit('partAdded', trackId, part);
		if (this.#isReady) {
			return;
		}
		// A picture that was waited for in vain is not waited for again.
		const isAwaited = (config: TrackConfig): boolean => this.#hasPicture || config.kind !== 'video';
		if ([...this.#runTracks].every(([id, config]) => this.#tracks.get(id)?.rendition.hasParts || !isAwaited(config))) {
			this.#becomeReady();
		} else {
			this.#cancelReadyWait ??= this.#clock.setTimeout(() => this.#becomeReady(), READY_WAIT_MS);
		}
	}

	#becomeReady(): void {
		this.#cancelReadyWait?.();
		if (!this.#isReady && !this.#scope.closed) {
			this.#isReady = true;
			this.emit('ready');
		}
	}

	/** Keeps the memory bound: the window shrinks to what fits at the present rate, twice, for what left it is kept as long. */
	#keepBound(): void {
		const tracks = [...this.#tracks.values()];
		const bytesPerSecond = tracks.reduce((sum, track) => sum + track.rendition.bytesPerSecond, 0);
		const fittingSeconds = (this.#config.maxBroadcastBytes / bytesPerSecond - KEPT_BESIDES_SECONDS) / 2;
		const windowSeconds = Math.max(LEAST_WINDOW_SECONDS, Math.min(this.#config.windowSeconds, fittingSeconds));
		if (windowSeconds < this.#windowSeconds) {
			this.#logger.info({ windowSeconds, bytesPerSecond }, 'the window shrinks to keep the memory bound');
			this.#windowSeconds = windowSeconds;
			for (const track of tracks) {
				track.rendition.shrinkWindow(windowSeconds);
			}
		}
		while (
			this.store.totalBytes > this.#config.maxBroadcastBytes &&
			tracks.some((track) => track.rendition.evictEarly())
		) {
			// The evictions are the condition's doing: one segment a rendition and round, until it fits or nothing is left.
		}
	}

	#drop(accessUnit: AccessUnit, reason: string): void {
		this.#droppedUnits.count({ trackId: accessUnit.trackId, run: accessUnit.run, reason });
	}
}

/** Ticks from decoding to showing the track's first key frame; 0 for sound, and for a picture that is not there yet. */
function presentationDelayTicks(start: RunStart, trackId: TrackId): number {
	const first = start.accessUnits.find((unit) => unit.trackId === trackId && unit.isKeyFrame);
	return first === undefined ? 0 : Math.max(0, first.presentationTimeTicks - first.decodeTimeTicks);
}

// What comes over a process boundary may be broken; one NaN would spoil a timeline for good.
function isSane(accessUnit: AccessUnit): boolean {
	return (
		Number.isSafeInteger(accessUnit.decodeTimeTicks) &&
		Number.isSafeInteger(accessUnit.presentationTimeTicks) &&
		accessUnit.decodeTimeTicks >= 0 &&
		Number.isFinite(accessUnit.captureTimeMs) &&
		accessUnit.bytes.length > 0
	);
}
