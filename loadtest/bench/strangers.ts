/**
 * Attacks on a server with a streamer and viewers of both tiers: each attack by itself, then all together. Attackers
 * use other loopback addresses, or claim others in X-Forwarded-For.
 */
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import type { RoleConfig } from '../load/figures/messages.ts';
import { ServerWatch } from '../load/server-watch.ts';
import { figure } from './measure/markdown-table.ts';
import type { ServerAddresses, ServerUnderTest } from './measure/server-under-test.ts';
import { watchSelf } from './measure/self-watch.ts';
import type { AttackCounts } from './strangers/attack.ts';
import { AttackProcess } from './strangers/attack-process.ts';
import { type HealthyFigures, HealthySide } from './strangers/healthy-side.ts';
import { type ArrivalFigures, SecondStreamer } from './strangers/second-streamer.ts';
import { type BenchCommand, namesOf, say, withServer } from './bench-options.ts';
import { ATTACKS } from './strangers/attack-list.ts';

type StrangersOptions = {
	/** The streamer's picture. */
	picture: RoleConfig['picture'];
	/** Viewers of each tier. */
	viewerCount: number;
	settleMs: number;
	/** Of each attack. */
	durationMs: number;
	/** Names; all of them run together at the end. */
	attacks: readonly string[];
};

/** One attack, or none, or all. */
type StrangersStretch = {
	name: string;
	/** By the name of the attack. */
	attacks: Record<string, AttackCounts>;
	healthy: HealthyFigures;
	arrival: ArrivalFigures;
	/** The same broadcast without a discontinuity, an end or a gap since the run began. */
	isBroadcastWhole: boolean;
	/** Of the server with its children; undefined for a foreign server. */
	serverCores: number | undefined;
	serverMib: number | undefined;
	/** Of the whole machine. */
	busyRatio: number | undefined;
};

type StrangersRun = StrangersOptions & { stretches: StrangersStretch[] };

/** The attack is under way when newcomers arrive. */
const ARRIVE_AFTER_MS = 4000;
/** Longer than the second between two messages with figures. */
const LAST_FIGURES_MS = 1200;
/** For connections of the previous attack to close. */
const BETWEEN_MS = 2000;
/** Attempts at a stretch, while it is void. */
const MAX_RUNS = 2;
const REQUEST_DEADLINE_MS = 10_000;

export const strangers: BenchCommand = {
	summary: 'attacks on a server that somebody streams and --viewers n of each tier watch on',
	run: (options) =>
		withServer(options, async (server) => {
			const { viewerCount, settleMs, durationMs } = options;
			const { widthPixels, heightPixels, videoBitrateBps, gopSeconds } = options.settings;
			const picture = { widthPixels, heightPixels, videoBitrateBps, gopSeconds: gopSeconds! };
			const attacks = namesOf(options.attacks, Object.keys(ATTACKS), 'attack');
			const result = await runStrangers(server, { picture, viewerCount, settleMs, durationMs, attacks });
			return { result, markdown: formatStrangers(result) };
		}),
};

/** Runs against a server on which no channel is live. Repeats a void stretch up to {@link MAX_RUNS} times. */
async function runStrangers(server: ServerUnderTest, options: StrangersOptions): Promise<StrangersRun> {
	const { addresses } = server;
	const streamer = await SecondStreamer.signUp(addresses);
	const healthy = await HealthySide.create(addresses, options.picture);
	try {
		await healthy.start(options.viewerCount);
		await sleep(systemClock, options.settleMs);
		const broadcast = await readBroadcast(addresses);
		const all = options.attacks;
		const stretches: StrangersStretch[] = [];
		let number = 0;
		for (const attacks of [[], ...all.map((name) => [name]), ...(all.length > 1 ? [all] : [])]) {
			const plan = { attacks, durationMs: options.durationMs };
			let stretch: StrangersStretch | undefined;
			for (let run = 0; run < MAX_RUNS && stretch?.healthy.voidReasons.length !== 0; run++) {
				const seen = await runStretch(server, { ...plan, number: ++number }, healthy, streamer);
				stretch = { ...seen, isBroadcastWhole: (await readBroadcast(addresses)) === broadcast };
				say(formatStretch(stretch));
				await sleep(systemClock, BETWEEN_MS);
			}
			stretches.push(stretch!);
		}
		return { ...options, stretches };
	} finally {
		await healthy.stop();
	}
}

