/** Third-party players on one broadcast: FFmpeg, hls.js, shaka-player, and m3u8-parser on each playlist. */
import type { PublisherKind } from '../clients/create-publisher.ts';
import type { EncoderSettings } from '../source/encoder-settings.ts';
import { BrowserPlayer, type BrowserPlayerName } from '../interop/browser-player.ts';
import { playWithFfmpeg, playWithFfprobe } from '../interop/ffmpeg-player.ts';
import type { PlayerResult } from '../interop/player-result.ts';
import { type PlaylistChecker, type PlaylistWatch, watchPlaylists } from '../interop/playlist-watch.ts';
import { figure, markdownTable } from './measure/markdown-table.ts';
import { type ServerUnderTest, withPublisher } from './measure/server-under-test.ts';
import { type BenchCommand, runEach, withServer } from './bench-options.ts';

type PlayersOptions = {
	publisher: PublisherKind;
	settings: EncoderSettings;
	/** Each player's time; FFmpeg and ffprobe run at once, the others one after another. */
	durationMs: number;
	/** Makes a checker for each media playlist, in addition to m3u8-parser. */
	makeChecker?: (renditionCount: number) => PlaylistChecker;
};

/** `failures`: one line for each player and playlist with a complaint. */
type PlayersRun = {
	publisher: PublisherKind;
	description: string;
	players: PlayerResult[];
	playlists: PlaylistWatch[];
	failures: string[];
};

/** shaka in low-latency mode comes first: it must play a broadcast that has just begun. */
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

/** Publishes, runs all players, and ends everything. Rejects when nothing comes live. @internal for tests */
export async function runPlayers(server: ServerUnderTest, options: PlayersOptions): Promise<PlayersRun> {
	const { httpUrl, channel } = server.addresses;
	const { durationMs } = options;
	const url = new URL(`/hls/${channel}/index.m3u8`, httpUrl).href;
	const stop = new AbortController();
	const first = await BrowserPlayer.open(BROWSER_PLAYERS[0]!, httpUrl);
	try {
		return await withPublisher(server, options, async ({ description }) => {
			const watching = watchPlaylists(url, stop.signal, options.makeChecker ?? (() => () => []));
			// Awaited below; a rejection before that must not end the process.
			watching.catch(() => undefined);
			const players: PlayerResult[] = [await playAndClose(first, url, durationMs)];
			players.push(...(await Promise.all([playWithFfmpeg(url, durationMs), playWithFfprobe(url, durationMs)])));
			for (const name of BROWSER_PLAYERS.slice(1)) {
				players.push(await playAndClose(await BrowserPlayer.open(name, httpUrl), url, durationMs));
			}
			stop.abort();
			const playlists = await watching;
			const failures = [...players.flatMap(playerFailures), ...playlists.flatMap(playlistFailures)];
			return { publisher: options.publisher, description, players, playlists, failures };
		});
	} finally {
		stop.abort();
		await first.close();
	}
}

function formatPlayersRun(run: PlayersRun): string {
	const head = [
		...['publisher', 'player', 'frames', 'first frame ms', 'freezes over 250 ms', 'dropped', 'buffered ranges'],
		...['latency s', 'complaints'],
	];
	const rows = run.players.map(({ player, frameCount, complaints, playback }) => {
		const figures =
			playback === undefined
				? ['–', '–', '–', '–', '–']
				: [
						playback.firstFrameMs?.toFixed(0) ?? 'never',
						playback.freezesMs.length === 0
							? '0'
							: `${playback.freezesMs.length} (${playback.freezesMs.join(', ')} ms)`,
						playback.droppedFrameCount,
						playback.bufferedRangeCount,
						figure(playback.latencySeconds, 2),
					];
		return [run.publisher, player, frameCount, ...figures, complaints.length];
	});
	const playlists = run.playlists.map(
		({ uri, playlistCount, faults }) =>
			`${new URL(uri).pathname}: ${playlistCount} playlists, ${faults.length} faults\n`,
	);
	const failures = run.failures.map((line) => `FAILED ${line}\n`);
	return `${markdownTable(head, rows)}\n${playlists.join('')}${failures.join('')}`;
}

async function playAndClose(player: BrowserPlayer, url: string, durationMs: number): Promise<PlayerResult> {
	try {
		return await player.play(url, durationMs);
	} finally {
		await player.close();
	}
}

function playerFailures({ player, frameCount, complaints }: PlayerResult): string[] {
	// hls.js also reports every error that it recovers from; the others are fatal.
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
