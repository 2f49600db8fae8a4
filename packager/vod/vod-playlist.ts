/** Playlists of a recording: views of its journal. Pure; knows no HTTP and no store. */
import type { TrackId } from '../../core/media/access-unit.ts';
import { formatMultivariantPlaylist, type ListedRendition } from '../playlist/multivariant-playlist.ts';
import { mapLine, PLAYLIST_VERSION, programDateTimeLine } from '../playlist/playlist-tags.ts';
import { segmentName } from '../rendition/segment.ts';
import { joinFacts, type TrackFacts } from '../rendition/track-facts.ts';
import type { Rung } from '../../core/media/rung.ts';

/** One segment of a recorded track. */
export type RecordedSegment = {
	mediaSequence: number;
	run: number;
	initName: string | null;
	startSeconds: number;
	durationSeconds: number;
	capturedAtMs: number;
	/** There are no bytes. */
	isGap: boolean;
	sizeBytes: number;
};

/** One track of a recording. */
export type RecordedTrack = {
	trackId: TrackId;
	/** Of each of its init segments, the oldest first. */
	facts: readonly TrackFacts[];
	rung: Rung | null;
	frameRate: number | null;
	segments: readonly RecordedSegment[];
};

/** A hole between two segments from this on becomes a gap segment, so that durations add up to the time. */
const LEAST_HOLE_SECONDS = 0.05;
/** A gap is listed in pieces: players accept no segment longer than the target duration. */
const GAP_PIECE_SECONDS = 3;
/** A date is written where it differs from the sum of durations by this much, and at each discontinuity. */
const DATE_TOLERANCE_MS = 2;
/** EXT-X-TARGETDURATION of all recordings: segments are 3.45 s long at most. */
const TARGET_DURATION_SECONDS = 3;

/** An entry of a playlist: a segment with bytes, or a piece of a gap. */
type Listed = RecordedSegment & { name: string };

/** A part of the timeline, in seconds. */
export type RecordedWindow = { startSeconds: number; endSeconds: number };

/**
 * From the first to the last segment with bytes of the source's picture, or of its sound where it has none; undefined
 * while there is none.
 */
export function recordedWindow(tracks: readonly RecordedTrack[]): RecordedWindow | undefined {
	const media = sourceTrack(tracks)?.segments.filter(({ isGap }) => !isGap) ?? [];
	const [first, last] = [media[0], media.at(-1)];
	return first && last && { startSeconds: first.startSeconds, endSeconds: endOf(last) };
}

/** The media playlist of a track. `isComplete`: nothing follows. */
export function formatVodPlaylist(
	track: Pick<RecordedTrack, 'segments'>,
	window: RecordedWindow,
	isComplete: boolean,
): string {
	const listed = listSegments(track.segments, window);
	const lines = [
		'#EXTM3U',
		`#EXT-X-VERSION:${PLAYLIST_VERSION}`,
		`#EXT-X-TARGETDURATION:${TARGET_DURATION_SECONDS}`,
		`#EXT-X-PLAYLIST-TYPE:${isComplete ? 'VOD' : 'EVENT'}`,
		'#EXT-X-MEDIA-SEQUENCE:1',
		`#EXT-X-DISCONTINUITY-SEQUENCE:${listed[0]?.run ?? 0}`,
	];
	let before: Listed | undefined;
	let initName: string | null = null;
	let dateMs = -Infinity;
	for (const segment of listed) {
		const hasDiscontinuity = before !== undefined && segment.run !== before.run;
		if (hasDiscontinuity) {
			lines.push('#EXT-X-DISCONTINUITY');
		}
		if (segment.initName !== null && (segment.initName !== initName || hasDiscontinuity)) {
			lines.push(mapLine(segment.initName).trimEnd());
			initName = segment.initName;
		}
		if (hasDiscontinuity || Math.abs(segment.capturedAtMs - dateMs) > DATE_TOLERANCE_MS) {
			// Dates of a recording never go back.
			dateMs = Math.max(segment.capturedAtMs, dateMs);
			lines.push(programDateTimeLine(dateMs).trimEnd());
		}
		if (segment.isGap) {
			lines.push('#EXT-X-GAP');
		}
		lines.push(`#EXTINF:${segment.durationSeconds.toFixed(8)},`, segment.name);
		dateMs += segment.durationSeconds * 1000;
		before = segment;
	}
	return `${lines.join('\n')}\n${isComplete ? '#EXT-X-ENDLIST\n' : ''}`;
}

