/** Tests of what is requested next, and of what is found in a playlist. */
import { describe, expect, it } from 'vitest';
import { mediaPlaylistUrls, nextDirectives, parserFaults } from './playlist-watch.ts';

const MEDIA = `#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:3
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-PART:DURATION=0.2,URI="part1.m4s",INDEPENDENT=YES
#EXTINF:0.2,
segment7.m4s
`;

describe('nextDirectives', () => {
	it('requests the first part of the next segment after a whole one', () => {
		expect(nextDirectives(MEDIA)).toBe('?_HLS_msn=8&_HLS_part=0');
	});

	it('requests the next part of the open segment', () => {
		const open = `${MEDIA}#EXT-X-PART:DURATION=0.2,URI="part2.m4s"\n#EXT-X-PART:DURATION=0.2,URI="part3.m4s"\n`;
		expect(nextDirectives(`${open}#EXT-X-PRELOAD-HINT:TYPE=PART,URI="part4.m4s"\n`)).toBe('?_HLS_msn=8&_HLS_part=2');
	});
});

it('finds the media playlists of variants and renditions, each once', () => {
	const text =
		'#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="A",URI="/audio0/index.m3u8"\n' +
		'#EXT-X-STREAM-INF:BANDWIDTH=2,AUDIO="a"\n/video0/index.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"\n/video0/index.m3u8\n';
	expect(mediaPlaylistUrls(text, 'http://localhost/hls/demo/index.m3u8')).toEqual([
		'http://localhost/video0/index.m3u8',
		'http://localhost/audio0/index.m3u8',
	]);
});

it('reports the faults that m3u8-parser finds', () => {
	expect(parserFaults(MEDIA).filter((fault) => /nothing to play/.test(fault))).toEqual([]);
	expect(parserFaults('#EXTM3U\n')).toContain('m3u8-parser found nothing to play');
	expect(parserFaults(MEDIA.replace('#EXTINF:0.2', '#EXTINF:x')).length).toBeGreaterThan(parserFaults(MEDIA).length);
});
