/** One measured stretch of one path: a publisher, the server, a viewer. */
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import { createPublisher, encoderSettings, type PublisherKind } from '../clients/create-publisher.ts';
import type { EncoderSettings } from '../source/encoder-settings.ts';
import type { Publisher } from '../source/publisher.ts';
import { ChromiumViewer, type DeliveryTier } from '../clients/chromium/chromium-viewer.ts';
import { firstFrameMs, summariseWatch, type WatchSummary } from './measure/frame-log.ts';
import { onBenchClock, type PathServer, type ViewerChoice, viewerOptions } from './measure/path-viewer.ts';
import { treeCpuSeconds } from './measure/process-cpu.ts';
import { waitUntilLive } from './measure/server-under-test.ts';
import { type SelfWatchResult, watchSelf } from './measure/self-watch.ts';
import { type BenchCommand, say, withServer } from './bench-options.ts';
import { ENCODER_DELAY_MS, oneLine, runReference } from './direct.ts';
import { measureEncoderDelay } from './measure/encoder-delay.ts';
import { formatRows, pathRows, type ReferenceRun } from './measure/paths-report.ts';
import { measureSoundTap } from './measure/sound-tap.ts';

/** What is measured and for how long. @internal for tests */
export type PathOptions = {
	publisher: PublisherKind;
	tier: DeliveryTier;
	settings: EncoderSettings;
	viewer: ViewerChoice;
	/** From the first picture to the start of the window: jitter buffers and the player's rate settle. */
	settleMs: number;
	durationMs: number;
	/** See {@link measureSoundTap}; used for LL-HLS, which is played as a file is. */
	soundTapOffsetMs: number;
};

/** What one run gave. @internal for tests */
export type PathRun = {
	publisher: PublisherKind;
	tier: DeliveryTier;
	description: string;
	summary: WatchSummary;
	/** From the viewer's action; absent when no picture was shown. */
	firstFrameMs?: number;
	/** Cores' worth of CPU of the server and its children; absent for a server that is not ours. */
	serverCores?: number;
	/** Share of pictures on the screen whose pattern could not be read. */
	unreadableCount: number;
	selfWatch: SelfWatchResult;
	/** What the player says about itself at the end. */
	playerFacts: unknown;
};

const FIRST_PICTURE_DEADLINE_MS = 20_000;

export const paths: BenchCommand = {
	summary: 'latency, smoothness and lip sync of each path, WebRTC alternated with the direct connection',
	async run(options) {
		const { settings, viewer, settleMs, durationMs } = options;
		const references: ReferenceRun[] = [];
		const runs: PathRun[] = [];
		const failures: string[] = [];
		const soundTapOffsetMs = await measureSoundTap();
		const plan = Array.from({ length: options.runCount }, (_, index) => index + 1).flatMap((run) =>
			options.tiers.flatMap((tier) => options.publishers.map((publisher) => ({ run, tier, publisher }))),
		);
		await withServer(options, async (server) => {
			for (const { run, tier, publisher } of plan) {
				if (tier === 'webrtc') {
					references.push(await runReference(options, run));
				}
				try {
					const path = { publisher, tier, settings, viewer, settleMs, durationMs, soundTapOffsetMs };
					runs.push(await runPath(server, path));
					say(`run ${run}: ${publisher} → ${tier} ${oneLine(runs.at(-1)!)}`);
				} catch (error) {
					failures.push(`run ${run}: ${publisher} → ${tier}: ${(error as Error).message}`);
					say(failures.at(-1)!);
				}
			}
		});
		const encoderDelays = [];
		const delays: string[] = [];
		for (const publisher of options.publishers.filter((kind) => kind.startsWith('rtmp'))) {
			const delayMs = await measureEncoderDelay(encoderSettings(publisher, settings), ENCODER_DELAY_MS);
			encoderDelays.push({ publisher, delayMs });
			const [p50, p95] = [delayMs.p50.toFixed(0), delayMs.p95.toFixed(0)];
			delays.push(`Encoder and muxer of ${publisher} itself: p50 ${p50} ms, p95 ${p95} ms (contained above).`);
		}
		const rows = pathRows(references, runs);
		return {
			result: { settings, encoderDelays, soundTapOffsetMs, rows, references, runs, failures },
			markdown: `${[formatRows(rows), ...delays, ...failures].join('\n')}\n`,
		};
	},
};

/** Publishes, watches, measures, and ends both. Rejects when the path does not work at all. @internal for tests */
export async function runPath(server: PathServer, options: PathOptions): Promise<PathRun> {
	const publisher = createPublisher(options.publisher, options.settings, server.addresses);
	try {
		await publisher.start();
		await waitUntilLive(server.addresses);
		const run = await watchPath(server, options, publisher);
		if (publisher.failure !== undefined) {
			throw publisher.failure;
		}
		return run;
	} finally {
		await publisher.stop();
	}
}

async function watchPath(server: PathServer, options: PathOptions, publisher: Publisher): Promise<PathRun> {
	const viewer = await ChromiumViewer.open(viewerOptions(server, options.viewer, options.tier));
	try {
		await viewer.play();
		await viewer.waitForPicture(FIRST_PICTURE_DEADLINE_MS);
		await sleep(systemClock, options.settleMs);
		await viewer.collect();
		const endWatch = watchSelf();
		const cpuBefore = server.pid === undefined ? undefined : treeCpuSeconds(server.pid);
		const fromMs = systemClock.nowMs();
		await sleep(systemClock, options.durationMs);
		const toMs = systemClock.nowMs();
		const cpuAfter = server.pid === undefined ? undefined : treeCpuSeconds(server.pid);
		const selfWatch = endWatch();
		const log = await viewer.collect();
		const sent = await publisher.sentFrames();
		const { shown, heard: tapped } = onBenchClock(log, publisher.clockOffsetMs);
		const tapOffsetMs = options.tier === 'll-hls' ? options.soundTapOffsetMs : 0;
		const heard = tapped.map((sound) => ({ ...sound, heardAtMs: sound.heardAtMs + tapOffsetMs }));
		const first = firstFrameMs(shown, log.clickedAtMs);
		const hasCpu = cpuBefore !== undefined && cpuAfter !== undefined;
		return {
			publisher: options.publisher,
			tier: options.tier,
			description: publisher.description,
			summary: summariseWatch(shown, heard, sent, { fromMs, toMs }),
			...(first === undefined ? {} : { firstFrameMs: first }),
			...(hasCpu ? { serverCores: ((cpuAfter - cpuBefore) * 1000) / (toMs - fromMs) } : {}),
			unreadableCount: log.unreadableCount,
			selfWatch,
			playerFacts: await viewer.facts(),
		};
	} finally {
		await viewer.close();
	}
}
