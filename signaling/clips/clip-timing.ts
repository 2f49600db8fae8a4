/** Finds where clips begin and end, to the frame: from a viewer's capture time, and from places on a page. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import { CLIP_SECONDS, CLIP_SOURCE_SECONDS, NEW_CLIP_SECONDS } from '../../core/protocol/api/clip.ts';
import { recordedObjectName } from '../../packager/recording/journal-entry.ts';
import { segmentName } from '../../packager/rendition/segment.ts';
import type { ObjectStore } from '../../packager/store/object-store.ts';
import { clipWindow, mediaOf, secondsAtDate, segmentsAround } from '../../packager/vod/clip-window.ts';
import {
	framesOf,
	lastCaptured,
	nearestFrame,
	typicalFrameSeconds,
	type CaptureClock,
	type RecordedFrame,
} from '../../packager/vod/recorded-frames.ts';
import { endOf, sourceTrack, type RecordedTrack } from '../../packager/vod/vod-playlist.ts';
import type { VideoStore } from '../videos/video-store.ts';
import type { ClipRecord, ClipTimes } from './clip-row.ts';

type ClipTimingDependencies = {
	videos: Pick<VideoStore, 'tracks' | 'startBefore' | 'trackStart'>;
	store: Pick<ObjectStore, 'get'>;
	clock: Clock;
};

type Moment = { askedMs: number; askedClock: CaptureClock };
/** What clips are of: a recording that may still grow. */
type ClippedVideo = { id: string; isGrowing: boolean };

/** Around a place: frames are looked for within it, because the two clocks differ and clients measure. */
export const MARGIN_SECONDS = 0.3;
/** Read behind a moment, so that the segment with it is among them. */
const AFTER_SECONDS = 8;
/** A moment this long after the end of a complete recording is not part of it. */
const PAST_END_SECONDS = 5;
/** A segment that was not recorded after so long does not come: the publisher is away. */
const AWAITED_MS = 20_000;
/** Looks for a frame by its own capture time, while that leads further away. */
const MAX_LOOKS = 4;
/** Printed lengths. */
const ROUNDING_SECONDS = 0.001;

export class ClipTiming {
	readonly #deps: ClipTimingDependencies;

	constructor(deps: ClipTimingDependencies) {
		this.#deps = deps;
	}

	/**
	 * Of a new clip that ends with the picture of that moment. Moments after now are now. Throws CLIP_MOMENT_MISSING,
	 * CLIP_LENGTH_INVALID, and what the store throws.
	 */
	async place(video: ClippedVideo, moment: Moment): Promise<ClipTimes> {
		const { videos } = this.#deps;
		const askedMs = Math.min(moment.askedMs, this.#deps.clock.nowMs());
		const nearSeconds = await videos.startBefore(video.id, askedMs + MARGIN_SECONDS * 1000);
		const tracks = await videos.tracks(video.id, {
			startSeconds: (nearSeconds ?? 0) - CLIP_SOURCE_SECONDS - AFTER_SECONDS,
			endSeconds: (nearSeconds ?? 0) + AFTER_SECONDS,
		});
		const source = sourceTrack(tracks);
		const media = mediaOf(source?.segments ?? []);
		const [first] = media;
		if (nearSeconds === undefined || source === undefined || first === undefined) {
			throw new SpillwayError('CLIP_MOMENT_MISSING', ['it is before the recording begins, or too soon after']);
		}
		const end = await this.#findEnd(video, source, { ...moment, askedMs }, askedMs);
		const videoOriginSeconds = (await videos.trackStart(video.id, source.trackId)) ?? first.startSeconds;
		const earliestSeconds = Math.max(first.startSeconds, end.endSeconds - CLIP_SOURCE_SECONDS);
		const wantedSeconds = end.endSeconds - NEW_CLIP_SECONDS;
		const frames = wantedSeconds > first.startSeconds ? await this.#framesAround(video.id, source, wantedSeconds) : [];
		const start = nearestFrame(frames, 'startSeconds', wantedSeconds);
		const startSeconds = start?.startSeconds ?? first.startSeconds;
		requireLength(end.endSeconds - startSeconds);
		const originOf = (fromSeconds: number): number =>
			clipWindow(tracks, { startSeconds: fromSeconds, endSeconds: end.endSeconds })?.startSeconds ?? first.startSeconds;
		return {
			...end,
			startSeconds,
			sourceStartSeconds: earliestSeconds,
			sourceEndSeconds: end.endSeconds,
			originSeconds: originOf(startSeconds),
			sourceOriginSeconds: originOf(earliestSeconds),
			videoOriginSeconds,
			startedAt: new Date(start?.capturedAtMs.date ?? first.capturedAtMs),
		};
	}

	/** The last picture of a clip that is not settled; undefined while its segment is not recorded. */
	async findLast(clip: ClipRecord): Promise<Pick<ClipTimes, 'endSeconds' | 'frameSeconds'> | undefined> {
		const video = { id: clip.videoId, isGrowing: clip.isVideoGrowing };
		const tracks = await this.#deps.videos.tracks(clip.videoId, {
			startSeconds: clip.startSeconds,
			endSeconds: clip.endSeconds + AFTER_SECONDS,
		});
		const source = sourceTrack(tracks);
		const end = source && (await this.#findEnd(video, source, clip, clip.createdAt.getTime()));
		// A publisher who has left took the end with them: something remains.
		const least = clip.startSeconds + CLIP_SECONDS.least;
		return end?.isSettled === true ? { ...end, endSeconds: Math.max(end.endSeconds, least) } : undefined;
	}

