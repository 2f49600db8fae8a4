/**
 * When the frame on screen was captured, on the server's clock, in either tier. Pure. Glass-to-glass latency is the
 * server's time at which a frame is displayed minus this, so that one definition holds for both (README, "How to
 * measure").
 */
import { VIDEO_CLOCK_RATE, ntpToEpochMs, ticksToMs, unwrap } from '../../../../core/units.ts';

/** The fields of RTCRtpSynchronizationSource that are needed; `captureTimestamp` is not in TypeScript's DOM library. */
type SynchronizationSource = {
	rtpTimestamp: number;
	/** abs-capture-time of the packet, in NTP milliseconds (since 1900); Chromium rounds it to whole ones. */
	captureTimestamp?: number;
	/** Milliseconds to add for the clock of the sender we talk to. Zero or absent: the server writes its own clock. */
	senderCaptureTimeOffset?: number;
};

/** A fragment of a playlist: where it begins on the media timeline, and when that was captured. */
export type DatedFragment = { startSeconds: number; programDateTimeMs: number };

/** Frames older than this against the latest packet are not believed: the sender has changed its timestamps. */
const MAX_DISTANCE_MS = 10_000;

/**
 * Capture time of a frame known by its RTP timestamp, epoch milliseconds. The latest packet received is seldom of
 * another frame than the one shown, and then at most a few: the RTP clock bridges the difference.
 */
export function captureTimeOfRtp(
	rtpTimestampTicks: number,
	sources: readonly SynchronizationSource[],
): number | undefined {
	for (const source of sources) {
		if (source.captureTimestamp === undefined) {
			continue;
		}
		const behindTicks = source.rtpTimestamp - unwrap(rtpTimestampTicks, source.rtpTimestamp, 32);
		const behindMs = ticksToMs(behindTicks, VIDEO_CLOCK_RATE);
		if (Math.abs(behindMs) > MAX_DISTANCE_MS) {
			continue;
		}
		return ntpToEpochMs(source.captureTimestamp / 1000, 0) + (source.senderCaptureTimeOffset ?? 0) - behindMs;
	}
	return undefined;
}

/**
 * Capture time of a frame known by its media time, epoch milliseconds, from EXT-X-PROGRAM-DATE-TIME
 * (draft-pantos-hls-rfc8216bis §4.4.4.6). Of the last fragment that begins before it, because each discontinuity has a
 * relation of its own. Fragments are in order.
 */
export function captureTimeOfMedia(mediaTimeSeconds: number, fragments: readonly DatedFragment[]): number | undefined {
	// A frame's time is rounded on its way through the decoder; half a frame at 120 per second keeps it in its
	// fragment.
	const probeSeconds = mediaTimeSeconds + 0.004;
	let chosen: DatedFragment | undefined;
	for (const fragment of fragments) {
		if (fragment.startSeconds > probeSeconds && chosen !== undefined) {
			break;
		}
		chosen = fragment;
	}
	return chosen === undefined ? undefined : chosen.programDateTimeMs + (mediaTimeSeconds - chosen.startSeconds) * 1000;
}
