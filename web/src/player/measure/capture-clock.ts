/**
 * The capture time of the frame on screen, on the server's clock, in either tier. Pure. Latency (server to screen) is
 * the server's time at the display of a frame minus this, the same definition for both tiers.
 */
import { VIDEO_CLOCK_RATE, ntpToEpochMs, ticksToMs, unwrap } from '../../../../core/units.ts';
import type { MediaRange } from './buffered-ranges.ts';

/** The used fields of RTCRtpSynchronizationSource. */
type SynchronizationSource = {
	rtpTimestamp: number;
	/** abs-capture-time of the packet, in NTP milliseconds (since 1900), which Chromium rounds. */
	captureTimestamp?: number;
	/** Milliseconds to add for the sender's clock. Zero or absent: the server writes its own clock. */
	senderCaptureTimeOffset?: number;
};

/** A fragment of a playlist: its start on the media timeline, and when that was captured. */
export type DatedFragment = { startSeconds: number; programDateTimeMs: number };

/** Of the fragments of hls.js. */
export function datedFragments(
	fragments: readonly { start: number; programDateTime: number | null }[],
): DatedFragment[] {
	return fragments.flatMap(({ start, programDateTime }) =>
		programDateTime === null ? [] : [{ startSeconds: start, programDateTimeMs: programDateTime }],
	);
}

/** Frames further than this from the latest packet are ignored: the sender has changed its timestamps. */
const MAX_DISTANCE_MS = 10_000;

/**
 * Capture time of a frame by its RTP timestamp, epoch milliseconds. The latest packet may be a few frames newer than
 * the one shown: the RTP clock bridges the difference.
 */
export function captureTimeOfRtp(
	rtpTimestampTicks: number,
	sources: readonly SynchronizationSource[],
): number | undefined {
	for (const { rtpTimestamp, captureTimestamp, senderCaptureTimeOffset = 0 } of sources) {
		const behindMs = ticksToMs(rtpTimestamp - unwrap(rtpTimestampTicks, rtpTimestamp, 32), VIDEO_CLOCK_RATE);
		if (captureTimestamp !== undefined && Math.abs(behindMs) <= MAX_DISTANCE_MS) {
			return ntpToEpochMs(captureTimestamp / 1000, 0) + senderCaptureTimeOffset - behindMs;
		}
	}
	return undefined;
}

/**
 * Capture time of a frame by its media time, epoch milliseconds, from EXT-X-PROGRAM-DATE-TIME
 * (draft-pantos-hls-rfc8216bis §4.4.4.6) of the last fragment that starts before it. The relation changes at each
 * discontinuity. Fragments are in order.
 */
export function captureTimeOfMedia(mediaTimeSeconds: number, fragments: readonly DatedFragment[]): number | undefined {
	// The decoder rounds a frame's time; half a frame at 120 per second keeps it in its fragment.
	const probeSeconds = mediaTimeSeconds + 0.004;
	const chosen = fragments.findLast(({ startSeconds }) => startSeconds <= probeSeconds) ?? fragments[0];
	return chosen === undefined ? undefined : chosen.programDateTimeMs + (mediaTimeSeconds - chosen.startSeconds) * 1000;
}

/** The reverse of {@link captureTimeOfMedia}: a time before the first fragment is its start; undefined without any. */
export function mediaTimeOfCapture(captureTimeMs: number, fragments: readonly DatedFragment[]): number | undefined {
	const index = Math.max(
		0,
		fragments.findLastIndex(({ programDateTimeMs }) => programDateTimeMs <= captureTimeMs),
	);
	const [fragment, next] = [fragments[index], fragments[index + 1]];
	if (fragment === undefined) {
		return undefined;
	}
	const seconds = fragment.startSeconds + Math.max(0, captureTimeMs - fragment.programDateTimeMs) / 1000;
	// Times that no fragment has are those of the next one.
	return next === undefined ? seconds : Math.min(seconds, next.startSeconds);
}

/** Stretches of the media timeline as capture times. */
export function captureRangesOf(
	ranges: readonly MediaRange[],
	fragments: readonly DatedFragment[],
): Array<{ startMs: number; endMs: number }> {
	return ranges.flatMap(({ startSeconds, endSeconds }) => {
		const startMs = captureTimeOfMedia(startSeconds, fragments);
		// Its last picture, so that a change of the relation after it has no effect.
		const endMs = captureTimeOfMedia(endSeconds - 0.01, fragments);
		return startMs === undefined || endMs === undefined ? [] : [{ startMs, endMs }];
	});
}
