/** One broadcast in LL-HLS: packages its access units and keeps its renditions in step through runs and pauses. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import type { BroadcastId, ChannelName } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import type { AccessUnit, TrackId, TrackKind } from '../../core/media/access-unit.ts';
import type { TrackConfig } from '../../core/media/codecs.ts';
import type { Rung } from '../../core/media/rung.ts';
import type { TrackSink } from '../../core/media/track-sink.ts';
import { RateLimitedReport } from '../../core/limits/rate-limited-report.ts';
import { Timer } from '../../core/lifecycle/timer.ts';
import { StateMachine, type TransitionTable } from '../../core/lifecycle/state-machine.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import type { Archive } from './archive.ts';
import { AwayGaps } from './away-gaps.ts';
import { isPackageable } from '../cmaf/init-segment.ts';
import { LiveWindow } from '../store/live-window.ts';
import type { PackagerConfig } from '../config/packager-config.ts';
import type { Part } from '../rendition/part.ts';
import type { Rendition } from '../rendition/rendition.ts';
import type { Segment } from '../rendition/segment.ts';
import { leadingPicture, RunGate, secondsOf, type RunStart } from '../segmenting/run-gate.ts';
import { TracksInStep, type RenditionEntry } from './tracks-in-step.ts';

/** `waiting`: no media yet. `interrupted`: the publisher is away. `ended`: ENDLIST, still served. */
type BroadcastPackagerState = 'waiting' | 'live' | 'interrupted' | 'ended' | 'closed';
type BroadcastPackagerEvent = 'media-came' | 'publisher-lost' | 'broadcast-ended' | 'closed';

/** The life of a broadcast in this tier. @internal for tests */
export const BROADCAST_PACKAGER_TRANSITIONS = {
	waiting: { 'media-came': 'live', 'publisher-lost': 'waiting', 'broadcast-ended': 'ended', closed: 'closed' },
	live: { 'media-came': 'live', 'publisher-lost': 'interrupted', 'broadcast-ended': 'ended', closed: 'closed' },
	interrupted: { 'media-came': 'live', 'publisher-lost': 'interrupted', 'broadcast-ended': 'ended', closed: 'closed' },
	ended: { closed: 'closed' },
	closed: {},
} as const satisfies TransitionTable<BroadcastPackagerState, BroadcastPackagerEvent>;

/** Why a broadcast's media is not served any more. */
type BroadcastPackagerCloseReason = 'window-expired' | 'packager-closed' | 'replaced' | 'server-shutdown';

type BroadcastPackagerEvents = {
	/** A part of a rendition can be fetched. */
	partAdded: [trackId: TrackId, part: Part];
	/** A segment of a track is complete; its media is in the store now. */
	segmentAdded: [track: RenditionEntry, segment: Segment];
	/** The multivariant playlist can be served from now on. Emitted once. */
	ready: [];
	/** All playlists have their ENDLIST. Emitted once. */
	ended: [];
	/** Nothing is served any more. Emitted once. */
	closed: [reason: BroadcastPackagerCloseReason];
};

/** Once one track has a part, the multivariant playlist waits this long for the others. */
const READY_WAIT_MS = 2000;
/** A time jump makes a discontinuity at most this often; otherwise its units are dropped. */
const JUMP_RESTART_INTERVAL_MS = 10_000;
type BroadcastPackagerDependencies = { config: PackagerConfig; clock: Clock; logger: Logger };

