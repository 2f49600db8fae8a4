/** Writes the text of a media playlist from the state of a rendition. Knows no HTTP and keeps no state. */
import { PART_LISTING_SECONDS, SKIP_BOUNDARY_SECONDS } from '../config/packager-config.ts';
import type { Rendition } from '../rendition/rendition.ts';
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

/** What a playlist shows of its rendition. @internal for tests */
export type MediaPlaylistState = Pick<
	Rendition,
	'segments' | 'mediaSequence' | 'removedDiscontinuityCount' | 'nextPartName' | 'nextInitName' | 'hasEnded'
>;

/** What the rendition itself does not hold. */
type MediaPlaylistOptions = {
	/** Leave out old segments (`_HLS_skip`). Ignored after the end (§6.2.5.1). */
	isDelta: boolean;
	/** Of each other rendition of the broadcast. */
	reports: readonly RenditionReport[];
};

/** The whole text, with a line feed at its end. */
export function formatMediaPlaylist(state: MediaPlaylistState, options: MediaPlaylistOptions): string {
	const { segments, mediaSequence } = state;
	let text = headerLines({
		// §6.2.5.1: in a delta update, too, this is the number of the first segment of the full playlist.
		mediaSequence,
		discontinuitySequence: state.removedDiscontinuityCount,
	});
	const skipCount = options.isDelta && !state.hasEnded ? skippableSegmentCount(segments) : 0;
	if (skipCount > 0) {
		text += skipLine(skipCount);
	}
	const listed = segments.slice(skipCount);
	let fromEndSeconds = listed.reduce((sum, segment) => sum + segmentSeconds(segment), 0);
	let initName = skipCount > 0 ? segments[skipCount - 1]!.initName : undefined;
	for (const segment of listed) {
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

/** Count of the oldest segments before the skip boundary: further from the end than CAN-SKIP-UNTIL (§6.2.5.1). */
function skippableSegmentCount(segments: readonly Segment[]): number {
	let fromEndSeconds = segments.reduce((sum, segment) => sum + segmentSeconds(segment), 0);
	let count = 0;
	for (const segment of segments) {
		fromEndSeconds -= segmentSeconds(segment);
		// Now the distance of the segment's end from the playlist's end.
		if (fromEndSeconds <= SKIP_BOUNDARY_SECONDS) {
			break;
		}
		count++;
	}
	return count;
}
