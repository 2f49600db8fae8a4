/**
 * Recordings under duress: a server that is killed at any instant, with a write cut short too, and a publisher who is
 * lost and returns by another protocol and with another size. Each video is read whole and played in three players.
 */
import { appendFile, readdir, stat, truncate } from 'node:fs/promises';
import path from 'node:path';
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import type { Video, VideoList } from '../../core/protocol/api/video.ts';
import { createPublisher, type PublisherKind } from '../clients/create-publisher.ts';
import { checkVideo, type CheckedVideo } from '../clients/hls/recording-check.ts';
import { BrowserPlayer, type BrowserPlayerName } from '../interop/browser-player.ts';
import { playWithFfmpeg, playWithFfprobe } from '../interop/ffmpeg-player.ts';
import type { EncoderSettings } from '../source/encoder-settings.ts';
import type { Publisher } from '../source/publisher.ts';
import { figure, markdownTable } from './measure/markdown-table.ts';
import { ServerUnderTest, waitUntilLive, type ServerAddresses } from './measure/server-under-test.ts';
import { type BenchCommand, say } from './bench-options.ts';

/** What is spoilt between the kill and the next start. */
export const DAMAGES = ['none', 'torn-line', 'half-object'] as const;
export type Damage = (typeof DAMAGES)[number];

/** */
type KillRound = {
	damage: Damage;
	/** From the first playlist to the kill. */
	livedMs: number;
	/** From the server's start, when it answers, until the video is ready. */
	readyAfterMs: number;
	/** Media of whole segments that the live playlist had at the kill and the video lacks; below 0: it has more. */
	missingSeconds: number;
	/** Seconds of the last whole segment at the kill. */
	lastSegmentSeconds: number;
	video: CheckedVideo;
	failures: string[];
};

/** */
type ReturnedRecording = {
	/** From the first picture that a publisher made to the last one. */
	wallSeconds: number;
	/** Of each track, gaps included. */
	totalSeconds: number[];
	videoCount: number;
	video: CheckedVideo;
	failures: string[];
};

const READY_DEADLINE_MS = 30_000;
const POLL_MS = 50;
export type BrowserPlayers = readonly BrowserPlayerName[];
export const BROWSER_PLAYERS: BrowserPlayers = ['hls.js', 'shaka'];
const PLAYED_MS = 2500;
const AWAY_MS = 10_000;
const ON_AIR_MS = 6000;
const LEAST_LIFE_MS = 2500;
const LIFE_SPREAD_MS = 6000;

export const recordings: BenchCommand = {
	summary: 'recordings: --rounds kills of the server (kill -9, torn writes), and a publisher who returns otherwise',
	run: async (options) => {
		const { settings, roundCount } = options;
		const rounds: KillRound[] = [];
		let server = await ServerUnderTest.start({ SPILLWAY_INGEST_GRACE_WINDOW_SECONDS: '20' });
		try {
			for (let index = 0; index < roundCount; index++) {
				const damage = DAMAGES[index % DAMAGES.length]!;
				const publisher = options.publishers[index % options.publishers.length]!;
				const lifeMs = LEAST_LIFE_MS + Math.random() * LIFE_SPREAD_MS;
				const [round, next] = await runKill(server, { publisher, settings, damage, lifeMs });
				server = next;
				rounds.push(round);
				say(formatKills([round]));
			}
			const returned = await runReturn(server, { settings });
			return { result: { settings, rounds, returned }, markdown: `${formatKills(rounds)}\n${formatReturn(returned)}` };
		} finally {
			await server.stop();
		}
	},
};

