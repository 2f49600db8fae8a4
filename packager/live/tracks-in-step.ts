/** The tracks of one broadcast: begins their runs and keeps their renditions in step and within the memory bound. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { RateLimitedReport } from '../../core/limits/rate-limited-report.ts';
import type { Logger } from '../../core/logger.ts';
import type { AccessUnit, TrackId, TrackKind } from '../../core/media/access-unit.ts';
import type { TrackConfig } from '../../core/media/codecs.ts';
import { VIDEO_CLOCK_RATE } from '../../core/units.ts';
import { cmafTimescale, writeInitSegment } from '../cmaf/init-segment.ts';
import type { PackagerConfig } from '../config/packager-config.ts';
import type { Part } from '../rendition/part.ts';
import { Rendition } from '../rendition/rendition.ts';
import { RunDates } from '../rendition/run-dates.ts';
import { frameRateOfPart, frameRateOfSegment } from '../segmenting/frame-cadence.ts';
import type { RunStart } from '../segmenting/run-gate.ts';
import { AudioTrackWriter, VideoTrackWriter, type TrackWriter, type WriteResult } from '../segmenting/track-writer.ts';
import type { LiveWindow } from '../store/live-window.ts';

/** A track behind the others by this much is filled up, so that players do not stall on it. */
const SILENCE_AFTER_SECONDS = 2.5;
/** A track that the run lacks is filled up at once, in steps of about a part. */
const FILL_STEP_SECONDS = 0.25;
/** Lower bound of the window when memory is short. */
const LEAST_WINDOW_SECONDS = 12;
/** Whole segments kept in memory besides two windows: the listed one, and as much that has left it. */
const KEPT_BESIDES_SECONDS = 11;

/** One rendition with the facts of its track, for the multivariant playlist. */
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

type TracksDependencies = {
	config: PackagerConfig;
	clock: Clock;
	logger: Logger;
	store: LiveWindow;
	/** Called for each part that can be fetched. */
	onPartAdded: (trackId: TrackId, part: Part) => void;
};

/** Lives as long as the broadcast, as does each track from its first run on. */
export class TracksInStep {
	readonly #deps: TracksDependencies;
	readonly #tracks = new Map<TrackId, Track>();
	readonly #forcedCuts: RateLimitedReport;
	#windowSeconds: number;
	/** Runs that had media: the discontinuity sequence number of the current one. */
	#discontinuitySequence = -1;

