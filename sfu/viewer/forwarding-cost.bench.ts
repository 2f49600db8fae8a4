/**
 * What estimation of lines costs the SFU worker for each packet to a viewer. Three kinds of viewers in turn, a real
 * worker, SRTP, pictures of real sizes. Figures are processor time, so a busy machine changes them less than times; the
 * kinds follow each other in rounds and share what is left of that (see idle and steal time).
 *
 * What the worker does without viewers, above all receiving the layers, is measured with one viewer and taken off.
 * `BENCH_LAYERS`, `BENCH_ROUNDS`: fewer layers (with commas between) or other rounds than three.
 */
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import { median } from '../../core/percentiles.ts';
import type { ShownRung } from '../../core/protocol/ladder-choice.ts';
import type { BroadcastRouter } from '../broadcast/broadcast-router.ts';
import { STAGE_LAYER_NAMES } from '../stage/stage-layers.ts';
import { PictureFeed } from '../testing/numbered-pictures.ts';
import { ReportingViewer, type ReportingKind } from '../testing/reporting-viewer.ts';
import { SfuBench, waitUntil } from '../testing/sfu-bench.ts';
import { lineLimits } from './line-limits.ts';

const WINDOW_MS = 4000;
/** After the layer is reached: the first probes of an estimator. */
const SETTLE_MS = 2000;
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);
const TIMEOUT_MS = 10 * 60_000;
/** mediasoup's own. */
const FIRST_ESTIMATE_BPS = 600_000;
const GOP_PICTURES = 30;
const KINDS: readonly ReportingKind[] = ['not negotiated', 'free', 'managed'];
const RATES = { source: 2_500_000, '480p30': 1_200_000, '360p30': 700_000, '160p30': 250_000 } as const;
/** Some thousand packets a second each, which the bench's own process can take. */
const LAYERS = [
	{ name: 'source', count: 25, hasSound: false },
	{ name: '480p30', count: 40, hasSound: false },
	{ name: '360p30', count: 60, hasSound: false },
	{ name: '160p30', count: 100, hasSound: false },
	{ name: '160p30', count: 100, hasSound: true },
] as const;
type Layer = (typeof LAYERS)[number];

type Window = { packets: number; cpuMs: number; estimates: number[]; idle: number; steal: number };

const title = ({ name, hasSound }: Layer): string => `${name}${hasSound ? ' and sound' : ''}`;
const chosen = process.env['BENCH_LAYERS']?.split(',');
const layers = LAYERS.filter((layer) => chosen?.includes(title(layer)) !== false);

const windows = new Map<string, Window[]>();
const shared: Window[] = [];
/** Estimates of managed viewers' lines. */
const beganAtBps = new WeakMap<ReportingViewer, number>();
let bench: SfuBench;
let broadcastRouter: BroadcastRouter;
let feed: PictureFeed;

beforeEach(async () => {
	bench = await SfuBench.start();
	broadcastRouter = await bench.sfu.createBroadcastRouter(bench.newBroadcastId());
	feed = new PictureFeed(broadcastRouter.stage, GOP_PICTURES);
	feed.rungs = ['480p30', '360p30', '160p30'];
	feed.rates = RATES;
	await sleep(systemClock, SETTLE_MS);
});

afterEach(async () => {
	feed[Symbol.dispose]();
	await bench[Symbol.asyncDispose]();
});

describe('forwarding to viewers', () => {
	it(`costs this in ${ROUNDS} rounds`, { timeout: TIMEOUT_MS }, async () => {
		for (let round = 0; round < ROUNDS; round++) {
			shared.push(await measure({ name: '160p30', count: 1, hasSound: false }, 'not negotiated'));
			for (const layer of layers) {
				for (const kind of KINDS) {
					const key = `${title(layer)} ${kind}`;
					windows.set(key, [...(windows.get(key) ?? []), await measure(layer, kind)]);
				}
			}
		}
	});
});

afterAll(() => {
	const all = [...windows.values()].flat();
	const [idle, steal] = [median(all.map((window) => window.idle)), median(all.map((window) => window.steal))];
	console.log(
		[
			'| picture | viewers | packets a second | not negotiated µs | free µs | managed µs | free | managed | estimate kbit/s |',
			'| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
			...layers.map(row),
			`\n${ROUNDS} rounds of ${WINDOW_MS / 1000} s; medians. Idle ${idle.toFixed(0)} %, steal ${steal.toFixed(0)} %.`,
			`Without viewers, taken off: ${(median(shared.map(({ cpuMs }) => cpuMs)) / WINDOW_MS).toFixed(3)} cores.`,
		].join('\n'),
	);
});

function row(layer: Layer): string {
	const of = (kind: ReportingKind): Window[] => windows.get(`${title(layer)} ${kind}`) ?? [];
	const costs = (kind: ReportingKind): number[] =>
		of(kind).map(({ cpuMs, packets }, round) => ((cpuMs - shared[round]!.cpuMs) * 1000) / packets);
	const ratio = (kind: ReportingKind): string => {
		const bases = costs('not negotiated');
		const ratios = costs(kind).map((cost, round) => cost / bases[round]!);
		const ends = `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`;
		return `${(median(costs(kind)) / median(bases)).toFixed(2)} × (${ends})`;
	};
	const packets = median(of('not negotiated').map((window) => window.packets)) / (WINDOW_MS / 1000);
	const cells = [
		title(layer),
		layer.count,
		packets.toFixed(0),
		...KINDS.map((kind) => median(costs(kind)).toFixed(1)),
		ratio('free'),
		ratio('managed'),
		(median(of('managed').flatMap(({ estimates }) => estimates)) / 1000).toFixed(0),
	];
	return `| ${cells.join(' | ')} |`;
}

