/** The tracks of one broadcast: begins their runs and keeps their renditions in step and within the memory bound. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { RateLimitedReport } from '../../core/limits/rate-limited-report.ts';
import type { Logger } from '../../core/logger.ts';
import type { AccessUnit, TrackId, TrackKind } from '../../core/media/access-unit.ts';
import type { TrackConfig } from '../../core/media/codecs.ts';
import { leastIntervalSeconds, type Rung } from '../../core/media/rung.ts';
import { AAC_FRAME_SAMPLES, VIDEO_CLOCK_RATE } from '../../core/units.ts';
import { concatBytes, u32 } from '../cmaf/box-writer.ts';
import { cmafTimescale, writeInitSegment } from '../cmaf/init-segment.ts';
import type { PackagerConfig } from '../config/packager-config.ts';
import type { Part } from '../rendition/part.ts';
import { Rendition } from '../rendition/rendition.ts';
import { RunDates } from '../rendition/run-dates.ts';
import type { Segment } from '../rendition/segment.ts';
import { FollowingTrackWriter } from '../segmenting/following-track-writer.ts';
import { frameRateOfPart, frameRateOfSegment } from '../segmenting/frame-cadence.ts';
import { LeaderBorders } from '../segmenting/leader-borders.ts';
import { leadingPicture, trackNumber, type RunStart } from '../segmenting/run-gate.ts';
import {
	AudioTrackWriter,
	VideoTrackWriter,
	type TrackStart,
	type TrackWriter,
	type WriteResult,
} from '../segmenting/track-writer.ts';
import type { LiveWindow } from '../store/live-window.ts';
import { FollowedRuns } from './followed-runs.ts';

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
	/** Likewise; undefined for the source's own picture or sound. */
	rung: Rung | undefined;
	/** Frames a second, once measured; video only. */
	frameRate: number | undefined;
	/** The current run has it, and it is not paused. */
	isInRun: boolean;
};

type Track = RenditionEntry & {
	sequence: { next: number };
	/** Of a track that sets its own borders in the current run; the others follow the leading picture. */
	writer: TrackWriter | undefined;
	following: FollowedRuns;
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
	/** Called for each segment that is complete, while its media is in the window. */
	onSegmentAdded: (track: RenditionEntry, segment: Segment) => void;
};

/** Lives as long as the broadcast, as does each track from its first run on. */
export class TracksInStep {
	readonly #deps: TracksDependencies;
	readonly #tracks = new Map<TrackId, Track>();
	readonly #forcedCuts: RateLimitedReport;
	#windowSeconds: number;
	/** Runs that had media: the discontinuity sequence number of the current one. */
	#discontinuitySequence = -1;
	/** Its picture sets the borders of all rungs. */
	#leader: Track | undefined;

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
		const rankOf = ({ trackId, config }: Track): number => (config.kind === 'video' ? 0 : 1e9) + trackNumber(trackId);
		return [...this.#tracks.values()]
			.filter((track) => track.rendition.hasParts)
			.sort((one, other) => rankOf(one) - rankOf(other));
	}