/** Publishes, kills the server after `lifeMs`, and starts another in its folder. @internal for tests */
export async function runKill(
	server: ServerUnderTest,
	options: {
		publisher: PublisherKind;
		settings: EncoderSettings;
		damage: Damage;
		lifeMs: number;
		/** Besides FFmpeg. */
		players?: BrowserPlayers;
	},
): Promise<[KillRound, ServerUnderTest]> {
	const { damage, lifeMs, players = BROWSER_PLAYERS } = options;
	const publisher = createPublisher(options.publisher, options.settings, server.addresses);
	let next: ServerUnderTest;
	let live: { endMs: number; lastSeconds: number };
	try {
		await publisher.start();
		await waitUntilLive(server.addresses);
		await sleep(systemClock, lifeMs);
		live = await readLiveEnd(server.addresses);
		next = await server.crash(() => spoil(server.dataFolder, damage));
	} finally {
		await publisher.stop();
	}
	const startedMs = systemClock.monotonicMs();
	const video = await waitForReady(next.addresses);
	const readyAfterMs = systemClock.monotonicMs() - startedMs;
	const url = new URL(video.playlistUrl!, next.addresses.httpUrl).href;
	const checked = await checkVideo(url);
	const endsAtMs = Math.max(
		...checked.tracks.filter(({ uri }) => uri.includes('/video')).map((track) => track.endsAtMs),
	);
	const failures = await playAll(url, next.addresses.httpUrl, players);
	const round: KillRound = {
		damage,
		livedMs: lifeMs,
		readyAfterMs,
		missingSeconds: (live.endMs - endsAtMs) / 1000,
		lastSegmentSeconds: live.lastSeconds,
		video: checked,
		failures: [...failures, ...checked.faults],
	};
	return [round, next];
}

/** RTMP is lost, WHIP comes, is lost, and RTMP comes with another size. @internal for tests */
export async function runReturn(
	server: ServerUnderTest,
	{ settings, awayMs = AWAY_MS, onAirMs = ON_AIR_MS }: { settings: EncoderSettings; awayMs?: number; onAirMs?: number },
): Promise<ReturnedRecording> {
	const before = (await listVideos(server.addresses)).length;
	const other = { ...settings, widthPixels: 640, heightPixels: 360 };
	const publishers: Publisher[] = [
		createPublisher('rtmp', settings, server.addresses),
		createPublisher('whip-obs', settings, server.addresses),
		createPublisher('rtmp', other, server.addresses),
	];
	try {
		for (const [index, publisher] of publishers.entries()) {
			await publisher.start();
			await waitUntilLive(server.addresses);
			await sleep(systemClock, onAirMs);
			if (index === publishers.length - 1) {
				await publisher.stop();
			} else {
				await publisher.kill();
				await sleep(systemClock, awayMs);
			}
		}
	} finally {
		await Promise.all(publishers.map((publisher) => publisher.stop()));
	}
	const sent = await Promise.all(publishers.map((publisher) => publisher.sentFrames()));
	const wallSeconds = (sent.at(-1)!.at(-1)!.captureTimeMs - sent[0]![0]!.captureTimeMs) / 1000 + 1 / settings.frameRate;
	const video = await waitForReady(server.addresses);
	const url = new URL(video.playlistUrl!, server.addresses.httpUrl).href;
	const checked = await checkVideo(url);
	const failures = await playAll(url, server.addresses.httpUrl, BROWSER_PLAYERS);
	return {
		wallSeconds,
		totalSeconds: checked.tracks.map(({ totalSeconds }) => totalSeconds),
		videoCount: (await listVideos(server.addresses)).length - before,
		video: checked,
		failures: [...failures, ...checked.faults],
	};
}

/** A line for each complaint of a player, and for each that plays nothing. */
export async function playAll(url: string, origin: string, browserPlayers: BrowserPlayers): Promise<string[]> {
	const failures: string[] = [];
	for (const result of [await playWithFfmpeg(url, 3_600_000), await playWithFfprobe(url, 3_600_000)]) {
		failures.push(...result.complaints.map((line) => `${result.player}: ${line}`));
		failures.push(...(result.frameCount === 0 ? [`${result.player}: nothing was played`] : []));
	}
	for (const name of browserPlayers) {
		const player = await BrowserPlayer.open(name, origin);
		try {
			const { complaints, frameCount } = await player.play(url, PLAYED_MS);
			// hls.js also reports what it steps over, such as gaps; the others are fatal.
			const serious = name === 'hls.js' ? complaints.filter((line) => line.startsWith('fatal')) : complaints;
			failures.push(...serious.map((line) => `${name}: ${line}`));
			failures.push(...(frameCount === 0 ? [`${name}: nothing was played`] : []));
		} finally {
			await player.close();
		}
	}
	return failures;
}

/** The newest video, once it is ready. Rejects by a deadline. */
export async function waitForReady(addresses: ServerAddresses): Promise<Video> {
	const endMs = systemClock.monotonicMs() + READY_DEADLINE_MS;
	let last = 'there is none';
	while (systemClock.monotonicMs() < endMs) {
		const [video] = await listVideos(addresses);
		if (video?.state === 'ready') {
			return video;
		}
		last = JSON.stringify(video);
		await sleep(systemClock, POLL_MS);
	}
	throw new Error(`No video was ready within ${READY_DEADLINE_MS} ms: ${last}`);
}

