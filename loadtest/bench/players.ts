/**
 * One broadcast that players of others are let loose on: FFmpeg, hls.js, shaka-player, and m3u8-parser on each
 * playlist.
 */
import { type PathServer } from './measure/path-viewer.ts';
import { createPublisher, type PublisherKind } from '../clients/create-publisher.ts';
import type { EncoderSettings } from '../source/encoder-settings.ts';
import { BrowserPlayer, type BrowserPlayerName } from '../interop/browser-player.ts';
import { playWithFfmpeg, playWithFfprobe } from '../interop/ffmpeg-player.ts';
import type { PlayerResult } from '../interop/player-result.ts';
import { type PlaylistChecker, type PlaylistWatch, watchPlaylists } from '../interop/playlist-watch.ts';
import { waitUntilLive } from './measure/server-under-test.ts';
import { type BenchCommand, runEach, withServer } from './bench-options.ts';

/** What plays, and for how long each. */
type PlayersOptions = {
	publisher: PublisherKind;
	settings: EncoderSettings;
	/** Each player's time; FFmpeg and ffprobe run at once, the others one after another. */
	durationMs: number;
	/** Checks the successive texts of one media playlist, besides m3u8-parser; called once for each. */
	makeChecker?: (renditionCount: number) => PlaylistChecker;
};

/**
 * What they made of it. `failures`: one line for each player and playlist that was not content; empty when all were.
 */
type PlayersRun = {
	publisher: PublisherKind;
	description: string;
	players: PlayerResult[];
	playlists: PlaylistWatch[];
	failures: string[];
};

/** shaka in low-latency mode comes first: it has to cope with a broadcast that has only just begun. */
const BROWSER_PLAYERS: readonly BrowserPlayerName[] = ['shaka-low-latency', 'hls.js', 'shaka'];

export const players: BenchCommand = {
	summary: 'FFmpeg, ffprobe, hls.js and shaka-player on the LL-HLS address, m3u8-parser on every playlist',
	run: async (options) => {
		const { settings, durationMs } = options;
		const { runs, markdown } = await withServer(options, (server) => {
			const run = (publisher: PublisherKind) => runPlayers(server, { publisher, settings, durationMs });
			return runEach(options.publishers, run, formatPlayersRun);
		});
		return { result: { settings, runs }, markdown };
	},
};

/** Publishes, lets them all play, and ends everything. Rejects when nothing comes live. @internal for tests */
export async function runPlayers(server: PathServer, options: PlayersOptions): Promise<PlayersRun> {
	const { httpUrl, channel } = server.addresses;
	const url = new URL(`/hls/${channel}/index.m3u8`, httpUrl).href;
	const publisher = createPublisher(options.publisher, options.settings, server.addresses);
	const stop = new AbortController();
	const first = await BrowserPlayer.open(BROWSER_PLAYERS[0]!, httpUrl);
	try {
		await publisher.start();
		await waitUntilLive(server.addresses);
		const watching = watchPlaylists(url, stop.signal, options.makeChecker ?? (() => () => []));
		// Looked at below; a rejection before that must not end the process.
		watching.catch(() => undefined);
		const players: PlayerResult[] = [await playAndClose(first, url, options.durationMs)];
		players.push(
			...(await Promise.all([playWithFfmpeg(url, options.durationMs), playWithFfprobe(url, options.durationMs)])),
		);
		for (const name of BROWSER_PLAYERS.slice(1)) {
			players.push(await playAndClose(await BrowserPlayer.open(name, httpUrl), url, options.durationMs));
		}
		stop.abort();
		const playlists = await watching;
		const failures = [...players.flatMap(playerFailures), ...playlists.flatMap(playlistFailures)];
		return { publisher: options.publisher, description: publisher.description, players, playlists, failures };
	} finally {
		stop.abort();
		await first.close();
		await publisher.stop();
	}
}

function formatPlayersRun(run: PlayersRun): string {
	const head =
		'| publisher | player | frames | first frame ms | freezes over 250 ms | dropped | buffered ranges | latency s | complaints |\n' +
		'| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n';
	const rows = run.players.map(({ player, frameCount, complaints, playback }) => {
		const figures =
			playback === undefined
				? '– | – | – | – | –'
				: [
						playback.firstFrameMs?.toFixed(0) ?? 'never',
						playback.freezesMs.length === 0
							? '0'
							: `${playback.freezesMs.length} (${playback.freezesMs.join(', ')} ms)`,
						playback.droppedFrameCount,
						playback.bufferedRangeCount,
						playback.latencySeconds?.toFixed(2) ?? '–',
					].join(' | ');
		return `| ${run.publisher} | ${player} | ${frameCount} | ${figures} | ${complaints.length} |\n`;
	});
	const playlists = run.playlists.map(
		({ uri, playlistCount, faults }) =>
			`${new URL(uri).pathname}: ${playlistCount} playlists, ${faults.length} faults\n`,
	);
	return `${head}${rows.join('')}\n${playlists.join('')}${run.failures.map((line) => `FAILED ${line}\n`).join('')}`;
}

async function playAndClose(player: BrowserPlayer, url: string, durationMs: number): Promise<PlayerResult> {
	try {
		return await player.play(url, durationMs);
	} finally {
		await player.close();
	}
}

function playerFailures({ player, frameCount, complaints }: PlayerResult): string[] {
	// hls.js tells of everything that it mends itself; what it cannot mend is fatal.
	const serious = player === 'hls.js' ? complaints.filter((line) => line.startsWith('fatal')) : complaints;
	const failures = serious.map((line) => `${player}: ${line}`);
	if (frameCount === 0) {
		failures.push(`${player}: nothing was played`);
	}
	return failures;
}

function playlistFailures({ uri, playlistCount, faults }: PlaylistWatch): string[] {
	const none = playlistCount === 0 ? [`${uri}: no playlist came`] : [];
	return [...none, ...faults.map((fault) => `${new URL(uri).pathname}: ${fault}`)];
}
