/** One measured stretch of one path: a publisher, the server, a viewer. */
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import { createPublisher, type IngestAddresses, type PublisherKind } from '../clients/create-publisher.ts';
import type { EncoderSettings } from '../source/encoder-settings.ts';
import type { Publisher } from '../source/publisher.ts';
import {
	ChromiumViewer,
	type DeliveryTier,
	type ViewerLog,
	type ViewerOptions,
} from '../clients/chromium/chromium-viewer.ts';
import { firstFrameMs, summariseWatch, type WatchSummary } from './measure/frame-log.ts';
import { treeCpuSeconds } from './measure/process-cpu.ts';
import { waitUntilLive } from './measure/server-under-test.ts';
import { type SelfWatchResult, watchSelf } from './measure/self-watch.ts';

/** How a viewer is opened; the path adds the tier. */
export type ViewerChoice = Pick<ViewerOptions, 'page' | 'videoSelector' | 'jitterBufferTargetMs'> & {
	/** Product page: what is appended to the address, per tier. */
	queries?: Partial<Record<DeliveryTier, string>>;
	/** Product page: what is clicked, per tier. */
	clickSelectors?: Partial<Record<DeliveryTier, readonly string[]>>;
};

/** What is measured and for how long. */
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

/** Addresses of the server, and its process where it is ours. */
export type PathServer = { addresses: IngestAddresses & { channel: string }; pid: number | undefined };

/** What one run gave. */
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

/** Publishes, watches, measures, and ends both. Rejects when the path does not work at all. */
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

/** Options of a viewer of that server and tier. */
export function viewerOptions(server: PathServer, choice: ViewerChoice, tier: DeliveryTier): ViewerOptions {
	const { queries, clickSelectors, ...rest } = choice;
	return {
		...rest,
		httpUrl: server.addresses.httpUrl,
		channel: server.addresses.channel,
		tier,
		withSound: true,
		...(queries?.[tier] === undefined ? {} : { query: queries[tier] }),
		...(clickSelectors?.[tier] === undefined ? {} : { clickSelectors: clickSelectors[tier] }),
	};
}

/** Moves capture times that were drawn by another process's clock onto the bench's. */
export function onBenchClock(log: ViewerLog, clockOffsetMs: number): Pick<ViewerLog, 'shown' | 'heard'> {
	const move = <Item extends { captureTimeMs: number }>(item: Item): Item => ({
		...item,
		captureTimeMs: item.captureTimeMs + clockOffsetMs,
	});
	return { shown: log.shown.map(move), heard: log.heard.map(move) };
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