	constructor(deps: TracksDependencies) {
		this.#deps = deps;
		this.#windowSeconds = deps.config.windowSeconds;
		this.#forcedCuts = new RateLimitedReport(
			deps.clock,
			deps.logger,
			'a segment was cut without a key frame; the source should send one at least every 2.5 s',
			10_000,
		);
	}

	get renditions(): readonly RenditionEntry[] {
		const rank = ({ trackId, config }: Track): string => (config.kind === 'video' ? '0' : '1') + trackId;
		return [...this.#tracks.values()]
			.filter((track) => track.rendition.hasParts)
			.sort((one, other) => (rank(one) < rank(other) ? -1 : 1));
	}

	rendition(trackId: string): Rendition | undefined {
		return this.#tracks.get(trackId as TrackId)?.rendition;
	}

	kindOf(trackId: string): TrackKind | undefined {
		return this.#tracks.get(trackId as TrackId)?.config.kind;
	}

	get windowSeconds(): number {
		return this.#windowSeconds;
	}

	get counters(): { forcedCuts: number; earlyEvictions: number } {
		const tracks = [...this.#tracks.values()];
		const earlyEvictions = tracks.reduce((sum, { rendition }) => sum + rendition.earlyEvictionCount, 0);
		return { forcedCuts: this.#forcedCuts.total, earlyEvictions };
	}

	/** Begins a run of these tracks on all renditions, with an init segment and a writer each. */
	beginRun(start: RunStart, runTracks: ReadonlyMap<TrackId, TrackConfig>): void {
		this.#discontinuitySequence++;
		for (const [trackId, config] of runTracks) {
			const track = this.#tracks.get(trackId) ?? this.#createTrack(trackId, config);
			track.config = config;
		}
		const tracks = [...runTracks];
		const [leadingTrackId] = tracks.find(([, config]) => config.kind === 'video') ?? tracks[0]!;
		const dates = new RunDates(leadingTrackId, start);
		for (const track of this.#tracks.values()) {
			const { trackId, rendition, config, sequence } = track;
			track.isInRun = runTracks.has(trackId);
			track.hasRunMedia = false;
			const delayTicks = presentationDelayTicks(start, trackId);
			rendition.beginRun({
				// A track that this run lacks continues with silence under its last configuration.
				initBytes: track.isInRun || config.kind === 'audio' ? writeInitSegment(config, delayTicks) : undefined,
				timescale: cmafTimescale(config),
				discontinuitySequence: this.#discontinuitySequence,
				dates,
			});
			const { startSeconds, captureTimeMs } = start;
			const onForcedCut = (): void => this.#forcedCuts.count({ trackId });
			const writerStart = { rendition, startSeconds, captureTimeMs, sequence, onForcedCut };
			track.writer =
				config.kind === 'video'
					? new VideoTrackWriter(writerStart, delayTicks)
					: new AudioTrackWriter(writerStart, config);
		}
	}

	/** Writes a unit of the current run; undefined when the run does not have its track. */
	write(accessUnit: AccessUnit): WriteResult | undefined {
		const track = this.#tracks.get(accessUnit.trackId);
		const result = track?.writer?.write(accessUnit);
		if (track !== undefined && result === 'written') {
			track.hasRunMedia = true;
			this.#fillOthers(track);
		}
		return result;
	}

	/** The track has no media for now: it is filled up like one that the run lacks, until its next unit. */
	pause(trackId: TrackId): void {
		const track = this.#tracks.get(trackId);
		if (track !== undefined) {
			track.isInRun = false;
		}
	}

	/** Ends the run: publishes all that is open and ensures that every rendition has a segment of it. */
	flush(): void {
		const tracks = [...this.#tracks.values()].filter((track) => track.writer !== undefined);
		for (const track of tracks) {
			track.writer!.flush();
		}
		const endSeconds = Math.max(
			...tracks.filter((track) => track.hasRunMedia).map((track) => track.writer!.endSeconds),
		);
		for (const track of tracks) {
			// Otherwise the run's discontinuity is missing here and the numbers are out of step.
			if (Number.isFinite(endSeconds) && !track.hasRunMedia && track.rendition.hasParts) {
				track.writer!.fillUntil(Math.max(endSeconds, track.writer!.endSeconds + FILL_STEP_SECONDS));
				track.writer!.flush();
			}
			track.writer = undefined;
		}
	}

	/** No media follows. */
	end(): void {
		for (const track of this.#tracks.values()) {
			track.rendition.end();
		}
	}

	#createTrack(trackId: TrackId, config: TrackConfig): Track {
		const { store, logger } = this.#deps;
		const rendition = new Rendition(
			{ store, logger },
			{
				trackId,
				windowSeconds: this.#windowSeconds,
				discontinuitySequence: Math.max(0, this.#discontinuitySequence),
			},
		);
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
		rendition.on('partAdded', (part) => {
			if (track.config.kind === 'video') {
				track.frameRate ??= frameRateOfPart(part, VIDEO_CLOCK_RATE);
			}
			this.#deps.onPartAdded(trackId, part);
		});
		rendition.on('segmentAdded', (segment) => {
			track.frameRate = (config.kind === 'video' ? frameRateOfSegment(segment) : undefined) ?? track.frameRate;
			this.#keepBound();
		});
		this.#tracks.set(trackId, track);
		return track;
	}

	/** Fills tracks that have no media up to where `leader` is. */
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

	/** Shrinks the window to what fits twice at the present rate, because what left it is kept as long. */
	#keepBound(): void {
		const { config, logger, store } = this.#deps;
		const renditions = [...this.#tracks.values()].map((track) => track.rendition);
		const bytesPerSecond = renditions.reduce((sum, rendition) => sum + rendition.bytesPerSecond, 0);
		const fittingSeconds = (config.maxBroadcastBytes / bytesPerSecond - KEPT_BESIDES_SECONDS) / 2;
		const windowSeconds = Math.max(LEAST_WINDOW_SECONDS, Math.min(config.windowSeconds, fittingSeconds));
		if (windowSeconds < this.#windowSeconds) {
			logger.info({ windowSeconds, bytesPerSecond }, 'the window shrinks to keep the memory bound');
			this.#windowSeconds = windowSeconds;
			for (const rendition of renditions) {
				rendition.shrinkWindow(windowSeconds);
			}
		}
		while (store.totalBytes > config.maxBroadcastBytes && renditions.some((rendition) => rendition.evictEarly())) {
			// The condition evicts one segment per rendition and round, until all fits or nothing is left.
		}
	}
}

/** Ticks between decoding and presentation of the track's first key frame; 0 for sound and without a key frame. */
function presentationDelayTicks(start: RunStart, trackId: TrackId): number {
	const first = start.accessUnits.find((unit) => unit.trackId === trackId && unit.isKeyFrame);
	return first === undefined ? 0 : Math.max(0, first.presentationTimeTicks - first.decodeTimeTicks);
}
