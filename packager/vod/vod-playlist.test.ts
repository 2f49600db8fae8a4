/** Playlists of recordings: whole texts, and what holds for every journal. */
import fc from 'fast-check';
import { Parser } from 'm3u8-parser';
import { describe, expect, it } from 'vitest';
import {
	formatVodMultivariant,
	formatVodPlaylist,
	recordedWindow,
	type RecordedSegment,
	type RecordedTrack,
} from './vod-playlist.ts';

const START_MS = Date.UTC(2026, 0, 1);

/** Consecutive segments of 2 s; `change` for some of them. */
function segments(count: number, change: (index: number) => Partial<RecordedSegment> = () => ({})): RecordedSegment[] {
	return Array.from({ length: count }, (_, index) => ({
		mediaSequence: index + 1,
		run: 0,
		initName: 'init0.mp4',
		startSeconds: 100 + index * 2,
		durationSeconds: 2,
		capturedAtMs: START_MS + index * 2000,
		isGap: false,
		sizeBytes: 500_000,
		...change(index),
	}));
}

const video = (own: Partial<RecordedTrack> = {}): RecordedTrack => ({
	trackId: 'video0',
	facts: [{ kind: 'video', codecs: ['avc1.4d400d'], widthPixels: 1280, heightPixels: 720 }],
	rung: null,
	frameRate: 30,
	segments: segments(3),
	...own,
});
const audio = (own: Partial<RecordedTrack> = {}): RecordedTrack => ({
	trackId: 'audio0',
	facts: [{ kind: 'audio', codecs: ['mp4a.40.2'], channelCount: 2 }],
	rung: null,
	frameRate: null,
	segments: segments(3, () => ({ sizeBytes: 32_000 })),
	...own,
});
const rung = (own: Partial<RecordedTrack> = {}): RecordedTrack =>
	video({
		trackId: 'video3',
		facts: [{ kind: 'video', codecs: ['avc1.4d401e'], widthPixels: 640, heightPixels: 360 }],
		rung: { kind: 'video', name: '360p30', heightPixels: 360, frameRate: 30, maxBitrateBps: 800_000 },
		...own,
	});

const text = (track: RecordedTrack, isComplete = true): string =>
	formatVodPlaylist(track, recordedWindow([track])!, isComplete);

