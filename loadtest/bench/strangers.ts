/**
 * What strangers can do to a server that somebody streams and watches on: each attack by itself, then all together, with a
 * streamer and viewers of both tiers beside. Attackers have other loopback addresses, or say that they come from others.
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

/** How it is run. */
export type StrangersOptions = {
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
export type StrangersStretch = {
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
export type StrangersRun = StrangersOptions & { stretches: StrangersStretch[] };

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

/** Runs it against a server on which nobody is live yet. A void stretch is made again, some times. */
export async function runStrangers(
	server: ServerUnderTest,
	options: StrangersOptions,
	onStretch: (stretch: StrangersStretch) => void,
): Promise<StrangersRun> {
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
				onStretch(stretch);
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
