/** One measured stretch of one path: a publisher, the server, a viewer. */
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import type { DeliveryTier } from '../../core/protocol/tiers.ts';
import { encoderSettings, type PublisherKind } from '../clients/create-publisher.ts';
import type { EncoderSettings } from '../source/encoder-settings.ts';
import { type Publisher, throwFailure } from '../source/publisher.ts';
import { ChromiumViewer } from '../clients/chromium/chromium-viewer.ts';
import { firstFrameMs, summariseWatch } from './measure/frame-log.ts';
import { onBenchClock, type ViewerChoice, viewerOptions } from './measure/path-viewer.ts';
import { treeCpuSeconds } from './measure/process-cpu.ts';
import { type ServerUnderTest, withPublisher } from './measure/server-under-test.ts';
import { watchSelf } from './measure/self-watch.ts';
import { type BenchCommand, say, withServer } from './bench-options.ts';
import { ENCODER_DELAY_MS, oneLine, runReference } from './direct.ts';
import { measureEncoderDelay } from './measure/encoder-delay.ts';
import { type AnyPathRun, formatRows, pathRows, type ReferenceRun } from './measure/paths-report.ts';
import { measureSoundTap } from './measure/sound-tap.ts';

/** @internal for tests */
export type PathOptions = {
	publisher: PublisherKind;
	tier: DeliveryTier;
	settings: EncoderSettings;
	viewer: ViewerChoice;
	/** From the first picture to the start of the window: jitter buffers and the player's rate settle. */
	settleMs: number;
	durationMs: number;
	/** See {@link measureSoundTap}; for LL-HLS, which plays as a file does. */
	soundTapOffsetMs: number;
};

/** The result of one run. @internal for tests */
export type PathRun = AnyPathRun & {
	publisher: PublisherKind;
	description: string;
	/** Pictures on the screen whose pattern could not be read. */
	unreadableCount: number;
	/** The player's own report at the end. */
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
		const delayLines: string[] = [];
		for (const publisher of options.publishers.filter((kind) => kind.startsWith('rtmp'))) {
			const delayMs = await measureEncoderDelay(encoderSettings(publisher, settings), ENCODER_DELAY_MS);
			encoderDelays.push({ publisher, delayMs });
			const [p50, p95] = [delayMs.p50.toFixed(0), delayMs.p95.toFixed(0)];
			delayLines.push(`Encoder and muxer of ${publisher} itself: p50 ${p50} ms, p95 ${p95} ms (contained above).`);
		}
		const rows = pathRows(references, runs);
		return {
			result: { settings, encoderDelays, soundTapOffsetMs, rows, references, runs, failures },
			markdown: `${[formatRows(rows), ...delayLines, ...failures].join('\n')}\n`,
		};
	},
};

/** Publishes, watches, measures, and ends both. Rejects when the path does not work. @internal for tests */
export function runPath(server: ServerUnderTest, options: PathOptions): Promise<PathRun> {
	return withPublisher(server, options, async (publisher) => {
		const run = await watchPath(server, options, publisher);
		throwFailure(publisher);
		return run;
	});
}

async function watchPath(server: ServerUnderTest, options: PathOptions, publisher: Publisher): Promise<PathRun> {
	const viewer = await ChromiumViewer.open(viewerOptions(server, options.viewer, options.tier));
	try {
		await viewer.play();
		await viewer.waitForPicture(FIRST_PICTURE_DEADLINE_MS);
		await sleep(systemClock, options.settleMs);
		await viewer.collect();
		const endWatch = watchSelf();
		const cpuBefore = treeCpuSeconds(server.pid);
		const fromMs = systemClock.nowMs();
		await sleep(systemClock, options.durationMs);
		const toMs = systemClock.nowMs();
		const cpuAfter = treeCpuSeconds(server.pid);
		const selfWatch = endWatch();
		const log = await viewer.collect();
		const sent = await publisher.sentFrames();
		const { shown, heard: tapped } = onBenchClock(log, publisher.clockOffsetMs);
		const tapOffsetMs = options.tier === 'll-hls' ? options.soundTapOffsetMs : 0;
		const heard = tapped.map((sound) => ({ ...sound, heardAtMs: sound.heardAtMs + tapOffsetMs }));
		const hasCpu = cpuBefore !== undefined && cpuAfter !== undefined;
		return {
			publisher: options.publisher,
			tier: options.tier,
			description: publisher.description,
			summary: summariseWatch(shown, heard, sent, { fromMs, toMs }),
			firstFrameMs: firstFrameMs(shown, log.clickedAtMs),
			serverCores: hasCpu ? ((cpuAfter - cpuBefore) * 1000) / (toMs - fromMs) : undefined,
			unreadableCount: log.unreadableCount,
			selfWatch,
			playerFacts: await viewer.facts(),
		};
	} finally {
		await viewer.close();
	}
}
