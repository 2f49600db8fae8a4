/** The last picture of a clip is the same, whether its segment was recorded before the clip was made or after. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { recordRuns, TEST_VIDEO_ID, type TestRecording } from '../../packager/pictures/testing/recorded-video.ts';
import { seededRandom, SIMULATED_VIDEO, simulateRun } from '../../packager/testing/simulated-source.ts';
import type { CaptureClock } from '../../packager/vod/recorded-frames.ts';
import { endOf, type RecordedTrack } from '../../packager/vod/vod-playlist.ts';
import type { ClipRecord, ClipTimes } from './clip-row.ts';
import { ClipTiming } from './clip-timing.ts';

const START_MS = Date.UTC(2026, 0, 1);
const LENGTH_SECONDS = 100;
/** A picture, and the jitter of two. */
const FRAME_AND_JITTER_SECONDS = 1 / 30 + 0.012;

/** What a recording has of its picture when it was recorded up to a segment. */
function timingOf(
	{ store, tracks }: TestRecording,
	clock: FakeClock,
): { timing: ClipTiming; recorded: { count: number } } {
	const [whole] = tracks as [RecordedTrack];
	const recorded = { count: whole.segments.length };
	const segments = (): RecordedTrack['segments'] => whole.segments.slice(0, recorded.count);
	const videos = {
		tracks: async (_id: string, window?: { startSeconds: number; endSeconds: number }) => [
			{
				...whole,
				segments: segments().filter(
					(segment) => segment.startSeconds <= window!.endSeconds && endOf(segment) >= window!.startSeconds,
				),
			},
		],
		startBefore: async (_id: string, capturedAtMs: number) =>
			segments().findLast((segment) => segment.capturedAtMs <= capturedAtMs)?.startSeconds,
		trackStart: async () => whole.segments[0]!.startSeconds,
	};
	return { timing: new ClipTiming({ videos, store, clock }), recorded };
}

async function record(bFrames: number): Promise<TestRecording> {
	const units = simulateRun({
		startSeconds: 100,
		durationSeconds: LENGTH_SECONDS,
		video: { frameRate: 30, gopFrames: 60, bFrames, jitterMs: 4 },
		random: seededRandom(3),
	}).map((unit) => ({
		...unit,
		captureTimeMs: START_MS + (unit.presentationTimeTicks / unit.clockRate - 100) * 1000,
	}));
	return recordRuns([{ tracks: new Map([['video0', SIMULATED_VIDEO]]), units }]);
}

describe('ClipTiming', () => {
	it.each([0, 2])(
		'settles a clip on the picture that a later one of the same moment has, with %i B-frames',
		async (bFrames) => {
			const recording = await record(bFrames);
			const { segments } = recording.tracks[0]!;
			await fc.assert(
				fc.asyncProperty(
					fc.double({ min: 2.5, max: LENGTH_SECONDS - 6, noNaN: true }),
					fc.constantFrom<CaptureClock>('picture', 'date'),
					async (seconds, askedClock) => {
						const clock = new FakeClock(START_MS + seconds * 1000 + 100);
						const { timing, recorded } = timingOf(recording, clock);
						const askedMs = START_MS + seconds * 1000;
						const open = segments.findIndex(
							(segment) => segment.startSeconds + segment.durationSeconds > 100 + seconds,
						);
						recorded.count = open;
						const made = await timing.place({ id: TEST_VIDEO_ID, isGrowing: true }, { askedMs, askedClock });
						expect(made.isSettled).toBe(false);
						const clip = {
							...made,
							videoId: TEST_VIDEO_ID,
							isVideoGrowing: true,
							createdAt: new Date(clock.nowMs()),
							askedMs,
							askedClock,
						} as ClipRecord;
						expect(await timing.findLast(clip)).toBeUndefined();
						recorded.count = open + 2;
						await clock.advance(5000);
						const last = await timing.findLast(clip);
						const later = await timing.place({ id: TEST_VIDEO_ID, isGrowing: true }, { askedMs, askedClock });
						expect(last).toMatchObject({ endSeconds: later.endSeconds, isSettled: true });
						// The estimate was at most a picture off, and the picture is the one of that moment.
						expect(Math.abs(made.endSeconds - last!.endSeconds)).toBeLessThan(FRAME_AND_JITTER_SECONDS);
						expect(Math.abs(last!.endSeconds - 100 - seconds - 1 / 60)).toBeLessThan(FRAME_AND_JITTER_SECONDS);
						expectLength(later, seconds);
					},
				),
				{ numRuns: 60 },
			);
		},
	);

	it('ends a clip with what there is when the publisher has left', async () => {
		const recording = await record(0);
		const clock = new FakeClock(START_MS + 20_000);
		const { timing, recorded } = timingOf(recording, clock);
		recorded.count = 8;
		const askedMs = clock.nowMs();
		const made = await timing.place({ id: TEST_VIDEO_ID, isGrowing: true }, { askedMs, askedClock: 'date' });
		const clip = {
			...made,
			videoId: TEST_VIDEO_ID,
			isVideoGrowing: true,
			createdAt: new Date(clock.nowMs()),
			askedMs,
			askedClock: 'date',
		} as ClipRecord;
		expect(await timing.findLast(clip)).toBeUndefined();
		await clock.advance(21_000);
		expect((await timing.findLast(clip))!.endSeconds).toBeCloseTo(endOf(recording.tracks[0]!.segments[7]!), 2);
	});
});

function expectLength(times: ClipTimes, seconds: number): void {
	const length = times.endSeconds - times.startSeconds;
	expect(Math.abs(length - Math.min(60, seconds))).toBeLessThan(0.07);
	expect(times.sourceEndSeconds - times.sourceStartSeconds).toBeLessThanOrEqual(90.001);
	expect(times.originSeconds).toBeLessThanOrEqual(times.startSeconds + 0.001);
	expect(times.startSeconds - times.originSeconds).toBeLessThan(3.5);
}
