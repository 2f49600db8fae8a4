/** Single pictures (or frames of sound) of recorded segments: where they are, and when they were captured. Pure. */
import { readFragments, type TrackTiming } from '../cmaf/fragment-reader.ts';
import type { RecordedSegment } from './vod-playlist.ts';

/**
 * Two clocks say when a picture was captured, and differ by up to 50 ms. `picture`: its own time, which WebRTC carries
 * with each picture and `prft` with each part. `date`: the line of EXT-X-PROGRAM-DATE-TIME, by which players of playlists
 * tell the time.
 */
export type CaptureClock = 'picture' | 'date';

export type RecordedFrame = {
	/** On the broadcast's timeline. */
	startSeconds: number;
	/** Where the next one begins. */
	endSeconds: number;
	/** Epoch milliseconds. */
	capturedAtMs: Readonly<Record<CaptureClock, number>>;
};

/** Of a whole segment, in the order in which they are shown. */
export function framesOf(
	bytes: Uint8Array,
	{ timescale, presentationDelayTicks }: TrackTiming,
	segment: Pick<RecordedSegment, 'startSeconds' | 'durationSeconds' | 'capturedAtMs'>,
): RecordedFrame[] {
	const shown: Array<Omit<RecordedFrame, 'endSeconds'>> = [];
	for (const { startTicks, captureTimeMs, samples } of readFragments(bytes)) {
		for (const sample of samples) {
			const ticks = sample.startTicks + sample.compositionOffsetTicks - presentationDelayTicks;
			const startSeconds = ticks / timescale;
			const date = segment.capturedAtMs + (startSeconds - segment.startSeconds) * 1000;
			const picture = captureTimeMs === undefined ? date : captureTimeMs + ((ticks - startTicks) * 1000) / timescale;
			shown.push({ startSeconds, capturedAtMs: { picture, date } });
		}
	}
	shown.sort((one, other) => one.startSeconds - other.startSeconds);
	const segmentEnd = segment.startSeconds + segment.durationSeconds;
	return shown.map((frame, index) => ({ ...frame, endSeconds: shown[index + 1]?.startSeconds ?? segmentEnd }));
}

/**
 * The last one that was captured by then, which half of its own time may be missing to: clients measure. Undefined when
 * all came later. `frames` are in order.
 */
export function lastCaptured(
	frames: readonly RecordedFrame[],
	clock: CaptureClock,
	capturedAtMs: number,
): RecordedFrame | undefined {
	return frames.findLast((frame) => frame.capturedAtMs[clock] - secondsOf(frame) * 500 <= capturedAtMs);
}

/** The one that begins, or ends, nearest to it; undefined without any. */
export function nearestFrame(
	frames: readonly RecordedFrame[],
	border: 'startSeconds' | 'endSeconds',
	seconds: number,
): RecordedFrame | undefined {
	return frames.reduce<RecordedFrame | undefined>(
		(best, frame) =>
			best === undefined || Math.abs(frame[border] - seconds) < Math.abs(best[border] - seconds) ? frame : best,
		undefined,
	);
}

/** Median of their lengths; undefined without any. */
export function typicalFrameSeconds(frames: readonly RecordedFrame[]): number | undefined {
	return frames.map(secondsOf).toSorted((one, other) => one - other)[Math.floor(frames.length / 2)];
}

function secondsOf({ startSeconds, endSeconds }: RecordedFrame): number {
	return endSeconds - startSeconds;
}
