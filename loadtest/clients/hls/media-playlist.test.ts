/** Tests of the playlist reader. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseMediaPlaylist, parseMultivariantPlaylist } from './media-playlist.ts';

const URL_ = 'http://localhost/hls/demo/b/video0/index.m3u8';
const DATE_MS = Date.parse('2030-01-01T00:00:00.000Z');
const LIVE = `#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:3
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=18,PART-HOLD-BACK=0.63,HOLD-BACK=9
#EXT-X-PART-INF:PART-TARGET=0.21
#EXT-X-MEDIA-SEQUENCE:10
#EXT-X-MAP:URI="init.mp4"
#EXT-X-PROGRAM-DATE-TIME:2030-01-01T00:00:00.000Z
#EXTINF:2,
s10.m4s
#EXT-X-PROGRAM-DATE-TIME:2030-01-01T00:00:02.000Z
#EXT-X-PART:DURATION=0.2,URI="s11.0.m4s",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.2,URI="s11.1.m4s"
#EXTINF:0.4,
s11.m4s
#EXT-X-PROGRAM-DATE-TIME:2030-01-01T00:00:02.400Z
#EXT-X-PART:DURATION=0.2,URI="s12.0.m4s",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="s12.1.m4s"
`;

describe('parseMediaPlaylist', () => {
	it('reads parts with their capture times, and what comes next', () => {
		const playlist = parseMediaPlaylist(LIVE, URL_);
		expect(playlist).toMatchObject({
			hasParts: true,
			hasDates: true,
			holdBackMs: 630,
			targetDurationMs: 3000,
			canBlock: true,
			canSkip: true,
			next: { sequence: 12, part: 1 },
			isEnded: false,
			edgeMs: DATE_MS + 2600,
			initUrl: 'http://localhost/hls/demo/b/video0/init.mp4',
			hintUrl: 'http://localhost/hls/demo/b/video0/s12.1.m4s',
		});
		expect(
			playlist.chunks.map(({ sequence, part, startMs, isIndependent }) => [
				sequence,
				part,
				startMs - DATE_MS,
				isIndependent,
			]),
		).toEqual([
			[11, 0, 2000, true],
			[11, 1, 2200, false],
			[12, 0, 2400, true],
		]);
	});

	it('reads a delta update, with times of the previous reading where it has none', () => {
		const before = parseMediaPlaylist(LIVE, URL_);
		const delta = LIVE.replace('s10.m4s\n', '')
			.replace('#EXTINF:2,\n', '#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n')
			.replaceAll(/#EXT-X-PROGRAM-DATE-TIME.*\n/g, '');
		const after = parseMediaPlaylist(delta, URL_, before);
		expect(after.chunks).toEqual(before.chunks);
		expect(after.hasDates).toBe(true);
	});

	it('lists whole segments and holds three target durations back where there are no parts', () => {
		const text = '#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:3\n#EXTINF:2.0,\na.ts\n#EXTINF:1.5,\nb.ts\n';
		expect(parseMediaPlaylist(text, URL_)).toMatchObject({
			hasParts: false,
			hasDates: false,
			holdBackMs: 6000,
			canBlock: false,
			edgeMs: 3500,
			next: { sequence: 5, part: 0 },
		});
	});

	it('keeps the timeline of a sliding window without dates', () => {
		const text = (first: number): string =>
			`#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:${first}\n#EXTINF:2,\n${first}.ts\n#EXTINF:2,\n${first + 1}.ts\n`;
		const second = parseMediaPlaylist(text(1), URL_, parseMediaPlaylist(text(0), URL_));
		expect(second.chunks.map(({ startMs }) => startMs)).toEqual([2000, 4000]);
	});

	it('reads byte ranges, one after another', () => {
		const text =
			'#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n#EXT-X-BYTERANGE:100@50\na\n#EXTINF:2,\n#EXT-X-BYTERANGE:10\na\n';
		expect(parseMediaPlaylist(text, URL_).chunks.map(({ range }) => range)).toEqual(['bytes=50-149', 'bytes=150-159']);
	});

	it('throws nothing but Error for any text, and gives finite times', () => {
		fc.assert(
			fc.property(fc.nat(LIVE.length), fc.nat(40), fc.string(), (at, cut, text) => {
				try {
					const { chunks } = parseMediaPlaylist(LIVE.slice(0, at) + text + LIVE.slice(at + cut), URL_);
					expect(chunks.every(({ startMs, durationMs }) => Number.isFinite(startMs + durationMs))).toBe(true);
				} catch (error) {
					expect((error as Error).constructor).toBe(Error);
				}
			}),
		);
	});
});

describe('parseMultivariantPlaylist', () => {
	it('chooses the best variant and the default sound of its group', () => {
		const text = `#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="B",DEFAULT=NO,URI="/b"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="A",DEFAULT=YES,URI="/a"
#EXT-X-STREAM-INF:BANDWIDTH=100,AUDIO="audio"
/low
#EXT-X-STREAM-INF:BANDWIDTH=200,CODECS="avc1.4d400d,mp4a.40.2",AUDIO="audio"
/high
`;
		expect(parseMultivariantPlaylist(text, URL_)).toEqual({
			videoUrl: 'http://localhost/high',
			audioUrl: 'http://localhost/a',
		});
		expect(parseMultivariantPlaylist(LIVE, URL_)).toBeUndefined();
	});
});
