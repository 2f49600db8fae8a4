/** Losses of the WebRTC tier in the product's player: the time without a picture, by the pixels. */
import type { Browser } from 'playwright-core';
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import type { PublisherKind } from '../clients/create-publisher.ts';
import type { EncoderSettings } from '../source/encoder-settings.ts';
import type { ServerUnderTest } from './measure/server-under-test.ts';
import { pictureGapsMs } from './measure/frame-log.ts';
import { markdownTable, percentileCells } from './measure/markdown-table.ts';
import { createCabledNetwork, inNetworks, type NetworkPlace } from './measure/network-namespace.ts';
import { PlayerWatch } from './measure/player-watch.ts';
import { childProcesses } from './measure/process-cpu.ts';
import { type SelfWatchResult, watchSelf } from './measure/self-watch.ts';
import { type BenchCommand, runEach } from './bench-options.ts';

/** What happens to the viewer. */
const EMERGENCY_KINDS = {
	'workers-killed': 'every SFU worker is killed (SIGKILL) while they watch',
	cut: 'a firewall drops every packet but those of HTTP, both ways, while they watch',
	blocked: 'the same firewall, before they open the page',
} as const;

type EmergencyKind = keyof typeof EMERGENCY_KINDS;

type EmergencyOptions = {
	publisher: PublisherKind;
	settings: EncoderSettings;
	/** Rounds of each kind. */
	count: number;
	/** Played undisturbed before each loss. */
	settleMs: number;
};

type EmergencyPlace = NetworkPlace<Awaited<ReturnType<typeof createCabledNetwork>>>;

type EmergencyRun = {
	kind: EmergencyKind;
	/** `blocked`: from opening the page to the first picture; others: the longest time without a new picture. */
	withoutPictureMs: number[];
	/** Rounds in which no picture came, or not over LL-HLS. */
	failures: string[];
	selfWatch: SelfWatchResult;
};

const WATCHED_AFTER_MS = 6000;
const READY_DEADLINE_MS = 15_000;
const POLL_MS = 100;

export const emergencies: BenchCommand = {
	summary: 'the WebRTC tier lost, cut off or blocked: how long without a picture (needs root; starts its own server)',
	run: async ({ publishers, settings, settleMs, roundCount: count }) => {
		const run = (publisher: PublisherKind) => runEmergencies({ publisher, settings, count, settleMs });
		const { runs, markdown } = await runEach(publishers, run, formatEmergencies);
		return { result: { settings, runs }, markdown };
	},
};

function runEmergencies(options: EmergencyOptions): Promise<EmergencyRun[]> {
	return inNetworks({ ...options, create: [createCabledNetwork] }, async ([place]) => {
		const runs: EmergencyRun[] = [];
		for (const kind of Object.keys(EMERGENCY_KINDS) as EmergencyKind[]) {
			runs.push(await runKind(kind, place!, options));
			place!.checkPublisher();
		}
		return runs;
	});
}

async function runKind(kind: EmergencyKind, place: EmergencyPlace, options: EmergencyOptions): Promise<EmergencyRun> {
	const run: Omit<EmergencyRun, 'selfWatch'> = { kind, withoutPictureMs: [], failures: [] };
	const endWatch = watchSelf();
	for (let round = 0; round < options.count; round++) {
		await waitUntilReady(place.server);
		// A browser for each round, so that nothing is left of the round before.
		const browser = await place.launchBrowser();
		try {
			run.withoutPictureMs.push(
				kind === 'blocked'
					? await measureBlocked(browser, place)
					: await measureLoss(kind, browser, place, options.settleMs),
			);
		} catch (error) {
			run.failures.push((error as Error).message.slice(0, 300));
		} finally {
			await place.network.restore();
			await browser.close();
		}
	}
	return { ...run, selfWatch: endWatch() };
}

async function measureLoss(
	kind: EmergencyKind,
	browser: Browser,
	{ network, server, pageUrl }: EmergencyPlace,
	settleMs: number,
): Promise<number> {
	const watch = await PlayerWatch.open(browser, pageUrl, 0);
	await watch.waitForPicture();
	const isWebRtc = await watch.watchUntil(({ tier, state }) => tier === 'webrtc' && state === 'playing');
	if (!isWebRtc) {
		throw new Error('The viewer was never put into the WebRTC tier.');
	}
	await watch.watch(settleMs);
	const lostAtMs = systemClock.nowMs();
	if (kind === 'cut') {
		await network.cutAllBut(server);
	} else {
		for (const { pid, name } of childProcesses(server.pid!)) {
			if (name.startsWith('mediasoup-worke')) {
				process.kill(pid, 'SIGKILL');
			}
		}
	}
	await watch.watch(WATCHED_AFTER_MS);
	const { tier } = await watch.player();
	if (tier !== 'll-hls') {
		throw new Error(`After ${WATCHED_AFTER_MS} ms the player is still in tier ${tier}.`);
	}
	return Math.max(...pictureGapsMs(watch.frames, lostAtMs, systemClock.nowMs()));
}

async function measureBlocked(browser: Browser, { network, server, pageUrl }: EmergencyPlace): Promise<number> {
	await network.cutAllBut(server);
	const openedAtMs = systemClock.nowMs();
	const watch = await PlayerWatch.open(browser, pageUrl, 0);
	await watch.waitForPicture();
	return watch.frames[0]!.shownAtMs - openedAtMs;
}

async function waitUntilReady(server: ServerUnderTest): Promise<void> {
	const endMs = systemClock.monotonicMs() + READY_DEADLINE_MS;
	while (systemClock.monotonicMs() < endMs) {
		const { status } = await fetch(new URL('/readyz', server.addresses.httpUrl), {
			signal: AbortSignal.timeout(READY_DEADLINE_MS),
		});
		if (status === 200) {
			return;
		}
		await sleep(systemClock, POLL_MS);
	}
	throw new Error(`The server was not ready again within ${READY_DEADLINE_MS} ms.`);
}

function formatEmergencies(runs: readonly EmergencyRun[]): string {
	const rows = runs.map(({ kind, withoutPictureMs, failures, selfWatch }) => [
		`${kind}: ${EMERGENCY_KINDS[kind]}`,
		withoutPictureMs.length,
		...percentileCells(withoutPictureMs),
		[...failures, ...selfWatch.voidReasons].join('; ') || 'none',
	]);
	return markdownTable(['what', 'rounds', 'without picture ms p50', 'p95', 'max', 'failures'], rows);
}
