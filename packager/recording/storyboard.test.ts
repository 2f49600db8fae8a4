/** Plans of storyboards and posters: which segments, which sheets, and the WebVTT text. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TrackId } from '../../core/media/access-unit.ts';
import { recordedWindow, type RecordedSegment, type RecordedTrack } from '../vod/vod-playlist.ts';
import {
	fitWidth,
	formatStoryboard,
	LEAST_INTERVAL_SECONDS,
	MAX_SHEETS,
	planPoster,
	planSheet,
	planStoryboard,
	sheetCount,
	type StoryboardPlan,
} from './storyboard.ts';

const SEGMENT_SECONDS = 2;

function segment(mediaSequence: number, startSeconds: number, isGap = false): RecordedSegment {
	const durationSeconds = SEGMENT_SECONDS;
	const times = { startSeconds, durationSeconds, capturedAtMs: startSeconds * 1000 };
	return { mediaSequence, run: 0, initName: 'init1.mp4', isGap, sizeBytes: isGap ? 0 : 1000, ...times };
}

/** From second 100 on. `hasMedia`: by the number of the segment, from 0. */
function track(
	trackId: TrackId,
	seconds: number,
	{ size = [1280, 720], hasMedia = () => true }: { size?: number[]; hasMedia?: (index: number) => boolean } = {},
): RecordedTrack {
	const [widthPixels, heightPixels] = size as [number, number];
	return {
		trackId,
		facts: [{ kind: 'video', codecs: ['avc1.64001f'], widthPixels, heightPixels }],
		rung: null,
		frameRate: 30,
		segments: Array.from({ length: seconds / SEGMENT_SECONDS }, (_, index) =>
			segment(index + 1, 100 + index * SEGMENT_SECONDS, !hasMedia(index)),
		),
	};
}

const SOUND: RecordedTrack = {
	...track('audio0', 60),
	facts: [{ kind: 'audio', codecs: ['mp4a.40.2'], channelCount: 2 }],
};

const sequences = ({ slots }: Pick<StoryboardPlan, 'slots'>): number[][] =>
	slots.map((slot) => slot.map(({ mediaSequence }) => mediaSequence));

describe('a storyboard', () => {
	it('is written as WebVTT with places on sheets', () => {
		const plan = planStoryboard([track('video0', 34)])!;
		expect(formatStoryboard(plan)).toBe(`WEBVTT

00:00:00.000 --> 00:00:10.000
sheet1.jpg#xywh=0,0,160,90

00:00:10.000 --> 00:00:20.000
sheet1.jpg#xywh=160,0,160,90

00:00:20.000 --> 00:00:30.000
sheet1.jpg#xywh=320,0,160,90

00:00:30.000 --> 00:00:34.000
sheet1.jpg#xywh=480,0,160,90
`);
	});

	it('goes to the next row after ten pictures and to the next sheet after a hundred', () => {
		const text = formatStoryboard(planStoryboard([track('video0', 1200)])!);
		expect(text).toContain('00:01:40.000 --> 00:01:50.000\nsheet1.jpg#xywh=0,90,160,90\n');
		expect(text).toContain('00:16:30.000 --> 00:16:40.000\nsheet1.jpg#xywh=1440,810,160,90\n');
		expect(text).toContain('00:16:40.000 --> 00:16:50.000\nsheet2.jpg#xywh=0,0,160,90\n');
	});

	it('takes the segment in which a picture is due, then those after it that begin before the next is due', () => {
		expect(sequences(planStoryboard([track('video0', 24)])!)).toEqual([
			[1, 2, 3, 4, 5],
			[6, 7, 8, 9, 10],
			[11, 12],
		]);
	});

	it('has no segment of its own for a picture in a gap', () => {
		const plan = planStoryboard([track('video0', 40, { hasMedia: (index) => index < 4 || index >= 17 })])!;
		expect(sequences(plan)).toEqual([[1, 2, 3, 4], [], [], [18, 19, 20]]);
	});

	it('takes the smallest track, and the source where that one has nothing', () => {
		const small = track('video1', 30, { size: [640, 360], hasMedia: (index) => index >= 5 });
		const plan = planStoryboard([track('video0', 30), small])!;
		const first = plan.slots.map(([source]) => source!.trackId);
		expect(first).toEqual(['video0', 'video1', 'video1']);
		expect(
			plan.slots[1]!.map(({ trackId }) => trackId)
				.slice(0, 6)
				.at(-1),
		).toBe('video0');
	});

	it.each([
		[
			[1920, 1080],
			[160, 90],
		],
		[
			[1080, 1920],
			[90, 160],
		],
		[
			[640, 480],
			[160, 120],
		],
		[
			[2560, 1080],
			[160, 68],
		],
		[
			[2, 4000],
			[2, 160],
		],
	])('keeps the shape of %j', (size, [widthPixels, heightPixels]) => {
		expect(planStoryboard([track('video0', 10, { size })])!.tile).toEqual({ widthPixels, heightPixels });
	});

	it.each([
		['of sound alone', [SOUND]],
		['without any media', [track('video0', 20, { hasMedia: () => false })]],
		['without tracks', []],
	])('is not made of a video %s', (_what, tracks) => {
		expect(planStoryboard(tracks)).toBeUndefined();
		expect(planPoster(tracks, { count: 5, maxWidthPixels: 1280 })).toBeUndefined();
	});

	it.each([
		[4 * 3600, 10, 15],
		[24 * 3600, 54, 16],
		[240 * 3600, 540, 16],
	])('of %i s has a picture each %i s and %i sheets', (seconds, intervalSeconds, sheets) => {
		const whole = { ...track('video0', 4), segments: [segment(1, 100), segment(2, 100 + seconds - SEGMENT_SECONDS)] };
		const plan = planStoryboard([whole])!;
		expect([plan.intervalSeconds, sheetCount(plan)]).toEqual([intervalSeconds, sheets]);
	});

	it('covers all of a video once, with pictures of the time that each has', () => {
		const recordings = fc.record({
			durations: fc.array(fc.double({ min: 0.1, max: 3.4, noNaN: true }), { minLength: 1, maxLength: 400 }),
			gaps: fc.array(fc.nat(399), { maxLength: 200 }),
			stretch: fc.constantFrom(1, 10, 500),
		});
		fc.assert(
			fc.property(recordings, ({ durations, gaps, stretch }) => {
				let startSeconds = 100;
				const segments = durations.map((durationSeconds, index) => {
					const entry = { ...segment(index + 1, startSeconds, gaps.includes(index)), durationSeconds };
					startSeconds += durationSeconds * stretch;
					return entry;
				});
				const tracks = [{ ...track('video0', 2), segments }];
				const plan = planStoryboard(tracks);
				const window = recordedWindow(tracks);
				if (plan === undefined || window === undefined) {
					expect(segments.every(({ isGap }) => isGap)).toBe(true);
					return;
				}
				expect(plan.durationSeconds).toBeCloseTo(window.endSeconds - window.startSeconds);
				expect(plan.intervalSeconds).toBeGreaterThanOrEqual(LEAST_INTERVAL_SECONDS);
				expect(sheetCount(plan)).toBeLessThanOrEqual(MAX_SHEETS);
				expect(plan.slots[0]!.length).toBeGreaterThan(0);
				plan.slots.forEach((slot, index) => {
					const dueSeconds = window.startSeconds + index * plan.intervalSeconds;
					for (const { mediaSequence } of slot) {
						const { startSeconds: beginsAt, durationSeconds, isGap } = segments[mediaSequence - 1]!;
						expect(isGap).toBe(false);
						expect(beginsAt).toBeLessThan(dueSeconds + plan.intervalSeconds);
						expect(beginsAt + durationSeconds).toBeGreaterThan(dueSeconds);
					}
				});
				checkCues(plan);
			}),
			{ numRuns: 200 },
		);
	});
});

