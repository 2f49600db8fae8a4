/** Single pictures (or frames of sound) of recorded segments: where they are, and when they were captured. Pure. */
import { readCaptureTimes, readFragments } from '../cmaf/fragment-reader.ts';
import { readInit } from '../cmaf/init-reader.ts';
import { cmafTimescale } from '../cmaf/init-segment.ts';
import type { RecordedSegment } from './vod-playlist.ts';

/**
 * Two clocks say when a picture was captured, and differ by up to 50 ms. `picture`: its own time, which WebRTC carries
 * with each picture and `prft` with each part. `date`: the line of EXT-X-PROGRAM-DATE-TIME, which players of
 * playlists follow.
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

/** Of a whole segment, in the order in which they are shown. None when either file is none of ours. */
export function framesOf(
	init: Uint8Array,
	bytes: Uint8Array,
	segment: Pick<RecordedSegment, 'startSeconds' | 'durationSeconds' | 'capturedAtMs'>,
): RecordedFrame[] {
	const facts = readInit(init);
	if (facts === undefined) {
		return [];
	}
	const timescale = cmafTimescale(facts.config);
	const anchors = readCaptureTimes(bytes);
	const shown: RecordedFrame[] = [];
	for (const { decodeTimeTicks, compositionOffsetTicks, durationTicks } of readFragments(bytes)) {
		const ticks = decodeTimeTicks + compositionOffsetTicks - facts.presentationDelayTicks;
		const startSeconds = ticks / timescale;
		const date = segment.capturedAtMs + (startSeconds - segment.startSeconds) * 1000;
		const anchor = anchors.findLast((one) => one.decodeTimeTicks <= decodeTimeTicks);
		const picture =
			anchor === undefined ? date : anchor.captureTimeMs + ((ticks - anchor.decodeTimeTicks) * 1000) / timescale;
		const endSeconds = startSeconds + durationTicks / timescale;
		shown.push({ startSeconds, endSeconds, capturedAtMs: { picture, date } });
	}
	shown.sort((one, other) => one.startSeconds - other.startSeconds);
	const segmentEnd = segment.startSeconds + segment.durationSeconds;
	return shown.map((frame, index) => {
		const nextSeconds = shown[index + 1]?.startSeconds ?? segmentEnd;
		// The last one of a stream with B-frames may be shown after its segment ends.
		return { ...frame, endSeconds: nextSeconds > frame.startSeconds ? nextSeconds : frame.endSeconds };
	});
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