export async function listVideos({ httpUrl, channel }: ServerAddresses): Promise<Video[]> {
	const videos: Video[] = [];
	for (let before = ''; ;) {
		const response = await fetch(new URL(`/api/v1/channels/${channel}/videos?limit=99${before}`, httpUrl));
		const list = (await response.json()) as VideoList;
		videos.push(...list.videos);
		if (list.next === null) {
			return videos;
		}
		before = `&before=${list.next}`;
	}
}

/** Where the whole segments of the live picture end, by date. */
async function readLiveEnd({ httpUrl, channel }: ServerAddresses): Promise<{ endMs: number; lastSeconds: number }> {
	const base = new URL(`/hls/${channel}/index.m3u8`, httpUrl);
	const multivariant = await (await fetch(base)).text();
	const uri = /^(?!#).*video0.*$/m.exec(multivariant)?.[0];
	const text = await (await fetch(new URL(uri!, base))).text();
	let [dateMs, endMs, lastSeconds] = [NaN, NaN, 0];
	for (const line of text.split('\n')) {
		if (line.startsWith('#EXT-X-PROGRAM-DATE-TIME:')) {
			dateMs = Date.parse(line.slice(25));
		} else if (line.startsWith('#EXTINF:')) {
			lastSeconds = Number.parseFloat(line.slice(8));
			endMs = dateMs + lastSeconds * 1000;
		}
	}
	return { endMs, lastSeconds };
}

/** `sinceMs`: of the wall clock; older objects are another recording's. */
export async function spoil(dataFolder: string, damage: Damage, sinceMs = 0): Promise<void> {
	const media = path.join(dataFolder, 'media');
	if (damage === 'torn-line') {
		for (const name of await readdir(path.join(media, 'journals'))) {
			await appendFile(path.join(media, 'journals', name), '0badf00d {"kind":"segment","trackId":"vid');
		}
	}
	if (damage === 'half-object') {
		const folder = path.join(media, 'objects', 'videos');
		const files = (await readdir(folder, { recursive: true })).filter((name) => name.includes('/segment'));
		const found = await Promise.all(
			files.map(async (name) => ({ file: path.join(folder, name), facts: await stat(path.join(folder, name)) })),
		);
		const own = found.filter(({ facts }) => facts.mtimeMs >= sinceMs);
		const newest = own.toSorted((one, other) => other.facts.mtimeMs - one.facts.mtimeMs)[0];
		if (newest !== undefined) {
			await truncate(newest.file, Math.floor(newest.facts.size / 2));
		}
	}
}

function formatKills(rounds: readonly KillRound[]): string {
	return markdownTable(
		['spoilt', 'lived s', 'ready after s', 'missing s', 'last segment s', 'tracks', 'segments', 'gaps', 'failures'],
		rounds.map(({ damage, livedMs, readyAfterMs, missingSeconds, lastSegmentSeconds, video, failures }) => [
			damage,
			figure(livedMs / 1000, 1),
			figure(readyAfterMs / 1000, 2),
			figure(missingSeconds, 2),
			figure(lastSegmentSeconds, 2),
			video.tracks.length,
			video.tracks.reduce((sum, { segmentCount }) => sum + segmentCount, 0),
			video.tracks.reduce((sum, { gapCount }) => sum + gapCount, 0),
			failures.join('; ') || 'none',
		]),
	);
}

function formatReturn({ wallSeconds, totalSeconds, videoCount, video, failures }: ReturnedRecording): string {
	const gaps = video.tracks.map(({ gapSeconds }) => figure(gapSeconds, 2)).join(', ');
	const totals = totalSeconds.map((seconds) => figure(seconds, 2)).join(', ');
	return markdownTable(
		['videos', 'wall s', 'tracks s', 'of it gaps s', 'discontinuities', 'failures'],
		[
			[
				...[videoCount, figure(wallSeconds, 2), totals, gaps],
				video.tracks.map(({ discontinuityCount }) => discontinuityCount).join(', '),
				failures.join('; ') || 'none',
			],
		],
	);
}
