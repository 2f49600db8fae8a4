/** Foreign players on a real broadcast, for a few seconds each. Not a speed test: the bench plays for a minute. */
import { expect, it } from 'vitest';
import { PlaylistSequenceChecker } from '../../packager/testing/playlist-rules.ts';
import { BENCH_SETTINGS } from '../source/encoder-settings.ts';
import { ServerUnderTest } from './measure/server-under-test.ts';
import { runPlayers } from './players.ts';

const SMALL = { ...BENCH_SETTINGS, widthPixels: 640, heightPixels: 360, videoBitrateBps: 600_000 };

it('plays in FFmpeg, hls.js, shaka-player and m3u8-parser, from the first seconds of a broadcast on', async () => {
	const server = await ServerUnderTest.start();
	try {
		const run = await runPlayers(server, {
			publisher: 'rtmp',
			settings: SMALL,
			durationMs: 2000,
			makeChecker: (renditionCount) => {
				const checker = new PlaylistSequenceChecker(() => renditionCount);
				return (text) => checker.check(text);
			},
		});
		expect(run.failures).toEqual([]);
		expect(run.players.map(({ player }) => player).sort()).toEqual([
			'ffmpeg',
			'ffprobe',
			'hls.js',
			'shaka',
			'shaka-low-latency',
		]);
		// The multivariant playlist once, and a version for each part of video and audio.
		expect(run.playlists).toHaveLength(3);
		expect(run.playlists.slice(1).every(({ playlistCount }) => playlistCount > 20)).toBe(true);
	} finally {
		await server.stop();
	}
});