/** The multivariant playlist. Lists a rung where it has all that the source has. */
export function formatVodMultivariant(tracks: readonly RecordedTrack[]): string {
	const source = sourceTrack(tracks);
	const listed = tracks
		.filter((track) => track.rung === null || (source !== undefined && covers(track, source)))
		.filter(({ segments, facts }) => facts.length > 0 && segments.some(({ isGap }) => !isGap))
		.map((track): ListedRendition => {
			const media = track.segments.filter(({ isGap }) => !isGap);
			const facts = track.facts.reduce((one, other) => joinFacts(one, other));
			return {
				uri: `${track.trackId}/index.m3u8`,
				facts,
				rung: track.rung ?? undefined,
				peakBps: peakBps(media),
				averageBps: averageBps(media),
				frameRate: track.frameRate ?? undefined,
			};
		});
	return formatMultivariantPlaylist(listed, false);
}

/** The track whose time is that of the recording: the source's picture, or its sound where it has none. */
export function sourceTrack(tracks: readonly RecordedTrack[]): RecordedTrack | undefined {
	const own = tracks.filter(({ rung, segments }) => rung === null && segments.some(({ isGap }) => !isGap));
	return own.find(({ facts }) => facts[0]?.kind === 'video') ?? own[0];
}

/** Those of the window, with what holes there are as gaps. */
function listSegments(segments: readonly RecordedSegment[], window: RecordedWindow): Listed[] {
	const listed: Listed[] = [];
	let gapCount = 0;
	let endSeconds = window.startSeconds;
	const addGap = (like: RecordedSegment, startSeconds: number, durationSeconds: number): void => {
		const count = Math.ceil(durationSeconds / GAP_PIECE_SECONDS - 1e-9);
		const pieceSeconds = durationSeconds / count;
		for (let index = 0; index < count; index++) {
			const pieceStart = startSeconds + index * pieceSeconds;
			listed.push({
				...like,
				name: `gap${++gapCount}.m4s`,
				isGap: true,
				startSeconds: pieceStart,
				durationSeconds: pieceSeconds,
				capturedAtMs: like.capturedAtMs + (pieceStart - like.startSeconds) * 1000,
			});
		}
	};
	for (const segment of segments) {
		const middleSeconds = segment.startSeconds + segment.durationSeconds / 2;
		if (middleSeconds < window.startSeconds || middleSeconds > window.endSeconds) {
			continue;
		}
		if (segment.startSeconds - endSeconds >= LEAST_HOLE_SECONDS) {
			addGap(listed.at(-1) ?? segment, endSeconds, segment.startSeconds - endSeconds);
		}
		if (segment.isGap) {
			addGap(segment, segment.startSeconds, segment.durationSeconds);
		} else {
			listed.push({ ...segment, name: segmentName(segment.mediaSequence) });
		}
		endSeconds = endOf(segment);
	}
	return listed;
}

export function endOf({ startSeconds, durationSeconds }: RecordedSegment): number {
	return startSeconds + durationSeconds;
}

function covers(rung: RecordedTrack, source: RecordedTrack): boolean {
	const has = new Set(rung.segments.filter(({ isGap }) => !isGap).map(({ mediaSequence }) => mediaSequence));
	return source.segments.every(({ isGap, mediaSequence }) => isGap || has.has(mediaSequence));
}

function peakBps(media: readonly RecordedSegment[]): number {
	const whole = media.filter(({ durationSeconds }) => durationSeconds >= 1);
	return (whole.length > 0 ? whole : media).reduce(
		(peak, { sizeBytes, durationSeconds }) => Math.max(peak, (sizeBytes * 8) / Math.max(durationSeconds, 0.1)),
		0,
	);
}

function averageBps(media: readonly RecordedSegment[]): number {
	const seconds = media.reduce((sum, { durationSeconds }) => sum + durationSeconds, 0);
	const sizeBytes = media.reduce((sum, segment) => sum + segment.sizeBytes, 0);
	return seconds > 0 ? (sizeBytes * 8) / seconds : 0;
}
