/** Losses of the WebRTC tier in the product's player: how long until there is a picture again, by the pixels. */
import type { Browser } from 'playwright-core';
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import { percentile } from '../../core/percentiles.ts';
import type { PublisherKind } from '../clients/create-publisher.ts';
import type { EncoderSettings } from '../source/encoder-settings.ts';
import type { ServerUnderTest } from './measure/server-under-test.ts';
import { findChromium, launchChromium } from '../clients/chromium/chromium.ts';
import { inNetwork, type NetworkNamespace } from './measure/network-namespace.ts';
import { PlayerWatch } from './measure/player-watch.ts';
import { childProcesses } from './measure/process-cpu.ts';
import { type SelfWatchResult, watchSelf } from './measure/self-watch.ts';
import type { ShownFrame } from '../clients/chromium/bench-page.ts';
import { type BenchCommand, runEach } from './bench-options.ts';

/** What happens to the viewer. */
const EMERGENCY_KINDS = {
	'workers-killed': 'every SFU worker is killed (SIGKILL) while they watch',
	cut: 'a firewall drops every packet but those of HTTP, both ways, while they watch',
	blocked: 'the same firewall, before they open the page',
} as const;

type EmergencyKind = keyof typeof EMERGENCY_KINDS;

/** How often, and with which source. */
type EmergencyOptions = {
	publisher: PublisherKind;
	settings: EncoderSettings;
	/** Rounds of each kind. */
	count: number;
	/** Played undisturbed before each. */
	settleMs: number;
};

/** Rounds of one kind. */
type EmergencyRun = {
	kind: EmergencyKind;
	/**
	 * `blocked`: from opening the page to the first picture; else the longest time without a new picture. Milliseconds.
	 */
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
	return inNetwork(options, async (place) => {
		const runs: EmergencyRun[] = [];
		for (const kind of Object.keys(EMERGENCY_KINDS) as EmergencyKind[]) {
			runs.push(await runKind(kind, { ...place, options }));
			place.checkPublisher();
		}
		return runs;
	});
}

type Parts = { network: NetworkNamespace; server: ServerUnderTest; options: EmergencyOptions };

async function runKind(kind: EmergencyKind, parts: Parts): Promise<EmergencyRun> {
	const port = Number(new URL(parts.server.addresses.httpUrl).port);
	const origin = `http://${parts.network.hostAddress}:${port}`;
	const run: Omit<EmergencyRun, 'selfWatch'> = { kind, withoutPictureMs: [], failures: [] };
	const endWatch = watchSelf();
	for (let round = 0; round < parts.options.count; round++) {
		await waitUntilReady(parts.server);
		// A browser each, so that nothing is remembered of the round before.
		const browser = await launchChromium({
			executable: await parts.network.wrap(findChromium()),
			// As with HTTPS: pages of other machines over HTTP may not use everything that the player uses.
			secureOrigin: origin,
		});
		try {
			run.withoutPictureMs.push(
				kind === 'blocked'
					? await measureBlocked(browser, origin, port, parts)
					: await measureLoss(kind, browser, origin, port, parts),
			);
		} catch (error) {
			run.failures.push((error as Error).message.slice(0, 300));
		} finally {
			await parts.network.restore();
			await browser.close();
		}
	}
	return { ...run, selfWatch: endWatch() };
}

async function measureLoss(
	kind: EmergencyKind,
	browser: Browser,
	origin: string,
	port: number,
	{ network, server, options }: Parts,
): Promise<number> {
	const watch = await PlayerWatch.open(browser, `${origin}/${server.addresses.channel}`, 0);
	await watch.waitForPicture();
	const isWebRtc = await watch.watchUntil(({ tier, state }) => tier === 'webrtc' && state === 'playing');
	if (!isWebRtc) {
		throw new Error('The viewer was never put into the WebRTC tier.');
	}
	await watch.watch(options.settleMs);
	const lostAtMs = systemClock.nowMs();
	if (kind === 'cut') {
		await network.cutAllBut(port);
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
	return longestGapMs(watch.frames, lostAtMs, systemClock.nowMs());
}

async function measureBlocked(
	browser: Browser,
	origin: string,
	port: number,
	{ network, server }: Parts,
): Promise<number> {
	await network.cutAllBut(port);
	const openedAtMs = systemClock.nowMs();
	const watch = await PlayerWatch.open(browser, `${origin}/${server.addresses.channel}`, 0);
	await watch.waitForPicture();
	return watch.frames[0]!.shownAtMs - openedAtMs;
}

/** Longest time without a new picture between two moments, both counted as if they were pictures. */
function longestGapMs(frames: readonly ShownFrame[], fromMs: number, toMs: number): number {
	const moments = [fromMs, ...frames.map(({ shownAtMs }) => shownAtMs).filter((ms) => ms > fromMs && ms < toMs), toMs];
	return Math.max(...moments.slice(1).map((ms, index) => ms - moments[index]!));
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
	const rows = runs.map(({ kind, withoutPictureMs: samples, failures, selfWatch }) => {
		const times =
			samples.length === 0
				? '– | – | –'
				: [percentile(samples, 50), percentile(samples, 95), Math.max(...samples)]
						.map((ms) => ms.toFixed(0))
						.join(' | ');
		const remarks = [...failures, ...selfWatch.voidReasons].join('; ') || 'none';
		return `| ${kind}: ${EMERGENCY_KINDS[kind]} | ${samples.length} | ${times} | ${remarks} |`;
	});
	return `| what | rounds | without picture ms p50 | p95 | max | failures |
| --- | --- | --- | --- | --- | --- |
${rows.join('\n')}
`;
}
