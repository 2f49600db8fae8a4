/** Which segments a delta update may leave out (draft-pantos-hls-rfc8216bis §6.2.5.1). Pure. */
import { SKIP_BOUNDARY_SECONDS } from '../config/packager-config.ts';
import { segmentSeconds, type Segment } from '../rendition/segment.ts';

/** How many of the oldest segments lie before the skip boundary: further from the end than CAN-SKIP-UNTIL. */
export function skippableSegmentCount(segments: readonly Segment[]): number {
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
