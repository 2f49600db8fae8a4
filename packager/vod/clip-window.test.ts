/** Which segments a clip has, and where a capture time is: what holds for every recording, gaps and runs included. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clipWindow, coveringWindow, mediaOf, secondsAtDate, segmentsAround } from './clip-window.ts';
import { endOf, formatVodPlaylist, type RecordedSegment, type RecordedTrack } from './vod-playlist.ts';

const START_MS = Date.UTC(2026, 0, 1);

/** Segments one after another, some of them gaps, with holes between runs. */
const segments: fc.Arbitrary<RecordedSegment[]> = fc
	.array(
		fc.record({
			durationSeconds: fc.double({ min: 0.1, max: 3.4, noNaN: true }),
			isGap: fc.boolean(),
			holeSeconds: fc.constantFrom(0, 0, 0, 7),
		}),
		{ minLength: 1, maxLength: 30 },
	)
	.map((list) => {
		let startSeconds = 100;
		let run = 0;
		return list.map(({ durationSeconds, isGap, holeSeconds }, index) => {
			startSeconds += holeSeconds;
			run += holeSeconds > 0 ? 1 : 0;
			const segment = {
				mediaSequence: index + 1,
				run,
				initName: `init${run}.mp4`,
				startSeconds,
				durationSeconds,
				capturedAtMs: START_MS + startSeconds * 1000,
				isGap,
				sizeBytes: isGap ? 0 : 1000,
			};
			startSeconds += durationSeconds;
			return segment;
		});
	});
const place = fc.double({ min: 90, max: 220, noNaN: true });

const trackOf = (own: RecordedSegment[]): RecordedTrack => ({
	trackId: 'video0',
	facts: [{ kind: 'video', codecs: ['avc1.4d400d'], widthPixels: 320, heightPixels: 180 }],
	rung: null,
	frameRate: 30,
	segments: own,
});

describe('clipWindow', () => {
	it('has every segment with media of the clip, no other one, and begins and ends with media', () => {
		fc.assert(
			fc.property(segments, place, place, (own, one, other) => {
				const [startSeconds, endSeconds] = [Math.min(one, other), Math.max(one, other)];
				const wanted = mediaOf(own).filter(
					(segment) => endOf(segment) > startSeconds + 0.001 && segment.startSeconds < endSeconds - 0.001,
				);
				const window = clipWindow([trackOf(own)], { startSeconds, endSeconds });
				if (wanted.length === 0 || window === undefined) {
					expect(window).toBeUndefined();
					expect(wanted).toEqual([]);
					return;
				}
				const text = formatVodPlaylist(trackOf(own), window, true);
				const listed = text.split('\n').filter((line) => /^segment\d+\.m4s$/.test(line));
				expect(listed).toEqual(wanted.map(({ mediaSequence }) => `segment${mediaSequence}.m4s`));
				// Its times count from the first one, and add up.
				expect(window.startSeconds).toBe(wanted[0]!.startSeconds);
				const sum = [...text.matchAll(/#EXTINF:([\d.]+),/g)].reduce((total, [, seconds]) => total + Number(seconds), 0);
				expect(sum).toBeCloseTo(window.endSeconds - window.startSeconds, 3);
			}),
		);
	});

	it('is none without a track', () => {
		expect(clipWindow([], { startSeconds: 0, endSeconds: 9 })).toBeUndefined();
	});
});

describe('coveringWindow', () => {
	it('has all of another track that the clip has, but for a twentieth of a second, and the clip itself', () => {
		fc.assert(
			fc.property(
				segments,
				place,
				fc.double({ min: 0.1, max: 60, noNaN: true }),
				(own, startSeconds, lengthSeconds) => {
					const clip = { startSeconds, endSeconds: startSeconds + lengthSeconds };
					const window = coveringWindow(own, clip);
					expect(window.startSeconds).toBeLessThanOrEqual(clip.startSeconds);
					expect(window.endSeconds).toBeGreaterThanOrEqual(clip.endSeconds);
					const listed = formatVodPlaylist({ segments: own }, window, true);
					for (const segment of mediaOf(own)) {
						const seconds =
							Math.min(endOf(segment), clip.endSeconds) - Math.max(segment.startSeconds, clip.startSeconds);
						if (seconds > 0.05 + 1e-6) {
							expect(listed).toContain(`\nsegment${segment.mediaSequence}.m4s\n`);
						}
					}
				},
			),
		);
	});
});

describe('secondsAtDate', () => {
	it('is where the dates of a playlist say, and never behind the begin of the next segment', () => {
		fc.assert(
			fc.property(segments, place, (own, seconds) => {
				const found = secondsAtDate(own, START_MS + seconds * 1000)!;
				const within = own.findLast((segment) => segment.startSeconds <= seconds);
				expect(found).toBeCloseTo(within === undefined ? own[0]!.startSeconds : seconds, 3);
			}),
		);
	});

	it('follows the dates of the segment when the line of dates moves', () => {
		const [first] = [{ startSeconds: 10, durationSeconds: 2, capturedAtMs: START_MS }] as RecordedSegment[];
		const second = { ...first!, startSeconds: 12, capturedAtMs: START_MS + 2080 };
		// 2040 ms belong to no picture: what follows begins then.
		expect(secondsAtDate([first!, second], START_MS + 2040)).toBe(12);
		expect(secondsAtDate([first!, second], START_MS + 2580)).toBe(12.5);
		expect(secondsAtDate([], START_MS)).toBeUndefined();
	});
});

describe('segmentsAround', () => {
	it('has the segments of a place, or those next to it, and never a gap', () => {
		fc.assert(
			fc.property(segments, place, (own, seconds) => {
				const near = segmentsAround(own, seconds, 0.3);
				expect(near.every(({ isGap }) => !isGap)).toBe(true);
				expect(near.length > 0).toBe(mediaOf(own).length > 0);
				const around = mediaOf(own).filter((segment) => segment.startSeconds <= seconds && endOf(segment) >= seconds);
				expect(near).toEqual(expect.arrayContaining(around));
			}),
		);
	});
});