async function runStretch(
	server: ServerUnderTest,
	{ attacks, number, durationMs }: { attacks: readonly string[]; number: number; durationMs: number },
	healthy: HealthySide,
	streamer: SecondStreamer,
): Promise<Omit<StrangersStretch, 'isBroadcastWhole'>> {
	const { httpUrl, rtmpUrl, channel } = server.addresses;
	// An address from which no streamer has published yet.
	const streamerAddress = `127.0.1.${number}`;
	const processes = await Promise.all(
		attacks.map((attack, index) => {
			// One address for each attack, but not one whose ports the previous attack has used up.
			const from = { fromAddress: `127.0.${index + 2}.${number}`, streamerAddress };
			return AttackProcess.start({ name: attack, httpUrl, rtmpUrl, channel, ...from, durationMs });
		}),
	);
	const watch = server.pid === undefined ? undefined : new ServerWatch(server.pid);
	const endSelfWatch = watchSelf();
	healthy.beginStretch();
	watch?.read(systemClock.monotonicMs());
	const attacking = Promise.all(processes.map((process) => process.run()));
	// Awaited below; it may reject before.
	attacking.catch(() => undefined);
	await sleep(systemClock, ARRIVE_AFTER_MS);
	healthy.newcomersArrive();
	const [arrival] = await Promise.all([
		streamer.arrive(streamerAddress),
		sleep(systemClock, durationMs - ARRIVE_AFTER_MS),
	]);
	const used = watch?.read(systemClock.monotonicMs());
	const counts = await attacking;
	await sleep(systemClock, LAST_FIGURES_MS);
	const figures = healthy.figures();
	healthy.oldestLeave();
	return {
		name: attacks.length === 0 ? 'none' : attacks.length === 1 ? attacks[0]! : 'all together',
		attacks: Object.fromEntries(attacks.map((attack, index) => [attack, counts[index]!])),
		healthy: figures,
		arrival,
		serverCores: used?.cores,
		serverMib: used?.rssBytes === undefined ? undefined : used.rssBytes / 2 ** 20,
		busyRatio: endSelfWatch().busyRatio,
	};
}

/** The broadcast on air and its discontinuities and gaps: the same text while the broadcast is whole. */
async function readBroadcast({ httpUrl, channel }: ServerAddresses): Promise<string> {
	const read = async (url: string): Promise<string> =>
		(await fetch(url, { signal: AbortSignal.timeout(REQUEST_DEADLINE_MS) })).text();
	const channelUrl = `${httpUrl}/hls/${channel}/index.m3u8`;
	const path = /^[^#\s].*$/m.exec(await read(channelUrl))?.[0] ?? '';
	const playlist = await read(new URL(path, channelUrl).href);
	const breaks = playlist.match(/^#EXT-X-(DISCONTINUITY|GAP)\s*$/gm)?.length ?? 0;
	const earlier = /^#EXT-X-DISCONTINUITY-SEQUENCE:(\d+)/m.exec(playlist)?.[1] ?? 0;
	return `${path} ${breaks} ${earlier}`;
}

function formatStrangers({ stretches, viewerCount, durationMs }: StrangersRun): string {
	return [
		`${viewerCount} viewers by WebRTC and ${viewerCount} by LL-HLS; each attack ${durationMs / 1000} s.`,
		'',
		'| attack | viewers refused / moved | stalls / freezes | parts late p50 / p99 ms | WebRTC p50 / p99 ms | newcomers WebRTC / LL-HLS s | second streamer accepted / on air s | log-in ms | streamer on air | server cores / MiB | void |',
		'| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
		...stretches.map(formatStretch),
		'',
		...stretches.flatMap(({ name, attacks }) => (name === 'none' ? [] : [`${name}: ${formatCounts(attacks)}`])),
		...stretches.flatMap(({ name, arrival, healthy }) => {
			return [...healthy.notes, ...arrival.failures].map((text) => `${name}: ${text}`);
		}),
	].join('\n');
}

function formatStretch({ name, healthy, arrival, serverCores, serverMib, isBroadcastWhole }: StrangersStretch): string {
	const { partLate, webrtcLatency, newcomerJoinMs } = healthy;
	const cells = [
		name,
		`${healthy.refusedCount} / ${healthy.movedCount}`,
		`${healthy.stallCount} / ${healthy.freezeCount}`,
		`${figure(partLate?.p50)} / ${figure(partLate?.p99)}`,
		`${figure(webrtcLatency?.p50)} / ${figure(webrtcLatency?.p99)}`,
		`${seconds(newcomerJoinMs.webrtc)} / ${seconds(newcomerJoinMs.hls)}`,
		`${seconds(arrival.acceptedMs)} / ${seconds(arrival.onAirMs)}`,
		arrival.logInMs?.toFixed(0) ?? 'refused',
		healthy.isStreamerOnAir && isBroadcastWhole ? 'yes' : 'NO',
		`${figure(serverCores, 2)} / ${figure(serverMib)}`,
		healthy.voidReasons.join('; ') || 'no',
	];
	return `| ${cells.join(' | ')} |`;
}

function formatCounts(attacks: StrangersStretch['attacks']): string {
	return Object.entries(attacks)
		.map(([name, counts]) => {
			const events = Object.entries(counts).map(([event, count]) => `${event} ${count}`);
			return `${name} (${events.join(', ')})`;
		})
		.join('; ');
}

function seconds(ms: number | undefined): string {
	return ms === undefined ? 'never' : (ms / 1000).toFixed(2);
}