	/**
	 * Of a trim from one place to another on the timeline, on borders of frames. Throws CLIP_LENGTH_INVALID,
	 * CLIP_MOMENT_MISSING, and what the store throws.
	 */
	async trim(
		clip: ClipRecord,
		wanted: { startSeconds: number; endSeconds: number },
	): Promise<Pick<ClipTimes, 'startSeconds' | 'endSeconds' | 'originSeconds' | 'startedAt'>> {
		const { sourceStartSeconds, sourceEndSeconds, videoId } = clip;
		const tracks = await this.#deps.videos.tracks(videoId, {
			startSeconds: sourceStartSeconds,
			endSeconds: sourceEndSeconds,
		});
		const source = sourceTrack(tracks);
		const near = async (seconds: number): Promise<RecordedFrame[]> =>
			(source === undefined ? [] : await this.#framesAround(videoId, source, seconds)).filter(
				(frame) =>
					frame.startSeconds >= sourceStartSeconds - ROUNDING_SECONDS &&
					frame.endSeconds <= sourceEndSeconds + ROUNDING_SECONDS,
			);
		const clamp = (seconds: number): number => Math.min(Math.max(seconds, sourceStartSeconds), sourceEndSeconds);
		const [startSeconds, endSeconds] = [clamp(wanted.startSeconds), clamp(wanted.endSeconds)];
		const first = nearestFrame(await near(startSeconds), 'startSeconds', startSeconds);
		const last = nearestFrame(await near(endSeconds), 'endSeconds', endSeconds);
		if (first === undefined || last === undefined) {
			throw new SpillwayError('CLIP_MOMENT_MISSING', ['its segments are not there']);
		}
		requireLength(last.endSeconds - first.startSeconds);
		const trimmed = { startSeconds: first.startSeconds, endSeconds: last.endSeconds };
		return {
			...trimmed,
			originSeconds: clipWindow(tracks, trimmed)?.startSeconds ?? clip.sourceOriginSeconds,
			startedAt: new Date(first.capturedAtMs.date),
		};
	}

	/** `sinceMs`: when it was asked for. Throws CLIP_MOMENT_MISSING. */
	async #findEnd(
		video: ClippedVideo,
		source: RecordedTrack,
		{ askedMs, askedClock }: Moment,
		sinceMs: number,
	): Promise<Pick<ClipTimes, 'endSeconds' | 'frameSeconds' | 'isSettled'>> {
		const recordedSeconds = endOf(source.segments.at(-1)!);
		let seconds = secondsAtDate(source.segments, askedMs)!;
		let frames: RecordedFrame[] = [];
		let frame: RecordedFrame | undefined;
		for (let look = 0, movedSeconds = Infinity; look < MAX_LOOKS && movedSeconds > MARGIN_SECONDS / 2; look++) {
			frames = await this.#framesAround(video.id, source, seconds);
			frame = lastCaptured(frames, askedClock, askedMs) ?? frames[0];
			if (frame === undefined) {
				throw new SpillwayError('CLIP_MOMENT_MISSING', ['its segments are not there']);
			}
			// The other clock may lead to another segment, and behind what is recorded.
			const foundSeconds = frame.startSeconds + (askedMs - frame.capturedAtMs[askedClock]) / 1000;
			movedSeconds = Math.abs(foundSeconds - seconds);
			seconds = foundSeconds;
		}
		if (!video.isGrowing && seconds > recordedSeconds + PAST_END_SECONDS) {
			throw new SpillwayError('CLIP_MOMENT_MISSING', ['it is after the recording ends']);
		}
		const { startSeconds, endSeconds } = frame!;
		const frameSeconds = typicalFrameSeconds(frames)!;
		const isAwaited = video.isGrowing && this.#deps.clock.nowMs() - sinceMs < AWAITED_MS;
		if (isAwaited && seconds + MARGIN_SECONDS > recordedSeconds) {
			// In step with the pictures before it.
			const count = Math.max(0, Math.round((seconds - startSeconds) / frameSeconds)) + 1;
			return { endSeconds: startSeconds + count * frameSeconds, frameSeconds, isSettled: false };
		}
		return { endSeconds, frameSeconds, isSettled: true };
	}

	/** In the order of time. */
	async #framesAround(videoId: string, source: RecordedTrack, seconds: number): Promise<RecordedFrame[]> {
		const near = segmentsAround(source.segments, seconds, MARGIN_SECONDS);
		const frames = await Promise.all(near.map(({ mediaSequence }) => this.#framesOf(videoId, source, mediaSequence)));
		return frames.flat();
	}

	/** None for a segment that is lost. */
	async #framesOf(videoId: string, { trackId, segments }: RecordedTrack, number: number): Promise<RecordedFrame[]> {
		const segment = segments.find(({ mediaSequence, isGap }) => mediaSequence === number && !isGap);
		if (segment === undefined || segment.initName === null) {
			return [];
		}
		const [init, bytes] = await Promise.all(
			[segment.initName, segmentName(number)].map((file) => this.#read(recordedObjectName(videoId, trackId, file))),
		);
		return init === undefined || bytes === undefined ? [] : framesOf(init, bytes, segment);
	}

	async #read(name: string): Promise<Uint8Array | undefined> {
		try {
			return (await this.#deps.store.get(name)).bytes;
		} catch (error) {
			if (error instanceof SpillwayError && error.code === 'OBJECT_NOT_FOUND') {
				return undefined;
			}
			throw error;
		}
	}
}

/** Throws CLIP_LENGTH_INVALID. */
function requireLength(seconds: number): void {
	const { least, most } = CLIP_SECONDS;
	if (seconds < least - ROUNDING_SECONDS || seconds > most + ROUNDING_SECONDS) {
		throw new SpillwayError('CLIP_LENGTH_INVALID', [least, most, Math.max(0, seconds).toFixed(2)]);
	}
}
