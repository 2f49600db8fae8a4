/** Multivariant playlists, whole. */
import { Parser } from 'm3u8-parser';
import { describe, expect, it } from 'vitest';
import { SIMULATED_VIDEO, simulatedAudio } from '../testing/simulated-source.ts';
import { formatMultivariantPlaylist, type ListedRendition } from './multivariant-playlist.ts';

const video: ListedRendition = {
	uri: '/v',
	config: SIMULATED_VIDEO,
	peakBps: 2_000_000,
	frameRate: 29.97,
};
const audio: ListedRendition = {
	uri: '/a',
	config: simulatedAudio(48_000),
	peakBps: 128_000,
	frameRate: undefined,
};

describe('formatMultivariantPlaylist', () => {
	it('lists one video with two sounds', () => {
		const text = formatMultivariantPlaylist([video, audio, { ...audio, uri: '/b', config: simulatedAudio(44_100, 1) }]);
		expect(text).toBe(`#EXTM3U
#EXT-X-VERSION:9
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Audio",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="/a"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Audio 2",DEFAULT=NO,AUTOSELECT=YES,CHANNELS="1",URI="/b"
#EXT-X-STREAM-INF:BANDWIDTH=2341000,CODECS="avc1.4d400d,mp4a.40.2",RESOLUTION=320x180,FRAME-RATE=29.970,AUDIO="audio",CLOSED-CAPTIONS=NONE
/v
`);
		const parser = new Parser();
		parser.push(text);
		parser.end();
		expect(parser.manifest.playlists).toHaveLength(1);
	});

	it('makes sound alone the variant, without a group', () => {
		expect(formatMultivariantPlaylist([audio])).toBe(`#EXTM3U
#EXT-X-VERSION:9
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-STREAM-INF:BANDWIDTH=141000,CODECS="mp4a.40.2"
/a
`);
	});

	it('names only what is known for a picture alone', () => {
		expect(formatMultivariantPlaylist([{ ...video, frameRate: undefined }])).toBe(`#EXTM3U
#EXT-X-VERSION:9
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-STREAM-INF:BANDWIDTH=2200000,CODECS="avc1.4d400d",RESOLUTION=320x180,CLOSED-CAPTIONS=NONE
/v
`);
	});
});