/** Seconds of all entries of a playlist. */
function sumOf(playlist: string): number {
	return [...playlist.matchAll(/#EXTINF:([\d.]+),/g)].reduce((sum, [, seconds]) => sum + Number(seconds), 0);
}

describe('formatVodPlaylist', () => {
	it('lists the segments of a complete recording', () => {
		expect(text(video())).toBe(`#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:3
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-MEDIA-SEQUENCE:1
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-MAP:URI="init0.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z
#EXTINF:2.00000000,
segment1.m4s
#EXTINF:2.00000000,
segment2.m4s
#EXTINF:2.00000000,
segment3.m4s
#EXT-X-ENDLIST
`);
	});

	it('has no end while the recording grows', () => {
		expect(text(video(), false)).toMatch(/#EXT-X-PLAYLIST-TYPE:EVENT[\s\S]*segment3\.m4s\n$/);
	});

	it('begins a run with a discontinuity, its init segment and its date', () => {
		const runs = segments(3, (index) =>
			index < 2 ? {} : { run: 1, initName: 'init1.mp4', capturedAtMs: START_MS + 9000 },
		);
		expect(text(video({ segments: runs }))).toContain(`segment2.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="init1.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:09.000Z
#EXTINF:2.00000000,
segment3.m4s
`);
	});

	it('lists gaps and holes in pieces of at most 3 s, and none at the ends', () => {
		const holes = segments(6, (index) => ({
			isGap: index === 0 || index === 2 || index === 5,
			startSeconds: 100 + index * 2 + (index >= 4 ? 7 : 0),
			capturedAtMs: START_MS + (index * 2 + (index >= 4 ? 7 : 0)) * 1000,
		}));
		const listed = text(video({ segments: holes }));
		expect(listed.match(/.*m4s/g)).toEqual([
			'segment2.m4s',
			'gap1.m4s',
			'segment4.m4s',
			'gap2.m4s',
			'gap3.m4s',
			'gap4.m4s',
			'segment5.m4s',
		]);
		// From second 102 to second 117.
		expect(sumOf(listed)).toBeCloseTo(15, 6);
		expect(listed.match(/#EXT-X-GAP/g)).toHaveLength(4);
	});

	it('keeps the tracks of a recording equally long', () => {
		const late = audio({ segments: segments(3).slice(1) });
		const window = recordedWindow([video(), late])!;
		const listed = formatVodPlaylist(late, window, true);
		expect(listed.match(/.*m4s/g)).toEqual(['gap1.m4s', 'segment2.m4s', 'segment3.m4s']);
		expect(sumOf(listed)).toBeCloseTo(6, 6);
		expect(listed).toContain('#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z');
	});

	it('is in order, without an overlap, for every journal: durations add up to the time, dates never go back', () => {
		const step = fc.record({
			seconds: fc.double({ min: 0.2, max: 3.45, noNaN: true }),
			holeSeconds: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 40, noNaN: true })),
			isGap: fc.boolean(),
			isNewRun: fc.boolean(),
			dateErrorMs: fc.integer({ min: -400, max: 400 }),
		});
		fc.assert(
			fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), fc.boolean(), (steps, isComplete) => {
				let [at, run] = [100, 0];
				const journal = steps.map(({ seconds, holeSeconds, isGap, isNewRun, dateErrorMs }, index): RecordedSegment => {
					at += holeSeconds;
					run += isNewRun && index > 0 ? 1 : 0;
					const startSeconds = at;
					at += seconds;
					const capturedAtMs = START_MS + Math.round(startSeconds * 1000) + dateErrorMs;
					const initName = `init${run}.mp4`;
					const times = { startSeconds, durationSeconds: seconds, capturedAtMs };
					return { mediaSequence: index + 1, run, initName, ...times, isGap, sizeBytes: 1 };
				});
				const track = video({ segments: journal });
				const window = recordedWindow([track]);
				if (window === undefined) {
					expect(journal.every(({ isGap }) => isGap)).toBe(true);
					return;
				}
				const listed = formatVodPlaylist(track, window, isComplete);
				const tolerance = 0.05 * journal.length + 1e-6;
				expect(Math.abs(sumOf(listed) - (window.endSeconds - window.startSeconds))).toBeLessThanOrEqual(tolerance);
				const dates = [...listed.matchAll(/DATE-TIME:(.*)/g)].map(([, date]) => Date.parse(date!));
				expect(dates).toEqual(dates.toSorted((one, other) => one - other));
				const names = listed.match(/^\w+\.m4s/gm)!;
				expect(new Set(names).size).toBe(names.length);
				const parser = new Parser();
				parser.push(listed);
				parser.end();
				expect(parser.manifest.segments).toHaveLength(names.length);
			}),
		);
	});
});

describe('formatVodMultivariant', () => {
	it('lists the source, a rung that has all of it, and the sound', () => {
		const listed = formatVodMultivariant([video(), rung(), audio()]);
		expect(listed.match(/^\w+\/index\.m3u8/gm)).toEqual([
			'video0/index.m3u8',
			'video3/index.m3u8',
			'audio0/index.m3u8',
		]);
		expect(listed).toContain('RESOLUTION=1280x720');
	});

	it('leaves out a rung that lacks a segment of the source', () => {
		const part = rung({ segments: segments(3, (index) => ({ isGap: index === 1 })) });
		expect(formatVodMultivariant([video(), part, audio()])).not.toContain('video3');
	});

	it('names all codecs, and the largest size, of a source that changed', () => {
		const changed = video({
			facts: [
				{ kind: 'video', codecs: ['avc1.4d400d'], widthPixels: 640, heightPixels: 360 },
				{ kind: 'video', codecs: ['avc1.640028'], widthPixels: 1920, heightPixels: 1080 },
			],
		});
		expect(formatVodMultivariant([changed, audio()])).toMatch(
			/CODECS="avc1\.4d400d,avc1\.640028,mp4a\.40\.2",RESOLUTION=1920x1080/,
		);
	});

	it('plays sound alone', () => {
		expect(formatVodMultivariant([audio()])).toMatch(/CODECS="mp4a\.40\.2"\naudio0\/index\.m3u8/);
		expect(recordedWindow([audio()])).toEqual({ startSeconds: 100, endSeconds: 106 });
	});
});
