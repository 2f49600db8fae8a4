/** Joins one after the other at random moments of the GOP: how long until the first picture is on the screen. */
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import { createPublisher, type PublisherKind } from '../clients/create-publisher.ts';
import type { EncoderSettings } from '../source/encoder-settings.ts';
import { launchChromium } from '../clients/chromium/chromium.ts';
import { ChromiumViewer, type DeliveryTier } from '../clients/chromium/chromium-viewer.ts';
import { firstFrameMs, type Spread, spreadOf } from './measure/frame-log.ts';
import { type PathServer, type ViewerChoice, viewerOptions } from './paths.ts';
import { type SelfWatchResult, watchSelf } from './measure/self-watch.ts';
import { waitUntilLive } from './measure/server-under-test.ts';

/** What is joined how often. */
export type JoinOptions = {
	publisher: PublisherKind;
	tier: DeliveryTier;
	settings: EncoderSettings;
	viewer: ViewerChoice;
	joinCount: number;
};

/** First-picture times of all joins that worked, and those that did not. */
export type JoinRun = {
	publisher: PublisherKind;
	tier: DeliveryTier;
	description: string;
	firstFrameMs?: Spread;
	samplesMs: number[];
	failures: string[];
	selfWatch: SelfWatchResult;
};

const JOIN_DEADLINE_MS = 10_000;
/** The stream runs for a while before the first join, as a broadcast does. */
const WARM_UP_MS = 5000;

/** Joins one viewer at a time in one browser that is kept warm, as a viewer's browser is. */
export async function runJoins(server: PathServer, options: JoinOptions): Promise<JoinRun> {
	const publisher = createPublisher(options.publisher, options.settings, server.addresses);
	const browser = await launchChromium();
	try {
		await publisher.start();
		await waitUntilLive(server.addresses);
		await sleep(systemClock, WARM_UP_MS);
		const endWatch = watchSelf();
		const samplesMs: number[] = [];
		const failures: string[] = [];
		for (let join = 0; join < options.joinCount; join++) {
			// Two seconds cover every phase of a GOP of that length.
			await sleep(systemClock, Math.random() * 2000);
			try {
				const viewer = await ChromiumViewer.open({ ...viewerOptions(server, options.viewer, options.tier), browser });
				try {
					await viewer.play();
					const first = await viewer.waitForPicture(JOIN_DEADLINE_MS);
					const log = await viewer.collect();
					samplesMs.push(firstFrameMs([first], log.clickedAtMs)!);
				} finally {
					await viewer.close();
				}
			} catch (error) {
				failures.push((error as Error).message.slice(0, 500));
			}
		}
		if (publisher.failure !== undefined) {
			throw publisher.failure;
		}
		const spread = spreadOf(samplesMs);
		return {
			publisher: options.publisher,
			tier: options.tier,
			description: publisher.description,
			...(spread === undefined ? {} : { firstFrameMs: spread }),
			samplesMs,
			failures,
			selfWatch: endWatch(),
		};
	} finally {
		await browser.close();
		await publisher.stop();
	}
}