/** The cues follow one another from 0 to the end, and every place is on its sheet, once. */
function checkCues(plan: StoryboardPlan): void {
	const cue = /^([\d:.]+) --> ([\d:.]+)\nsheet(\d+)\.jpg#xywh=(\d+),(\d+),(\d+),(\d+)$/gm;
	const cues = [...formatStoryboard(plan).matchAll(cue)];
	expect(cues.length).toBe(plan.slots.length);
	const seconds = (text: string): number => text.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
	const places = new Set<string>();
	let endSeconds = 0;
	for (const [, from, to, sheet, ...rectangle] of cues) {
		expect(seconds(from!)).toBeCloseTo(endSeconds, 2);
		endSeconds = seconds(to!);
		const { columns, rows } = planSheet(plan, Number(sheet));
		const [x, y, width, height] = rectangle.map(Number) as [number, number, number, number];
		expect([width, height]).toEqual([plan.tile.widthPixels, plan.tile.heightPixels]);
		expect(x + width).toBeLessThanOrEqual(columns * width);
		expect(y + height).toBeLessThanOrEqual(rows * height);
		places.add(`${sheet} ${x} ${y}`);
	}
	expect(endSeconds).toBeCloseTo(plan.durationSeconds, 2);
	expect(places.size).toBe(cues.length);
}

describe('a sheet', () => {
	it('has what comes before it, for a gap at its begin, and at the begin of the video what comes after', () => {
		const [one, two] = [1, 2].map((mediaSequence) => [{ trackId: 'video0', mediaSequence, initName: 'init1.mp4' }]);
		const slots = [...Array.from({ length: 97 }, () => []), one!, [], [], [], two!] as StoryboardPlan['slots'];
		expect(planSheet({ slots }, 2)).toEqual({ columns: 2, rows: 1, slots: [[], two], before: one });
		const late = [...Array.from({ length: 100 }, () => []), two!] as StoryboardPlan['slots'];
		expect(planSheet({ slots: late }, 1).before).toBe(two);
	});
});

describe('a poster', () => {
	it('is chosen among pictures of the whole video, not of its first and last moment', () => {
		const plan = planPoster([track('video0', 40)], { count: 4, maxWidthPixels: 1280 })!;
		expect(sequences(plan).map(([first]) => first)).toEqual([3, 8, 13, 18]);
		expect(plan.size).toEqual({ widthPixels: 1280, heightPixels: 720 });
	});

	it.each([
		[1920, 1080, 1280, 1280, 720],
		[640, 360, 1280, 640, 360],
		[720, 1280, 480, 480, 854],
		[333, 187, 480, 334, 188],
	])('of %ix%i, at most %i wide, is %ix%i', (width, height, max, fitWidthPixels, fitHeightPixels) => {
		const fit = fitWidth({ widthPixels: width, heightPixels: height }, max);
		expect(fit).toEqual({ widthPixels: fitWidthPixels, heightPixels: fitHeightPixels });
	});
});