	/** Those that players may choose: rungs that have media now, and the source's own picture and sound always. */
	get offered(): readonly RenditionEntry[] {
		return this.renditions.filter(({ trackId, rung, isInRun }) => {
			return rung === undefined || (isInRun && !this.#tracks.get(trackId)!.following.isAway);
		});
	}

	/** All renditions with a segment, also those whose first part is still to come. */
	get all(): readonly Rendition[] {
		return [...this.#tracks.values()].map(({ rendition }) => rendition).filter(({ segments }) => segments.length > 0);
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

	/**
	 * Begins a run of these tracks on all renditions, with an init segment and a writer each. The leading picture sets
	 * the borders of all rungs, and of pictures that the run lacks. A second picture of the source sets its own.
	 */
	beginRun(
		start: RunStart,
		runTracks: ReadonlyMap<TrackId, TrackConfig>,
		rungs: ReadonlyMap<TrackId, Rung> = new Map(),
	): void {
		this.#discontinuitySequence++;
		const mediaSequence = { video: this.#leader?.rendition.nextMediaSequence, audio: this.#nextSoundSequence() };
		for (const [trackId, config] of runTracks) {
			const track = this.#tracks.get(trackId) ?? this.#createTrack(trackId, config, mediaSequence[config.kind] ?? 1);
			track.config = config;
			track.rung = rungs.get(trackId);
		}
		const leader = this.#chooseLeader(runTracks, rungs);
		this.#leader = leader;
		const isFollower = (track: Track): boolean =>
			track !== leader && track.config.kind === 'video' && (track.rung !== undefined || !runTracks.has(track.trackId));
		const followers = [...this.#tracks.values()].filter(isFollower);
		const borders = followers.length > 0 ? new LeaderBorders() : undefined;
		const hasPicture = leader !== undefined && runTracks.has(leader.trackId);
		const dates = new RunDates(
			{
				leaderId: hasPicture ? leader.trackId : [...runTracks.keys()][0]!,
				pictureId: leader?.trackId,
				followerIds: new Set(followers.map(({ trackId }) => trackId)),
			},
			start,
		);
		const leaderDelayTicks = leader === undefined ? 0 : presentationDelayTicks(start, leader.trackId);
		for (const track of this.#tracks.values()) {
			const { trackId, rendition, config, sequence } = track;
			const isFollowing = followers.includes(track);
			track.isInRun = runTracks.has(trackId);
			track.hasRunMedia = false;
			const delayTicks = isFollowing ? leaderDelayTicks : presentationDelayTicks(start, trackId);
			const run = {
				// A track that this run lacks continues with silence under its last configuration.
				initBytes: track.isInRun || config.kind === 'audio' ? writeInitSegment(config, delayTicks) : undefined,
				timescale: cmafTimescale(config),
				discontinuitySequence: this.#discontinuitySequence,
				dates,
			};
			const { startSeconds, captureTimeMs } = start;
			const onForcedCut = (): void => this.#forcedCuts.count({ trackId });
			const keyFramePrefix = this.#discontinuitySequence > 0 ? inBandParameterSets(config) : undefined;
			const common = { rendition, startSeconds, captureTimeMs, sequence, onForcedCut };
			const writerStart: TrackStart = { ...common, keyFramePrefix };
			if (isFollowing) {
				const follower = followerOf(track, writerStart, borders!, delayTicks);
				track.following.begin(follower, startSeconds, () => rendition.beginRun(run));
				continue;
			}
			track.following.finishFormer();
			rendition.beginRun(run);
			if (config.kind === 'audio') {
				track.writer = new AudioTrackWriter(writerStart, config);
			} else {
				track.writer = new VideoTrackWriter(writerStart, delayTicks, track === leader ? borders : undefined);
			}
		}
	}

	/** Writes a unit of the current run; undefined when the run does not have its track. */
	write(accessUnit: AccessUnit): WriteResult | undefined {
		const track = this.#tracks.get(accessUnit.trackId);
		if (track === undefined) {
			return undefined;
		}
		const result = track.following.write(accessUnit) ?? track.writer?.write(accessUnit);
		if (result === 'written') {
			track.hasRunMedia = true;
			track.isInRun = true;
			if (!track.following.isFollowing) {
				this.#fillOthers(track);
				this.#follow();
			}
		}
		return result;
	}

	/** The track has no media for now: it is filled up like one that the run lacks, until its next unit. */
	pause(trackId: TrackId): void {
		const track = this.#tracks.get(trackId);
		if (track !== undefined) {
			track.isInRun = false;
			track.following.pause();
		}
	}

	/**
	 * Ends the run: publishes all that is open and ensures that every rendition has a segment of it. `hasNext`: another
	 * one follows directly, so encoders' pictures of this one still come.
	 */
	flush(hasNext = false): void {
		const tracks = [...this.#tracks.values()];
		const independent = tracks.filter((track) => track.writer !== undefined);
		this.#completeLowSounds(independent);
		for (const track of independent) {
			track.writer!.flush();
		}
		const endSeconds = Math.max(
			...independent.filter((track) => track.hasRunMedia).map((track) => track.writer!.endSeconds),
		);
		for (const track of independent) {
			// Otherwise the run's discontinuity is missing here and the numbers are out of step.
			if (Number.isFinite(endSeconds) && !track.hasRunMedia && track.rendition.hasParts) {
				track.writer!.fillUntil(Math.max(endSeconds, track.writer!.endSeconds + FILL_STEP_SECONDS));
				track.writer!.flush();
			}
			track.writer = undefined;
		}
		for (const track of tracks) {
			track.following.end(hasNext);
		}
	}

	/** No media follows. */
	end(): void {
		for (const track of this.#tracks.values()) {
			track.rendition.end();
		}
	}

	/** The run's leading picture, or else the picture that led before, which the run lacks. */
	#chooseLeader(runTracks: ReadonlyMap<TrackId, TrackConfig>, rungs: ReadonlyMap<TrackId, Rung>): Track | undefined {
		const leaderId = leadingPicture(runTracks, rungs);
		return leaderId === undefined ? this.#leader : this.#tracks.get(leaderId);
	}

	#nextSoundSequence(): number | undefined {
		const sound = [...this.#tracks.values()].find(({ config }) => config.kind === 'audio');
		return sound?.rendition.nextMediaSequence;
	}

	#createTrack(trackId: TrackId, config: TrackConfig, mediaSequence: number): Track {
		const { store, logger } = this.#deps;
		const rendition = new Rendition(
			{ store, logger },
			{
				trackId,
				windowSeconds: this.#windowSeconds,
				mediaSequence,
				discontinuitySequence: Math.max(0, this.#discontinuitySequence),
			},
		);
		const track: Track = {
			trackId,
			rendition,
			config,
			rung: undefined,
			frameRate: undefined,
			isInRun: true,
			sequence: { next: 1 },
			writer: undefined,
			following: new FollowedRuns(),
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
			this.#deps.onSegmentAdded(track, segment);
			this.#keepBound();
		});
		this.#tracks.set(trackId, track);
		return track;
	}

	/** The encoder of a low sound still has its last frames. Silence replaces them, so that parts of sounds are equal. */
	#completeLowSounds(tracks: readonly Track[]): void {
		const sounds = tracks.filter(({ config, hasRunMedia }) => config.kind === 'audio' && hasRunMedia);
		const own = sounds.find(({ rung, isInRun }) => rung === undefined && isInRun);
		for (const { rung, writer, config } of sounds) {
			if (own !== undefined && rung !== undefined) {
				// To the nearest frame, because its frames may lie between those of the source.
				writer!.fillUntil(own.writer!.endSeconds + AAC_FRAME_SAMPLES / 2 / cmafTimescale(config));
			}
		}
	}

	/** Fills tracks that have no media up to where `written` is; those that follow are filled up by their leader. */
	#fillOthers(written: Track): void {
		const writtenSeconds = written.writer!.endSeconds;
		for (const track of this.#tracks.values()) {
			if (track === written || track.writer === undefined) {
				continue;
			}
			const behindSeconds = writtenSeconds - track.writer.endSeconds;
			if (behindSeconds > (track.isInRun ? SILENCE_AFTER_SECONDS : FILL_STEP_SECONDS)) {
				track.hasRunMedia = true;
				track.writer.fillUntil(track.isInRun ? writtenSeconds - FILL_STEP_SECONDS : writtenSeconds);
			}
		}
	}

	#follow(): void {
		const leaderSeconds = this.#leader?.writer?.endSeconds;
		if (leaderSeconds === undefined) {
			return;
		}
		for (const { following } of this.#tracks.values()) {
			following.follow(leaderSeconds);
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

/**
 * The parameter sets of H.264 as key frames carry them. FFmpeg 5.1 does not read the init segment after a
 * discontinuity ("Found duplicated MOOV Atom"), so it decodes a changed picture with the first run's sets.
 * Undefined for sound.
 */
function inBandParameterSets(config: TrackConfig): Uint8Array | undefined {
	if (config.kind !== 'video') {
		return undefined;
	}
	return concatBytes([...config.sps, ...config.pps].flatMap((set) => [u32(set.length), set]));
}

function followerOf(
	{ rung, isInRun }: Track,
	start: TrackStart,
	borders: LeaderBorders,
	presentationDelayTicks: number,
): FollowingTrackWriter {
	return new FollowingTrackWriter(start, borders, {
		leastIntervalSeconds: rung?.kind === 'video' ? leastIntervalSeconds(rung.frameRate) : 0,
		presentationDelayTicks,
		isAway: !isInRun,
	});
}

/** Ticks between decoding and presentation of the track's first key frame; 0 for sound and without a key frame. */
function presentationDelayTicks(start: RunStart, trackId: TrackId): number {
	const first = start.accessUnits.find((unit) => unit.trackId === trackId && unit.isKeyFrame);
	return first === undefined ? 0 : Math.max(0, first.presentationTimeTicks - first.decodeTimeTicks);
}
