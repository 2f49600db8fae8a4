/** Multivariant playlists as the packager writes them. */
import { describe, expect, it } from 'vitest';
import { parseLadder, singleVariantPlaylist } from './ladder.ts';

const URL_OF = (name: string): string => `https://a.test/hls/ada/${name}`;
const MULTIVARIANT = `#EXTM3U
#EXT-X-VERSION:9
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Audio",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="b1/audio0/index.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio-low",NAME="Audio",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="1",URI="b1/audio1/index.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=1461000,AVERAGE-BANDWIDTH=660000,SCORE=3,CODECS="avc1.4d401f,mp4a.40.2",RESOLUTION=854x480,FRAME-RATE=30.000,AUDIO="audio",CLOSED-CAPTIONS=NONE
b1/video2/index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=6741000,AVERAGE-BANDWIDTH=5620000,SCORE=4,CODECS="avc1.640032,mp4a.40.2",RESOLUTION=1920x1080,FRAME-RATE=60.000,AUDIO="audio",CLOSED-CAPTIONS=NONE
b1/video0/index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=308000,SCORE=2,CODECS="avc1.4d400d,mp4a.40.2",RESOLUTION=284x160,FRAME-RATE=30.000,AUDIO="audio-low",CLOSED-CAPTIONS=NONE
b1/video4/index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=55000,AVERAGE-BANDWIDTH=45000,SCORE=1,CODECS="mp4a.40.2"
b1/audio1/index.m3u8
`;

describe('parseLadder', () => {
	it('reads rungs from the best down, with their sounds, and sound alone', () => {
		const ladder = parseLadder(MULTIVARIANT, URL_OF('index.m3u8'))!;
		const high = { playlistUrl: URL_OF('b1/audio0/index.m3u8'), channels: '2' };
		const low = { playlistUrl: URL_OF('b1/audio1/index.m3u8'), channels: '1' };
		expect(ladder.rungs).toMatchObject([
			{
				playlistUrl: URL_OF('b1/video0/index.m3u8'),
				widthPixels: 1920,
				heightPixels: 1080,
				frameRate: 60,
				bandwidthBps: 6_741_000,
				codecs: 'avc1.640032,mp4a.40.2',
				sound: high,
				isSource: true,
			},
			// Its ceiling is far above what its pictures need.
			{ playlistUrl: URL_OF('b1/video2/index.m3u8'), bandwidthBps: 990_000, sound: high, isSource: false },
			{ playlistUrl: URL_OF('b1/video4/index.m3u8'), bandwidthBps: 308_000, sound: low, isSource: false },
		]);
		expect(ladder.soundOnly).toEqual({
			sound: { playlistUrl: URL_OF('b1/audio1/index.m3u8'), channels: '2' },
			bandwidthBps: 55_000,
		});
	});

	it('has the addresses of the preferred pathway, and where the same media is, too', () => {
		const at = (id: string, base: string): string =>
			MULTIVARIANT.replace(/^#EXT(M3U|-X-VERSION|-X-INDEP).*\n/gm, '')
				.replace(/(GROUP-ID|AUDIO)="([^"]+)"/g, `$1="$2.${id}"`)
				.replace(/(#EXT-X-STREAM-INF:.*)/g, `$1,PATHWAY-ID="${id}"`)
				.replace(/b1\//g, `${base}/hls/ada/b1/`);
		const steering = '#EXT-X-CONTENT-STEERING:SERVER-URI="/hls/steering.json",PATHWAY-ID="near"\n';
		const both = `#EXTM3U\n${steering}${at('far', 'https://far.test')}${at('near', 'https://near.test/live')}`;
		const ladder = parseLadder(both, URL_OF('index.m3u8'))!;
		const plain = parseLadder(MULTIVARIANT, URL_OF('index.m3u8'))!;
		expect(JSON.stringify({ ...ladder, steering: undefined })).toBe(
			JSON.stringify(plain).replaceAll('https://a.test/', 'https://near.test/live/'),
		);
		expect(plain.steering).toBeUndefined();
		expect(ladder.steering).toEqual({
			url: 'https://a.test/hls/steering.json',
			pathways: [
				{ id: 'near', base: 'https://near.test/live' },
				{ id: 'far', base: 'https://far.test' },
			],
		});
	});

	it('ranks by bandwidth without scores, and knows sound alone without a variant for it', () => {
		const text = MULTIVARIANT.replace(/SCORE=\d,/g, '').replace(/#EXT-X-STREAM-INF:BANDWIDTH=55000.*\n.*\n/, '');
		const { rungs, soundOnly } = parseLadder(text, URL_OF('index.m3u8'))!;
		expect(rungs.map(({ heightPixels }) => heightPixels)).toEqual([1080, 480, 160]);
		expect(soundOnly?.sound.playlistUrl).toBe(URL_OF('b1/audio1/index.m3u8'));
	});

	it.each([
		['a channel without a picture', '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=55000,CODECS="mp4a.40.2"\na.m3u8\n'],
		['a media playlist', '#EXTM3U\n#EXTINF:2,\na.m4s\n'],
		['other text', '<html>'],
	])('is undefined for %s', (_name, text) => {
		expect(parseLadder(text, URL_OF('index.m3u8'))).toBeUndefined();
	});

	it('plays a picture without sound', () => {
		const text = '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=2200000,CODECS="avc1.4d400d"\nv.m3u8\n';
		const ladder = parseLadder(text, URL_OF('index.m3u8'))!;
		expect(ladder).toMatchObject({ rungs: [{ sound: undefined, heightPixels: 0, frameRate: 0 }] });
		expect(ladder.soundOnly).toBeUndefined();
		expect(singleVariantPlaylist(ladder)).toBe(`#EXTM3U
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-STREAM-INF:BANDWIDTH=2200000,CODECS="avc1.4d400d",CLOSED-CAPTIONS=NONE
https://a.test/hls/ada/v.m3u8
`);
	});
});

describe('singleVariantPlaylist', () => {
	it('has one picture and one sound', () => {
		const ladder = parseLadder(MULTIVARIANT, URL_OF('index.m3u8'))!;
		expect(singleVariantPlaylist(ladder)).toBe(`#EXTM3U
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="Audio",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="https://a.test/hls/ada/b1/audio0/index.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=6741000,CODECS="avc1.640032,mp4a.40.2",RESOLUTION=1920x1080,AUDIO="sound",CLOSED-CAPTIONS=NONE
https://a.test/hls/ada/b1/video0/index.m3u8
`);
	});
});
