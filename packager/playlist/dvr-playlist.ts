/**
 * Writes the playlists of a running broadcast for those who rewind: the archive and the live window in one list of
 * whole segments, without parts. Knows no HTTP and keeps no state.
 */
import { HOLD_BACK_SECONDS, SKIP_BOUNDARY_SECONDS, TARGET_DURATION_SECONDS } from '../config/packager-config.ts';
import type { ArchivedSegment } from '../live/archive.ts';
import type { Rendition } from '../rendition/rendition.ts';
import { isGapSegment, segmentName, type Segment } from '../rendition/segment.ts';
import { formatSegmentSeconds, mapLine, PLAYLIST_VERSION, programDateTimeLine, skipLine } from './playlist-tags.ts';

type DvrPlaylistState = Pick<Rendition, 'segments' | 'hasEnded'>;

/** `isDelta`: leave out old segments (`_HLS_skip`, draft-pantos-hls-rfc8216bis §6.2.5.1). */
export function formatDvrPlaylist(
	state: DvrPlaylistState,
	archived: readonly ArchivedSegment[],
	isDelta: boolean,
): string {
	const listed = joinSegments(archived, state.segments);
	const skipCount = isDelta && !state.hasEnded ? skippableCount(listed) : 0;
	let text =
		`#EXTM3U\n#EXT-X-VERSION:${PLAYLIST_VERSION}\n#EXT-X-TARGETDURATION:${TARGET_DURATION_SECONDS}\n` +
		`#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=${SKIP_BOUNDARY_SECONDS},HOLD-BACK=${HOLD_BACK_SECONDS}\n` +
		`#EXT-X-MEDIA-SEQUENCE:${listed[0]?.mediaSequence ?? 1}\n` +
		`#EXT-X-DISCONTINUITY-SEQUENCE:${listed[0]?.run ?? 0}\n`;
	if (skipCount > 0) {
		text += skipLine(skipCount);
	}
	let before = skipCount > 0 ? listed[skipCount - 1] : undefined;
	let initName = before?.initName ?? null;
	for (const segment of listed.slice(skipCount)) {
		const hasDiscontinuity = before !== undefined && segment.run !== before.run;
		if (hasDiscontinuity) {
			text += '#EXT-X-DISCONTINUITY\n';
		}
		if (segment.initName !== null && (segment.initName !== initName || hasDiscontinuity)) {
			text += mapLine(segment.initName);
			initName = segment.initName;
		}
		text +=
			programDateTimeLine(segment.capturedAtMs) +
			(segment.isGap ? '#EXT-X-GAP\n' : '') +
			`#EXTINF:${segment.durationSeconds.toFixed(8)},\n${segmentName(segment.mediaSequence)}\n`;
		before = segment;
	}
	return state.hasEnded ? `${text}#EXT-X-ENDLIST\n` : text;
}

/** The archive up to the window, and the window's complete segments. An archive that lags behind is left out. */
function joinSegments(archived: readonly ArchivedSegment[], window: readonly Segment[]): ArchivedSegment[] {
	const recent = window.filter(({ isComplete }) => isComplete).map(toArchived);
	const first = recent[0]?.mediaSequence ?? Infinity;
	const older = archived.filter(({ mediaSequence }) => mediaSequence < first);
	const isContiguous = recent.length === 0 || older.at(-1)?.mediaSequence === first - 1;
	return isContiguous ? [...older, ...recent] : recent;
}

function toArchived(segment: Segment): ArchivedSegment {
	const partSeconds = segment.parts.map((part) => part.durationTicks / segment.timescale);
	return {
		mediaSequence: segment.mediaSequence,
		run: segment.discontinuitySequence,
		initName: segment.initName ?? null,
		durationSeconds: Number(formatSegmentSeconds(partSeconds)),
		capturedAtMs: segment.programDateTimeMs,
		isGap: isGapSegment(segment),
	};
}

/** Segments whose end is further from the playlist's end than CAN-SKIP-UNTIL. */
function skippableCount(listed: readonly ArchivedSegment[]): number {
	let fromEndSeconds = listed.reduce((sum, { durationSeconds }) => sum + durationSeconds, 0);
	const first = listed.findIndex(({ durationSeconds }) => (fromEndSeconds -= durationSeconds) <= SKIP_BOUNDARY_SECONDS);
	return Math.max(0, first);
}