/** Implements {@link TrackSink} for the LL-HLS tier. Made by `Packager.startBroadcast()`. */
export class BroadcastPackager extends TypedEmitter<BroadcastPackagerEvents> implements TrackSink {
	readonly broadcastId: BroadcastId;
	readonly channelName: ChannelName;
	/** Media by `track/file`. */
	readonly store = new LiveWindow();
	/** What is kept beyond the live window; set by who keeps it. */
	archive: Archive | undefined;
	/** Resolves once the multivariant playlist can be served; stays pending when the broadcast ends before. */
	readonly firstPartReady: Promise<void>;
	readonly #scope: CloseScope<BroadcastPackagerCloseReason>;
	readonly #deps: BroadcastPackagerDependencies;
	readonly #state: StateMachine<BroadcastPackagerState, BroadcastPackagerEvent>;
	readonly #tracks: TracksInStep;
	readonly #droppedUnits: RateLimitedReport;
	readonly #ignoredTracks = new Set<TrackId>();
	readonly #awayGaps: AwayGaps;
	readonly #readyTimer: Timer;
	#run = -1;
	#runTracks: ReadonlyMap<TrackId, TrackConfig> = new Map();
	#rungs: ReadonlyMap<TrackId, Rung> = new Map();
	/** Rungs of the run that have no media for now. */
	readonly #paused = new Set<TrackId>();
	#gate: RunGate | undefined;
	/** The current run began with a picture; otherwise with sound alone, after a wait. */
	#hasPicture = false;
	#isReady = false;
	#restartedAtMs = -Infinity;

