/** Tests of the playlist reader. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseVariant, parseMediaPlaylist, parseMultivariantPlaylist, rungOf } from './media-playlist.ts';

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
	it('reads the variants by their bandwidth, each with the default sound of its group', () => {
		const text = `#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="B",DEFAULT=NO,URI="/b"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="A",DEFAULT=YES,URI="/a"
#EXT-X-STREAM-INF:BANDWIDTH=200000,CODECS="avc1.4d400d,mp4a.40.2",RESOLUTION=640x360,AUDIO="audio"

# A remark.
/high
#EXT-X-STREAM-INF:BANDWIDTH=100000
/low
`;
		const variants = parseMultivariantPlaylist(text, URL_)!;
		expect(variants).toEqual([
			{ bandwidthBps: 100_000, heightPixels: undefined, videoUrl: 'http://localhost/low', audioUrl: undefined },
			{
				bandwidthBps: 200_000,
				heightPixels: 360,
				videoUrl: 'http://localhost/high',
				audioUrl: 'http://localhost/a',
			},
		]);
		expect(variants.map(rungOf)).toEqual(['100k', '360p']);
		expect(parseMultivariantPlaylist(LIVE, URL_)).toBeUndefined();
	});

	it.each([1, 2, 4])('lets a viewer choose of %i variants', (count) => {
		const variants = Array.from({ length: count }, (_, index) => {
			return { bandwidthBps: index + 1, heightPixels: undefined, videoUrl: `/${index}`, audioUrl: undefined };
		});
		const choose = (choice: 'highest' | 'lowest' | 'spread'): number[] =>
			Array.from({ length: count * 3 }, (_, viewer) => chooseVariant(variants, choice, viewer).bandwidthBps - 1);
		expect(new Set(choose('highest'))).toEqual(new Set([count - 1]));
		expect(new Set(choose('lowest'))).toEqual(new Set([0]));
		const spread = Map.groupBy(choose('spread'), (index) => index);
		expect([...spread.values()].map(({ length }) => length)).toEqual(Array.from({ length: count }, () => 3));
	});
});
