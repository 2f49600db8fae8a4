/** Media playlists as the packager writes them, whole and as delta updates. */
import { describe, expect, it } from 'vitest';
import { TrackPlaylist } from './track-playlist.ts';

const BASE = 'https://a.test/hls/ada/b1/video0/';
const HEAD = '#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:3\n#EXT-X-PART-INF:PART-TARGET=0.21\n';
const part = (number: number, flags = ''): string =>
	`#EXT-X-PART:DURATION=0.20000001,URI="part${number}.m4s"${flags}\n`;
const WHOLE = `${HEAD}#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-MAP:URI="init0.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z
#EXTINF:2.00,
segment7.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="init1.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:02.500Z
${part(11, ',INDEPENDENT=YES')}${part(12)}#EXTINF:0.40,
segment8.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:02.900Z
${part(13, ',INDEPENDENT=YES')}#EXT-X-PART:DURATION=0.2,URI="gap1.m4s",GAP=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="part14.m4s"
#EXT-X-RENDITION-REPORT:URI="../audio0/index.m3u8",LAST-MSN=9,LAST-PART=1
`;
const DELTA = `${HEAD}#EXT-X-MEDIA-SEQUENCE:8
#EXT-X-SKIP:SKIPPED-SEGMENTS=1
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:02.900Z
${part(13, ',INDEPENDENT=YES')}${part(14)}#EXTINF:0.40,
segment9.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:03.300Z
${part(15, ',INDEPENDENT=YES')}`;

function list(...texts: string[]): TrackPlaylist {
	const playlist = new TrackPlaylist(`${BASE}index.m3u8`);
	for (const text of texts) {
		expect(playlist.apply(text)).toBe(true);
	}
	return playlist;
}

describe('TrackPlaylist', () => {
	it('knows segments, parts, their init segments and gaps', () => {
		const playlist = list(WHOLE);
		expect(playlist.segments.map(({ mediaSequence }) => mediaSequence)).toEqual([7, 8, 9]);
		expect(playlist.segment(7)).toEqual({
			mediaSequence: 7,
			url: `${BASE}segment7.m4s`,
			parts: [],
			initUrl: `${BASE}init0.mp4`,
			isDiscontinuous: false,
		});
		expect(playlist.segment(8)).toMatchObject({ initUrl: `${BASE}init1.mp4`, isDiscontinuous: true });
		expect(playlist.segment(8)?.parts).toEqual([
			{ url: `${BASE}part11.m4s`, durationSeconds: 0.20000001, isIndependent: true, isGap: false },
			{ url: `${BASE}part12.m4s`, durationSeconds: 0.20000001, isIndependent: false, isGap: false },
		]);
		expect(playlist.newest).toMatchObject({ url: undefined, initUrl: `${BASE}init1.mp4`, isDiscontinuous: false });
		expect(playlist.newest?.parts.map(({ isGap }) => isGap)).toEqual([false, true]);
		expect(playlist.reports).toEqual(['https://a.test/hls/ada/b1/audio0/index.m3u8']);
	});

	it('keeps what a delta update leaves out, and forgets what has left the window', () => {
		const playlist = list(WHOLE, DELTA);
		expect(playlist.segments.map(({ mediaSequence }) => mediaSequence)).toEqual([8, 9, 10]);
		expect(playlist.segment(8)?.parts).toHaveLength(2);
		// EXT-X-MAP is not repeated.
		expect(playlist.segment(10)?.initUrl).toBe(`${BASE}init1.mp4`);
		expect(playlist.reports).toEqual([]);
	});

	it('keeps the parts of a segment whose parts are not listed any more', () => {
		const old = `${HEAD}#EXT-X-MEDIA-SEQUENCE:8\n#EXTINF:0.40,\nsegment8.m4s\n`;
		expect(list(WHOLE, old).segment(8)?.parts).toHaveLength(2);
	});

	it('refuses a delta update that leaves out more than is known', () => {
		const playlist = new TrackPlaylist(`${BASE}index.m3u8`);
		expect(playlist.apply(DELTA)).toBe(false);
		expect(playlist.segments).toEqual([]);
	});
});
