/**
 * What strangers can do to a server that somebody streams and watches on: each attack by itself, then all together,
 * with a streamer and viewers of both tiers beside. Attackers have other loopback addresses, or say that they come from
 * others.
 */
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import type { RoleConfig } from '../load/figures/messages.ts';
import { ServerWatch } from '../load/server-watch.ts';
import type { ServerAddresses, ServerUnderTest } from './measure/server-under-test.ts';
import { watchSelf } from './measure/self-watch.ts';
import type { AttackCounts } from './strangers/attack.ts';
import { AttackProcess } from './strangers/attack-process.ts';
import { type HealthyFigures, HealthySide } from './strangers/healthy-side.ts';
import { type ArrivalFigures, SecondStreamer } from './strangers/second-streamer.ts';
import { type BenchCommand, namesOf, say, withServer } from './bench-options.ts';
import { ATTACKS } from './strangers/attack-list.ts';

/** How it is run. */
type StrangersOptions = {
	/** What the streamer sends. */
	picture: RoleConfig['picture'];
	/** Viewers of each tier. */
	viewerCount: number;
	settleMs: number;
	/** Of each attack. */
	durationMs: number;
	/** By name; all of them are made together at the end. */
	attacks: readonly string[];
};

/** One attack, or none, or all. */
type StrangersStretch = {
	name: string;
	/** By the name of the attack. */
	attacks: Record<string, AttackCounts>;
	healthy: HealthyFigures;
	arrival: ArrivalFigures;
	/** The same broadcast without a break, an end or a gap since the run began. */
	isBroadcastWhole: boolean;
	/** Of the server with its children; undefined for a server that is not ours. */
	serverCores: number | undefined;
	serverMib: number | undefined;
	/** Of the whole machine. */
	busyRatio: number | undefined;
};

/** What all gave. */
type StrangersRun = StrangersOptions & { stretches: StrangersStretch[] };

/** The attack is under way when somebody arrives. */
const ARRIVE_AFTER_MS = 4000;
/** Figures come once a second. */
const LAST_FIGURES_MS = 1200;
/** Connections of an attack that is over are gone. */
const BETWEEN_MS = 2000;
/** Of a stretch, while they are void. */
const MAX_RUNS = 2;
const REQUEST_DEADLINE_MS = 10_000;
const MAX_LIFE_MS = 15 * 60_000;

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

/** Runs it against a server on which nobody is live yet. A void stretch is made again, some times. */
async function runStrangers(server: ServerUnderTest, options: StrangersOptions): Promise<StrangersRun> {
	const { addresses } = server;
	const streamer = await SecondStreamer.signUp(addresses);
	const healthy = await HealthySide.create(addresses, { picture: options.picture, maxLifeMs: MAX_LIFE_MS });
	try {
		await healthy.start(addresses, options.viewerCount);
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
	// A streamer from where nobody has published yet.
	const streamerAddress = `127.0.1.${number}`;
	const processes = await Promise.all(
		attacks.map((attack, index) => {
			// Each from one address, but never from one whose ports the attack before has used up.
			const from = { fromAddress: `127.0.${index + 2}.${number}`, streamerAddress };
			return AttackProcess.start({ name: attack, httpUrl, rtmpUrl, channel, ...from, durationMs });
		}),
	);
	const watch = server.pid === undefined ? undefined : new ServerWatch(server.pid);
	const endSelfWatch = watchSelf();
	healthy.beginStretch();
	watch?.read(systemClock.monotonicMs());
	const attacking = Promise.all(processes.map((process) => process.run()));
	// Looked at below; it may reject before.
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

/** Which broadcast is on air, and how often its picture was broken so far: the same text as long as nothing happens. */
async function readBroadcast({ httpUrl, channel }: ServerAddresses): Promise<string> {
	const read = async (url: string): Promise<string> => {
		const response = await fetch(url, { signal: AbortSignal.timeout(REQUEST_DEADLINE_MS) });
		return response.text();
	};
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
		`${round(partLate?.p50)} / ${round(partLate?.p99)}`,
		`${round(webrtcLatency?.p50)} / ${round(webrtcLatency?.p99)}`,
		`${seconds(newcomerJoinMs.webrtc)} / ${seconds(newcomerJoinMs.hls)}`,
		`${seconds(arrival.acceptedMs)} / ${seconds(arrival.onAirMs)}`,
		arrival.logInMs === undefined ? 'refused' : round(arrival.logInMs),
		healthy.isStreamerOnAir && isBroadcastWhole ? 'yes' : 'NO',
		`${serverCores?.toFixed(2) ?? '–'} / ${round(serverMib)}`,
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

function round(value: number | undefined): string {
	return value === undefined ? '–' : value.toFixed(0);
}

function seconds(ms: number | undefined): string {
	return ms === undefined ? 'never' : (ms / 1000).toFixed(2);
}
