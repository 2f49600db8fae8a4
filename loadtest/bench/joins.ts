/** Joins, one after the other, at random moments of the GOP: the time to the first picture on the screen. */
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import type { DeliveryTier } from '../../core/protocol/tiers.ts';
import type { PublisherKind } from '../clients/create-publisher.ts';
import type { EncoderSettings } from '../source/encoder-settings.ts';
import { throwFailure } from '../source/publisher.ts';
import { launchChromium } from '../clients/chromium/chromium.ts';
import { ChromiumViewer } from '../clients/chromium/chromium-viewer.ts';
import { firstFrameMs, type Spread, spreadOf } from './measure/frame-log.ts';
import { figure, markdownTable } from './measure/markdown-table.ts';
import { type ViewerChoice, viewerOptions } from './measure/path-viewer.ts';
import { type SelfWatchResult, watchSelf } from './measure/self-watch.ts';
import { type ServerUnderTest, withPublisher } from './measure/server-under-test.ts';
import { type BenchCommand, say, withServer } from './bench-options.ts';
import { crowdJoins } from './crowd-joins.ts';

type JoinOptions = {
	publisher: PublisherKind;
	tier: DeliveryTier;
	settings: EncoderSettings;
	viewer: ViewerChoice;
	joinCount: number;
};

/** First-picture times of the joins that worked, and the errors of those that did not. */
type JoinRun = Pick<JoinOptions, 'publisher' | 'tier'> & {
	description: string;
	firstFrameMs: Spread | undefined;
	samplesMs: number[];
	failures: string[];
	selfWatch: SelfWatchResult;
};

const JOIN_DEADLINE_MS = 10_000;
/** Stream time before the first join. */
const WARM_UP_MS = 5000;

export const joins: BenchCommand = {
	summary: 'time to the first picture for viewers who join at random moments, or of a crowd at once (--crowd)',
	run: async (options) => {
		if (options.crowdCount !== undefined) {
			return crowdJoins(options, options.crowdCount);
		}
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

/** Joins one viewer at a time in one browser that stays open, as a viewer's browser does. */
async function runJoins(server: ServerUnderTest, options: JoinOptions): Promise<JoinRun> {
	const browser = await launchChromium();
	try {
		return await withPublisher(server, options, async (publisher) => {
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
			throwFailure(publisher);
			return {
				publisher: options.publisher,
				tier: options.tier,
				description: publisher.description,
				firstFrameMs: spreadOf(samplesMs),
				samplesMs,
				failures,
				selfWatch: endWatch(),
			};
		});
	} finally {
		await browser.close();
	}
}

function formatJoins(runs: readonly JoinRun[]): string {
	const rows = runs.map(({ publisher, tier, firstFrameMs: spread, failures, selfWatch }) => [
		`${publisher} → ${tier}`,
		figure(spread?.p50),
		figure(spread?.p95),
		spread?.count ?? 0,
		failures.length,
		selfWatch.voidReasons.join('; ') || 'no',
	]);
	return markdownTable(['path', 'first frame p50 ms', 'p95 ms', 'joins', 'failed', 'void'], rows);
}
