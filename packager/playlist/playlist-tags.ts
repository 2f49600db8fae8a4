/** One function per HLS tag family: attribute lists and lines (draft-pantos-hls-rfc8216bis-22). Knows text only. */
import {
	HOLD_BACK_SECONDS,
	PART_HOLD_BACK_SECONDS,
	PART_TARGET_SECONDS,
	SKIP_BOUNDARY_SECONDS,
	TARGET_DURATION_SECONDS,
} from '../packager-config.ts';

/**
 * EXT-X-VERSION of every playlist. EXT-X-SKIP asks for 9 (§8); it is the same without, because Apple's validator reports
 * a tag that changes.
 */
export const PLAYLIST_VERSION = 9;

/** Seconds as the playlists print them: 5 decimals, finer than a tick of any of our clocks needs. */
export function formatSeconds(seconds: number): string {
	return seconds.toFixed(5);
}

/** A quoted attribute value; characters that §4.2 forbids in one are left out. */
export function quoted(text: string): string {
	// LF, CR and the double quote; the other control characters do no good, either.
	return `"${text.replace(/[\x00-\x1f"]/g, '')}"`;
}

/** Header of every media playlist (§4.4.3). Constants for the life of the address. */
export function headerLines(input: {
	mediaSequence: number;
	discontinuitySequence: number;
	hasDeltaUpdates: boolean;
}): string {
	const skip = input.hasDeltaUpdates ? `CAN-SKIP-UNTIL=${SKIP_BOUNDARY_SECONDS},` : '';
	return (
		`#EXTM3U\n#EXT-X-VERSION:${PLAYLIST_VERSION}\n#EXT-X-TARGETDURATION:${TARGET_DURATION_SECONDS}\n` +
		`#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,${skip}PART-HOLD-BACK=${PART_HOLD_BACK_SECONDS},HOLD-BACK=${HOLD_BACK_SECONDS}\n` +
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
export function partLine(part: {
	name: string;
	durationSeconds: number;
	isIndependent: boolean;
	isGap: boolean;
}): string {
	const flags = (part.isIndependent ? ',INDEPENDENT=YES' : '') + (part.isGap ? ',GAP=YES' : '');
	return `#EXT-X-PART:DURATION=${formatSeconds(part.durationSeconds)},URI=${quoted(part.name)}${flags}\n`;
}

/** EXTINF and the segment's URI (§4.4.4.1). */
export function segmentLines(name: string, durationSeconds: number): string {
	return `#EXTINF:${formatSeconds(durationSeconds)},\n${name}\n`;
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