	constructor(
		deps: BroadcastPackagerDependencies,
		{ broadcastId, channelName }: { broadcastId: BroadcastId; channelName: ChannelName },
	) {
		super(deps.logger);
		this.#deps = deps;
		this.broadcastId = broadcastId;
		this.channelName = channelName;
		const { clock, logger } = deps;
		this.#scope = new CloseScope(logger);
		this.#awayGaps = new AwayGaps(clock);
		this.#readyTimer = new Timer(clock, () => this.#becomeReady());
		this.#droppedUnits = new RateLimitedReport(clock, logger, 'access units were dropped', 5000);
		this.#tracks = new TracksInStep({
			...deps,
			store: this.store,
			onPartAdded: (trackId, part) => this.#onPartAdded(trackId, part),
			onSegmentAdded: (track, segment) => this.emit('segmentAdded', track, segment),
		});
		this.#state = new StateMachine<BroadcastPackagerState, BroadcastPackagerEvent>({
			table: BROADCAST_PACKAGER_TRANSITIONS,
			initial: 'waiting',
			logger,
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
		return this.#tracks.renditions;
	}

	/** Those of them that players may choose now. */
	get offered(): readonly RenditionEntry[] {
		return this.#tracks.offered;
	}

	rendition(trackId: string): Rendition | undefined {
		return this.#tracks.rendition(trackId);
	}

	trackKind(trackId: string): TrackKind | undefined {
		return this.#tracks.kindOf(trackId);
	}

	/** Seconds that the window lists now; less than configured when memory is short. */
	get windowSeconds(): number {
		return this.#tracks.windowSeconds;
	}

	/** Irregularities since the broadcast began. */
	get counters(): { droppedUnits: number; forcedCuts: number; earlyEvictions: number } {
		return { droppedUnits: this.#droppedUnits.total, ...this.#tracks.counters };
	}

	/** Ignores a run that is not newer than the current one. */
	beginRun(
		run: number,
		tracks: ReadonlyMap<TrackId, TrackConfig>,
		rungs: ReadonlyMap<TrackId, Rung> = new Map(),
	): void {
		if (this.#isOver() || run <= this.#run) {
			return;
		}
		this.#flush(true);
		this.#run = run;
		const supported = new Map<TrackId, TrackConfig>();
		for (const [trackId, config] of tracks) {
			if (isPackageable(config)) {
				supported.set(trackId, config);
			} else if (!this.#ignoredTracks.has(trackId)) {
				this.#ignoredTracks.add(trackId);
				this.#deps.logger.warn(
					{ trackId, codec: config.codec },
					'track ignored: LL-HLS supports H.264 and AAC with their configuration',
				);
			}
		}
		this.#runTracks = supported;
		this.#rungs = rungs;
		this.#paused.clear();
		this.#openGate();
	}

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
		this.#paused.delete(accessUnit.trackId);
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

	pauseTrack(trackId: TrackId): void {
		if (this.#isOver() || !this.#runTracks.has(trackId)) {
			return;
		}
		this.#paused.add(trackId);
		if (this.#gate === undefined) {
			this.#tracks.pause(trackId);
		}
	}

	interrupt(): void {
		if (this.#isOver()) {
			return;
		}
		this.#flush();
		this.#gate = undefined;
		this.#state.handle('publisher-lost');
		if (this.state === 'interrupted') {
			this.#awayGaps.begin(this.#tracks.all);
		}
	}

	/** The playlists stay for as long as they have media, then the broadcast closes itself. */
	end(): void {
		if (this.#isOver()) {
			return;
		}
		this.#flush();
		this.#awayGaps.stop();
		this.#state.handle('broadcast-ended');
		this.#readyTimer.disarm();
		this.#tracks.end();
		this.emit('ended');
		// L-46: served for at least the window after the end.
		const servedMs = (this.#deps.config.windowSeconds + 9) * 1000;
		this.#scope.after(this.#deps.clock, servedMs, () => void this.close('window-expired'));
	}

	/** Stops serving at once and releases all requests that wait. Idempotent. */
	close(reason: BroadcastPackagerCloseReason): Promise<void> {
		if (!this.#scope.closed) {
			this.#readyTimer.disarm();
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
		this.#gate = new RunGate(leadingPicture(this.#runTracks, this.#rungs));
	}

	#startRun(start: RunStart): void {
		this.#awayGaps.stop();
		const leaderId = leadingPicture(this.#runTracks, this.#rungs);
		this.#hasPicture = start.accessUnits.some(({ trackId }) => trackId === leaderId);
		this.#tracks.beginRun(start, this.#runTracks, this.#rungs);
		for (const trackId of this.#paused) {
			this.#tracks.pause(trackId);
		}
		this.#state.handle('media-came');
	}

	#deliver(accessUnit: AccessUnit): void {
		const result = this.#tracks.write(accessUnit);
		if (result === 'dropped') {
			this.#drop(accessUnit, 'no place for it');
		} else if (result === 'jumped') {
			this.#restartAfterJump(accessUnit);
		}
	}

	// F-15: a jump is a discontinuity of all tracks. It must stay rare: two tracks on two timelines could end each
	// other's runs without end.
	#restartAfterJump(accessUnit: AccessUnit): void {
		const nowMs = this.#deps.clock.monotonicMs();
		if (nowMs - this.#restartedAtMs < JUMP_RESTART_INTERVAL_MS) {
			this.#drop(accessUnit, 'time jumped again');
			return;
		}
		this.#restartedAtMs = nowMs;
		this.#deps.logger.warn(
			{ trackId: accessUnit.trackId, toSeconds: secondsOf(accessUnit) },
			'media time jumped; a discontinuity follows',
		);
		this.#flush();
		this.#openGate();
		this.write(accessUnit);
	}

	/** Nothing is open while a run waits for its start, except what encoders have of the run before. */
	#flush(hasNext = false): void {
		if (this.#gate === undefined || !hasNext) {
			this.#tracks.flush(hasNext);
		}
	}

	#onPartAdded(trackId: TrackId, part: Part): void {
		this.emit('partAdded', trackId, part);
		if (this.#isReady) {
			return;
		}
		// A picture whose wait is over is not waited for again.
		const isAwaited = (id: TrackId, config: TrackConfig): boolean =>
			(this.#hasPicture || config.kind !== 'video') && !this.#paused.has(id);
		if ([...this.#runTracks].every(([id, config]) => this.rendition(id)?.hasParts || !isAwaited(id, config))) {
			this.#becomeReady();
		} else {
			this.#readyTimer.armOnce(READY_WAIT_MS);
		}
	}

	#becomeReady(): void {
		this.#readyTimer.disarm();
		if (!this.#isReady && !this.#scope.closed) {
			this.#isReady = true;
			this.emit('ready');
		}
	}

	#drop(accessUnit: AccessUnit, reason: string): void {
		this.#droppedUnits.count({ trackId: accessUnit.trackId, run: accessUnit.run, reason });
	}
}

// Values from another process may be broken, and one NaN spoils a timeline for good.
function isSane(accessUnit: AccessUnit): boolean {
	return (
		Number.isSafeInteger(accessUnit.decodeTimeTicks) &&
		Number.isSafeInteger(accessUnit.presentationTimeTicks) &&
		accessUnit.decodeTimeTicks >= 0 &&
		Number.isFinite(accessUnit.captureTimeMs) &&
		accessUnit.bytes.length > 0
	);
}
