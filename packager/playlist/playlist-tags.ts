/** One function per HLS tag family: attribute lists and lines (draft-pantos-hls-rfc8216bis-22). Knows text only. */
import type { Part } from '../rendition/part.ts';
import {
	HOLD_BACK_SECONDS,
	PART_HOLD_BACK_SECONDS,
	PART_TARGET_SECONDS,
	SKIP_BOUNDARY_SECONDS,
	TARGET_DURATION_SECONDS,
} from '../config/packager-config.ts';

/** EXT-X-SKIP needs version 9 (§8). All playlists have it, because Apple's validator reports a tag that changes. */
export const PLAYLIST_VERSION = 9;

const UNITS_PER_SECOND = 1e8;
const PART_TARGET_UNITS = Math.round(PART_TARGET_SECONDS * UNITS_PER_SECOND);

/**
 * A part's duration as the playlists print it, in units of 10 ns. It is 10 to 20 ns more than the exact one, and never
 * more than PART-TARGET.
 *
 * shaka-player 5.2.12 adds up these durations to the time at which it expects a part, and compares that with the part's
 * `tfdt`. It shifts what it appends by the difference plus 1 ms (media_source_engine.js, setTimestampOffset_). It
 * renews the shift when a later part's difference is 1 ms or more away from it (appendBuffer). With exact durations the
 * two are 1 ms apart to the last bit, so that rounding decides. A new shift resets the decoder, and all up to the next
 * independent part is lost. Durations that are a trace longer keep the two less than 1 ms apart.
 */
function partUnits(seconds: number): number {
	return Math.min(Math.floor(seconds * UNITS_PER_SECOND) + 2, PART_TARGET_UNITS);
}

function formatUnits(units: number): string {
	return (units / UNITS_PER_SECOND).toFixed(8);
}

/** Seconds of a part, as printed. @internal for tests */
export function formatPartSeconds(seconds: number): string {
	return formatUnits(partUnits(seconds));
}

/** Seconds of a segment of these parts: what their printed durations add up to, exactly. */
export function formatSegmentSeconds(partSeconds: readonly number[]): string {
	return formatUnits(partSeconds.reduce((sum, seconds) => sum + partUnits(seconds), 0));
}

/** A quoted attribute value, without the characters that §4.2 forbids in one. */
export function quoted(text: string): string {
	// LF, CR and the double quote; the other control characters go, too.
	return `"${text.replace(/[\x00-\x1f"]/g, '')}"`;
}

/** Header of every media playlist (§4.4.3). Constants for the life of the address. */
export function headerLines(input: { mediaSequence: number; discontinuitySequence: number }): string {
	return (
		`#EXTM3U\n#EXT-X-VERSION:${PLAYLIST_VERSION}\n#EXT-X-TARGETDURATION:${TARGET_DURATION_SECONDS}\n` +
		`#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=${SKIP_BOUNDARY_SECONDS},PART-HOLD-BACK=${PART_HOLD_BACK_SECONDS},HOLD-BACK=${HOLD_BACK_SECONDS}\n` +
		`#EXT-X-PART-INF:PART-TARGET=${PART_TARGET_SECONDS}\n#EXT-X-MEDIA-SEQUENCE:${input.mediaSequence}\n` +
		`#EXT-X-DISCONTINUITY-SEQUENCE:${input.discontinuitySequence}\n`
	);
}

/** EXT-X-MAP (§4.4.4.5). */
export function mapLine(initName: string): string {
	return `#EXT-X-MAP:URI=${quoted(initName)}\n`;
}

/** EXT-X-PROGRAM-DATE-TIME (§4.4.4.6), UTC with milliseconds. */
export function programDateTimeLine(epochMs: number): string {
	return `#EXT-X-PROGRAM-DATE-TIME:${new Date(Math.round(epochMs)).toISOString()}\n`;
}

/** EXT-X-PART (§4.4.4.9). */
export function partLine(part: Pick<Part, 'name' | 'isIndependent' | 'isGap'> & { durationSeconds: number }): string {
	const flags = (part.isIndependent ? ',INDEPENDENT=YES' : '') + (part.isGap ? ',GAP=YES' : '');
	return `#EXT-X-PART:DURATION=${formatPartSeconds(part.durationSeconds)},URI=${quoted(part.name)}${flags}\n`;
}

/** EXTINF and the segment's URI (§4.4.4.1). */
export function segmentLines(name: string, partSeconds: readonly number[]): string {
	return `#EXTINF:${formatSegmentSeconds(partSeconds)},\n${name}\n`;
}

/** EXT-X-SKIP (§4.4.5.2). */
export function skipLine(skippedSegmentCount: number): string {
	return `#EXT-X-SKIP:SKIPPED-SEGMENTS=${skippedSegmentCount}\n`;
}

/** EXT-X-PRELOAD-HINT (§4.4.5.3). */
export function preloadHintLine(type: 'PART' | 'MAP', name: string): string {
	return `#EXT-X-PRELOAD-HINT:TYPE=${type},URI=${quoted(name)}\n`;
}

/** EXT-X-RENDITION-REPORT (§4.4.5.4). */
export function renditionReportLine(report: RenditionReport): string {
	return `#EXT-X-RENDITION-REPORT:URI=${quoted(report.uri)},LAST-MSN=${report.lastMediaSequence},LAST-PART=${report.lastPartIndex}\n`;
}

/** The newest part of another rendition. */
export type RenditionReport = {
	/** Relative to the playlist that carries the report. */
	uri: string;
	lastMediaSequence: number;
	lastPartIndex: number;
};
