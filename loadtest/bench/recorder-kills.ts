/**
 * The recorder, its store and its database in a process of their own, killed at any instant, also with a write cut
 * short. Each process ends what the one before it left. Afterwards a server plays every video in all players.
 */
import path from 'node:path';
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import { median } from '../../core/percentiles.ts';
import { checkVideo } from '../clients/hls/recording-check.ts';
import { ForkedProgram } from '../load/forked-program.ts';
import { ownChild } from '../source/owned-children.ts';
import { type BenchCommand, say } from './bench-options.ts';
import { figure, markdownTable } from './measure/markdown-table.ts';
import { ServerUnderTest } from './measure/server-under-test.ts';
import {
	BROWSER_PLAYERS,
	DAMAGES,
	listVideos,
	playAll,
	spoil,
	waitForReady,
	type BrowserPlayers,
	type Damage,
} from './recordings.ts';

/** What the program reports. */
type Report =
	| { kind: 'recording' }
	| { kind: 'ended'; afterMs: number }
	| { kind: 'segment'; videoId?: string; trackId: string; mediaSequence: number; durationSeconds: number };

type Segment = Extract<Report, { kind: 'segment' }>;

type Life = {
	damage: Damage;
	livedMs: number;
	/** Whole segments at the kill. */
	segments: Segment[];
	/** When the recording before this one had ended, after this process could record; undefined: not in its life. */
	endedAfterMs: number | undefined;
};

type KilledRecorder = Life & {
	/** Of the picture or the sound, whichever lacks more: whole segments that the video does not have. */
	missingSeconds: number;
	lastSegmentSeconds: number;
	failures: string[];
};

const PROGRAM = path.join(import.meta.dirname, '../../signaling/videos/testing/recorder-program.ts');
const START_DEADLINE_MS = 60_000;
const LEAST_LIFE_MS = 300;
const LIFE_SPREAD_MS = 6000;

export const recorderKills: BenchCommand = {
	summary: 'recorder-kills: --rounds kills of a process that has the recorder, its store and its database',
	run: async ({ roundCount }) => {
		const lives = Array.from({ length: roundCount }, (_, index) => ({
			damage: DAMAGES[index % DAMAGES.length]!,
			lifeMs: LEAST_LIFE_MS + Math.random() * LIFE_SPREAD_MS,
		}));
		const rounds = await runRecorderKills(lives, BROWSER_PLAYERS);
		return { result: { rounds }, markdown: format(rounds) };
	},
};

/** Each life ends with a kill after `lifeMs` of recording. @internal for tests */
export async function runRecorderKills(
	lives: ReadonlyArray<{ damage: Damage; lifeMs: number }>,
	players: BrowserPlayers,
): Promise<KilledRecorder[]> {
	const lived: Life[] = [];
	// The first server makes the folder, its database and its channel.
	const first = await ServerUnderTest.start();
	let server = first;
	try {
		server = await first.crash(async () => {
			for (const { damage, lifeMs } of lives) {
				const startedAtMs = systemClock.nowMs();
				lived.push(await live(first.dataFolder, damage, lifeMs));
				await spoil(first.dataFolder, damage, startedAtMs);
				say(`${damage}: lived ${figure(lifeMs / 1000, 1)} s, ${lived.at(-1)!.segments.length} whole segments`);
			}
		});
		await waitForReady(server.addresses);
		const rounds: KilledRecorder[] = [];
		for (const life of lived) {
			rounds.push(await examine(server, life, players));
		}
		return rounds;
	} finally {
		await server.stop();
	}
}

async function live(dataFolder: string, damage: Damage, lifeMs: number): Promise<Life> {
	const segments: Segment[] = [];
	let endedAfterMs: number | undefined;
	const recording = Promise.withResolvers<void>();
	const media = path.join(dataFolder, 'test-media');
	const program = new ForkedProgram<never, Report>('the recorder', PROGRAM, [dataFolder, media], (report) => {
		if (report.kind === 'segment') {
			segments.push(report);
		} else if (report.kind === 'ended') {
			endedAfterMs = report.afterMs;
		} else {
			recording.resolve();
		}
	});
	ownChild(program.child, 'SIGKILL');
	try {
		const late = (): Error => new Error(`The recorder did not begin within ${START_DEADLINE_MS} ms.`);
		await program.inTime(systemClock, recording.promise, START_DEADLINE_MS, late);
		await sleep(systemClock, lifeMs);
	} finally {
		program.child.kill('SIGKILL');
		await program.ended;
	}
	return { damage, livedMs: lifeMs, segments, endedAfterMs };
}

async function examine({ addresses }: ServerUnderTest, life: Life, players: BrowserPlayers): Promise<KilledRecorder> {
	const videoId = life.segments.find((segment) => segment.videoId !== undefined)?.videoId;
	const lastSegmentSeconds = life.segments.findLast(({ trackId }) => trackId.startsWith('video'))?.durationSeconds ?? 0;
	const [video] = (await listVideos(addresses)).filter(({ id }) => id === videoId);
	if (video === undefined) {
		const missingSeconds = sum(life.segments.filter(({ trackId }) => trackId.startsWith('video')));
		return { ...life, missingSeconds, lastSegmentSeconds, failures: [] };
	}
	if (video.state !== 'ready' || video.playlistUrl === null) {
		return { ...life, missingSeconds: 0, lastSegmentSeconds, failures: [`the video is ${video.state}`] };
	}
	const url = new URL(video.playlistUrl, addresses.httpUrl);
	const { tracks, faults } = await checkVideo(url.href);
	const tracksMissing = await Promise.all(
		tracks.map(async ({ uri }) => {
			const listed = await (await fetch(new URL(uri, url))).text();
			const names = new Set(listed.split('\n'));
			const own = life.segments.filter(({ trackId }) => uri.includes(`/${trackId}/`));
			return sum(own.filter(({ mediaSequence }) => !names.has(`segment${mediaSequence}.m4s`)));
		}),
	);
	const pictures = life.segments.filter(({ trackId }) => trackId.startsWith('video'));
	// Without its only one there is nothing to show.
	const isPlayed = pictures.length > 1 || life.damage !== 'half-object';
	const failures = [...(isPlayed ? await playAll(url.href, addresses.httpUrl, players) : []), ...faults];
	return { ...life, missingSeconds: Math.max(...tracksMissing), lastSegmentSeconds, failures };
}

function sum(segments: readonly Segment[]): number {
	return segments.reduce((seconds, { durationSeconds }) => seconds + durationSeconds, 0);
}

function format(rounds: readonly KilledRecorder[]): string {
	return markdownTable(
		['spoilt', 'rounds', 'lost a whole segment', 'missing s, most', 'ended after s, p50 / max', 'failures'],
		DAMAGES.map((damage) => {
			const own = rounds.filter((round) => round.damage === damage);
			const ends = own.flatMap(({ endedAfterMs }) => (endedAfterMs === undefined ? [] : [endedAfterMs / 1000]));
			const failures = own.flatMap((round) => round.failures);
			return [
				...[damage, own.length, own.filter(({ missingSeconds }) => missingSeconds > 0).length],
				figure(Math.max(0, ...own.map(({ missingSeconds }) => missingSeconds)), 2),
				ends.length === 0 ? '–' : `${figure(median(ends), 2)} / ${figure(Math.max(...ends), 2)}`,
				failures.length === 0 ? 'none' : `${failures.length}, such as ${failures.slice(0, 3).join('; ')}`,
			];
		}),
	);
}
