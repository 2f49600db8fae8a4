/** Writes the text of a media playlist from the state of a rendition. Knows no HTTP and keeps no state. */
import { PART_LISTING_SECONDS, SKIP_BOUNDARY_SECONDS } from '../config/packager-config.ts';
import { isGapSegment, segmentSeconds, type Segment } from '../rendition/segment.ts';
import {
	headerLines,
	mapLine,
	partLine,
	preloadHintLine,
	programDateTimeLine,
	renditionReportLine,
	segmentLines,
	skipLine,
	type RenditionReport,
} from './playlist-tags.ts';

/** What {@link formatMediaPlaylist} needs of a rendition. @internal for tests */
export type MediaPlaylistState = {
	/** Oldest first; only the last may be open. */
	segments: readonly Segment[];
	/** EXT-X-MEDIA-SEQUENCE. */
	mediaSequence: number;
	/** EXT-X-DISCONTINUITY-SEQUENCE. */
	removedDiscontinuityCount: number;
	nextPartName: string;
	/** Init segment of the coming part, when the playlist does not show it yet. */
	nextInitName: string | undefined;
	hasEnded: boolean;
};

/** What does not come from the rendition itself. */
type MediaPlaylistOptions = {
	/** Leave out old segments (`_HLS_skip`). Ignored after the end (§6.2.5.1). */
	isDelta: boolean;
	/** Of each other rendition of the broadcast. */
	reports: readonly RenditionReport[];
};

/** The whole text, with a line feed at its end. */
export function formatMediaPlaylist(state: MediaPlaylistState, options: MediaPlaylistOptions): string {
	const { segments } = state;
	let text = headerLines({
		// §6.2.5.1: in a delta update, too, this is the number of the first segment of the full playlist.
		mediaSequence: state.mediaSequence,
		discontinuitySequence: state.removedDiscontinuityCount,
	});
	const skipCount = options.isDelta && !state.hasEnded ? skippableSegmentCount(segments) : 0;
	if (skipCount > 0) {
		text += skipLine(skipCount);
	}
	let fromEndSeconds = 0;
	for (let index = skipCount; index < segments.length; index++) {
		fromEndSeconds += segmentSeconds(segments[index]!);
	}
	let initName = skipCount > 0 ? segments[skipCount - 1]!.initName : undefined;
	for (let index = skipCount; index < segments.length; index++) {
		const segment = segments[index]!;
		// §4.4.4.9: tags that apply to the parent segment come before its first EXT-X-PART.
		if (segment.hasDiscontinuity) {
			text += '#EXT-X-DISCONTINUITY\n';
		}
		if (segment.initName !== undefined && (segment.initName !== initName || segment.hasDiscontinuity)) {
			text += mapLine(segment.initName);
			initName = segment.initName;
		}
		text += programDateTimeLine(segment.programDateTimeMs);
		// §6.2.2: parts far from the end need not be listed any more; a segment's parts go together.
		if (!state.hasEnded && fromEndSeconds <= PART_LISTING_SECONDS) {
			for (const part of segment.parts) {
				text += partLine({ ...part, durationSeconds: part.durationTicks / segment.timescale });
			}
		}
		if (segment.isComplete) {
			const partSeconds = segment.parts.map((part) => part.durationTicks / segment.timescale);
			text += (isGapSegment(segment) ? '#EXT-X-GAP\n' : '') + segmentLines(segment.name, partSeconds);
		}
		fromEndSeconds -= segmentSeconds(segment);
	}
	if (state.hasEnded) {
		return `${text}#EXT-X-ENDLIST\n`;
	}
	if (state.nextInitName !== undefined) {
		text += preloadHintLine('MAP', state.nextInitName);
	}
	text += preloadHintLine('PART', state.nextPartName);
	for (const report of options.reports) {
		text += renditionReportLine(report);
	}
	return text;
}

/**
 * How many of the oldest segments lie before the skip boundary: further from the end than CAN-SKIP-UNTIL (§6.2.5.1).
 */
function skippableSegmentCount(segments: readonly Segment[]): number {
	let fromEndSeconds = segments.reduce((sum, segment) => sum + segmentSeconds(segment), 0);
	let count = 0;
	for (const segment of segments) {
		fromEndSeconds -= segmentSeconds(segment);
		// fromEndSeconds is now the distance of the segment's end from the playlist's end.
		if (fromEndSeconds <= SKIP_BOUNDARY_SECONDS) {
			break;
		}
		count++;
	}
	return count;
}
