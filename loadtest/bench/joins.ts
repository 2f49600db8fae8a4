/** Joins one after the other at random moments of the GOP: how long until the first picture is on the screen. */
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import { createPublisher, type PublisherKind } from '../clients/create-publisher.ts';
import type { EncoderSettings } from '../source/encoder-settings.ts';
import { launchChromium } from '../clients/chromium/chromium.ts';
import { ChromiumViewer, type DeliveryTier } from '../clients/chromium/chromium-viewer.ts';
import { firstFrameMs, type Spread, spreadOf } from './measure/frame-log.ts';
import { type PathServer, type ViewerChoice, viewerOptions } from './measure/path-viewer.ts';
import { type SelfWatchResult, watchSelf } from './measure/self-watch.ts';
import { waitUntilLive } from './measure/server-under-test.ts';
import { type BenchCommand, say, withServer } from './bench-options.ts';

/** What is joined how often. */
type JoinOptions = {
	publisher: PublisherKind;
	tier: DeliveryTier;
	settings: EncoderSettings;
	viewer: ViewerChoice;
	joinCount: number;
};

/** First-picture times of all joins that worked, and those that did not. */
type JoinRun = {
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

export const joins: BenchCommand = {
	summary: 'time to the first picture for viewers who join at random moments',
	run: async (options) => {
		const { settings, viewer, joinCount } = options;
		const runs: JoinRun[] = [];
		await withServer(options, async (server) => {
			for (const publisher of options.publishers) {
				for (const tier of options.tiers) {
					const run = await runJoins(server, { publisher, tier, settings, viewer, joinCount });
					runs.push(run);
					say(`${publisher} → ${tier}: ${JSON.stringify(run.firstFrameMs)}, ${run.failures.length} failed`);
				}
			}
		});
		return { result: { settings, runs }, markdown: formatJoins(runs) };
	},
};

/** Joins one viewer at a time in one browser that is kept warm, as a viewer's browser is. */
async function runJoins(server: PathServer, options: JoinOptions): Promise<JoinRun> {
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

function formatJoins(runs: readonly JoinRun[]): string {
	const lines = runs.map(({ publisher, tier, firstFrameMs: spread, failures, selfWatch }) => {
		const times = spread === undefined ? '– | –' : `${spread.p50.toFixed(0)} | ${spread.p95.toFixed(0)}`;
		const isVoid = selfWatch.voidReasons.join('; ') || 'no';
		return `| ${publisher} → ${tier} | ${times} | ${spread?.count ?? 0} | ${failures.length} | ${isVoid} |`;
	});
	return `| path | first frame p50 ms | p95 ms | joins | failed | void |
| --- | --- | --- | --- | --- | --- |
${lines.join('\n')}
`;
}