async function measure(
	{ name, count, hasSound }: { name: ShownRung; count: number; hasSound: boolean },
	kind: ReportingKind,
): Promise<Window> {
	const { stage, home, homeRouter } = broadcastRouter;
	const spatialLayer = STAGE_LAYER_NAMES.indexOf(name);
	const audio = hasSound ? stage.audioProducer.id : undefined;
	await using closing = new AsyncDisposableStack();
	const open = async (): Promise<ReportingViewer> => {
		const viewer = await ReportingViewer.open(homeRouter, kind, { video: stage.videoProducer.id, audio });
		closing.use(viewer);
		await viewer.video.setPreferredLayers({ spatialLayer });
		if (kind === 'managed') {
			await manage(viewer, name);
		}
		await viewer.resume();
		return viewer;
	};
	const viewers = await Promise.all(Array.from({ length: count }, open));
	const isOnLayer = ({ video }: ReportingViewer): boolean => video.currentLayers?.spatialLayer === spatialLayer;
	await waitUntil(() => viewers.every(isOnLayer), `all on ${name}`);
	await sleep(systemClock, SETTLE_MS);

	const readSent = async (): Promise<{ video: number; all: number }[]> =>
		Promise.all(viewers.map((viewer) => viewer.sentCounts()));
	const total = (counts: { all: number }[]): number => sum(counts.map(({ all }) => all));
	const before = { packets: total(await readSent()), cpuMs: await readCpuMs(home.worker), machine: readMachine() };
	await sleep(systemClock, WINDOW_MS);
	const after = { machine: readMachine(), cpuMs: await readCpuMs(home.worker), packets: total(await readSent()) };
	const estimates = await Promise.all(viewers.map(readEstimate));

	// All of that layer, and all that was sent has arrived.
	expect(viewers.every(isOnLayer)).toBe(true);
	await Promise.all(viewers.map((viewer) => viewer.pause()));
	await sleep(systemClock, 200);
	const sent = await readSent();
	expect(viewers.map(({ receivedCount }) => receivedCount)).toEqual(sent.map(({ video }) => video));
	expect(sum(viewers.map(({ missingCount }) => missingCount))).toBe(0);
	expect(viewers.every(({ reportCount }) => reportCount > 0)).toBe(kind !== 'not negotiated');
	expectEstimates(viewers, estimates);

	const share = (of: 'idle' | 'steal'): number =>
		((after.machine[of] - before.machine[of]) * 100) / (after.machine.total - before.machine.total);
	return {
		packets: after.packets - before.packets,
		cpuMs: after.cpuMs - before.cpuMs,
		estimates: estimates.filter((estimate) => estimate !== undefined),
		idle: share('idle'),
		steal: share('steal'),
	};
}

/** As ViewerBandwidth does with a viewer whose line was poor and is wide again. */
async function manage(viewer: ReportingViewer, name: ShownRung): Promise<void> {
	const { minBps, maxBps } = limits(name);
	await viewer.transport.setMinOutgoingBitrate(minBps);
	await viewer.startEstimator();
	await viewer.transport.setMaxOutgoingBitrate(maxBps);
	beganAtBps.set(viewer, Math.max(minBps, FIRST_ESTIMATE_BPS));
}

function limits(name: ShownRung): ReturnType<typeof lineLimits> {
	const { onAir } = broadcastRouter.stage.video.layers;
	expect(onAir).toHaveLength(Object.keys(RATES).length);
	return lineLimits(
		onAir.map(({ rateBps }) => rateBps),
		onAir.findIndex((layer) => layer.name === name),
	);
}

/**
 * Made from the reports: without any, each stays exactly where it began. On a busy machine many fall back to the least.
 */
function expectEstimates(viewers: readonly ReportingViewer[], estimates: readonly (number | undefined)[]): void {
	const moved = viewers.filter((viewer, index) => {
		const beganAt = beganAtBps.get(viewer);
		return beganAt !== undefined && Math.abs(estimates[index]! / beganAt - 1) > 0.02;
	});
	expect(estimates.filter((estimate) => estimate !== undefined)).toHaveLength(
		viewers.filter((viewer) => beganAtBps.has(viewer)).length,
	);
	expect(moved.length > 0).toBe(viewers.some((viewer) => beganAtBps.has(viewer)));
}

async function readEstimate({ transport }: ReportingViewer): Promise<number | undefined> {
	return (await transport.getStats())[0]?.availableOutgoingBitrate;
}

/** Its own time and the kernel's, in milliseconds. */
async function readCpuMs(worker: BroadcastRouter['home']['worker']): Promise<number> {
	const { ru_utime: user, ru_stime: system } = await worker.getResourceUsage();
	return user + system;
}

function readMachine(): { total: number; idle: number; steal: number } {
	const fields = readFileSync('/proc/stat', 'utf8').split('\n')[0]!.split(/\s+/).slice(1).map(Number);
	return { total: sum(fields.slice(0, 8)), idle: fields[3]!, steal: fields[7]! };
}

function sum(values: readonly number[]): number {
	return values.reduce((total, value) => total + value, 0);
}
