/** Preloading, from playlists as the packager writes them. */
import { expect, it } from 'vitest';
import { initSegmentOf, playlistsOf, preloadHls } from './hls-preload.ts';

const BASE = 'https://host/hls/demo/index.m3u8';
const MULTIVARIANT = `#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="main",URI="b1/audio/index.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"
b1/video/index.m3u8
`;
const MEDIA = `#EXTM3U
#EXT-X-MAP:URI="init-1.mp4"
#EXTINF:2,
1.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="init-2.mp4"
`;

it('finds playlists and the newest init segment', () => {
	const [video, audio] = playlistsOf(MULTIVARIANT, BASE);
	expect(video).toBe('https://host/hls/demo/b1/video/index.m3u8');
	expect(audio).toBe('https://host/hls/demo/b1/audio/index.m3u8');
	expect(initSegmentOf(MEDIA, video!)).toBe('https://host/hls/demo/b1/video/init-2.mp4');
	expect(initSegmentOf('#EXTM3U', video!)).toBeUndefined();
});

it('fetches each of them once, and resolves when a fetch fails', async () => {
	const asked: string[] = [];
	const load = (url: string): Promise<string> => {
		asked.push(url.replace('https://host/hls/demo/', ''));
		if (url.includes('audio')) {
			return Promise.reject(new Error('away'));
		}
		return Promise.resolve(url === BASE ? MULTIVARIANT : MEDIA);
	};
	await preloadHls(BASE, load, () => Promise.reject(new Error('offline')));
	expect(asked.slice(0, 3)).toEqual(['index.m3u8', 'b1/video/index.m3u8', 'b1/audio/index.m3u8']);
	await preloadHls(
		BASE,
		() => Promise.reject(new Error('away')),
		() => Promise.resolve(),
	);
});
