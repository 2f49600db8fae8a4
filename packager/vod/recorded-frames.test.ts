/** The pictures of recorded segments: their borders, and when each was captured, compared with what was recorded. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { damaged } from '../../core/testing/untrusted-bytes.ts';
import { recordRuns, TEST_VIDEO_ID } from '../pictures/testing/recorded-video.ts';
import { recordedObjectName } from '../recording/journal-entry.ts';
import { seededRandom, SIMULATED_VIDEO, simulateRun } from '../testing/simulated-source.ts';
import { framesOf, lastCaptured, nearestFrame, typicalFrameSeconds, type RecordedFrame } from './recorded-frames.ts';

const CAPTURE_TIME_MS = 1_700_000_000_000;

async function record(bFrames: number): Promise<{ frames: RecordedFrame[]; files: Uint8Array[]; units: number[] }> {
	const video = { frameRate: 30, gopFrames: 60, bFrames, jitterMs: 3, isMilliseconds: true };
	const units = simulateRun({ startSeconds: 100, durationSeconds: 9, video, random: seededRandom(7) }).map((unit) => ({
		...unit,
		// As the server has it: a picture is captured when it is shown.
		captureTimeMs: CAPTURE_TIME_MS + (unit.presentationTimeTicks / unit.clockRate - 100) * 1000,
	}));
	const { store, tracks } = await recordRuns([{ tracks: new Map([['video0', SIMULATED_VIDEO]]), units }]);
	const read = (file: string): Uint8Array => store.objects.get(recordedObjectName(TEST_VIDEO_ID, 'video0', file))!;
	const { segments } = tracks[0]!;
	const files = segments.map(({ mediaSequence }) => read(`segment${mediaSequence}.m4s`));
	return {
		files: [read('init0.mp4'), ...files],
		frames: segments.flatMap((segment, index) => framesOf(read(segment.initName!), files[index]!, segment)),
		units: units.map(({ captureTimeMs }) => captureTimeMs).toSorted((one, other) => one - other),
	};
}

describe('framesOf', () => {
	it.each([0, 2])('has every picture in the order in which it is shown, with %i B-frames', async (bFrames) => {
		const { frames, units } = await record(bFrames);
		expect(frames.length).toBe(units.length);
		for (const [index, frame] of frames.entries()) {
			// A part says when its first picture was captured; the others follow it.
			expect(Math.abs(frame.capturedAtMs.picture - units[index]!)).toBeLessThan(7);
			expect(Math.abs(frame.capturedAtMs.date - units[index]!)).toBeLessThan(16);
			expect(frame.endSeconds).toBeGreaterThan(frame.startSeconds);
			expect(frames[index + 1]?.startSeconds ?? frame.endSeconds).toBeCloseTo(frame.endSeconds, 2);
		}
		expect(frames[0]!.startSeconds).toBeCloseTo(100 + (units[0]! - CAPTURE_TIME_MS) / 1000, 2);
		expect(typicalFrameSeconds(frames)).toBeCloseTo(1 / 30, 2);
	});

	it('finds none in anything else, and never throws', async () => {
		const { files } = await record(0);
		const segment = { startSeconds: 100, durationSeconds: 2, capturedAtMs: CAPTURE_TIME_MS };
		const [init, first] = [files[0]!, files[1]!];
		expect(framesOf(first, init, segment)).toEqual([]);
		fc.assert(fc.property(damaged(init), (bytes) => void framesOf(bytes, first, segment)));
		fc.assert(fc.property(damaged(first), (bytes) => void framesOf(init, bytes, segment)));
	});
});

describe('lastCaptured and nearestFrame', () => {
	const at = (index: number): RecordedFrame => ({
		startSeconds: index / 30,
		endSeconds: (index + 1) / 30,
		capturedAtMs: { picture: 1000 + (index * 1000) / 30, date: 970 + (index * 1000) / 30 },
	});
	const frames = Array.from({ length: 60 }, (_, index) => at(index));

	it('find the picture of a capture time that is measured to less than half a picture', () => {
		fc.assert(
			fc.property(
				fc.nat(59),
				fc.double({ min: -16, max: 16, noNaN: true }),
				fc.constantFrom('picture' as const, 'date' as const),
				(index, errorMs, clock) => {
					const found = lastCaptured(frames, clock, frames[index]!.capturedAtMs[clock] + errorMs);
					expect(found).toBe(frames[index]);
				},
			),
		);
	});

	it('find no picture before the first, and the last one for all times after it', () => {
		expect(lastCaptured(frames, 'picture', 900)).toBeUndefined();
		expect(lastCaptured(frames, 'picture', 9000)).toBe(frames.at(-1));
		expect(lastCaptured([], 'picture', 9000)).toBeUndefined();
		expect(nearestFrame([], 'startSeconds', 1)).toBeUndefined();
		expect(typicalFrameSeconds([])).toBeUndefined();
	});

	it('move a place to the nearest border', () => {
		fc.assert(
			fc.property(fc.double({ min: 0, max: 2, noNaN: true }), (seconds) => {
				const found = nearestFrame(frames, 'startSeconds', seconds)!;
				expect(
					frames.every((frame) => Math.abs(frame.startSeconds - seconds) >= Math.abs(found.startSeconds - seconds)),
				).toBe(true);
			}),
		);
	});
});
