/** Changes between two rungs of LL-HLS, read picture by picture: the product's page, hls.js and shaka-player. */
import { systemClock } from '../../core/lifecycle/clock.ts';
import { errorMessage } from '../../core/errors/errors.ts';
import { median } from '../../core/percentiles.ts';
import { launchChromium } from '../clients/chromium/chromium.ts';
import type { PublisherKind } from '../clients/create-publisher.ts';
import type { EncoderSettings } from '../source/encoder-settings.ts';
import { throwFailure } from '../source/publisher.ts';
import { figure, markdownTable, percentileCells } from './measure/markdown-table.ts';
import {
	type Disturbance,
	measureDisturbance,
	measureRungChange,
	type RungChange,
} from './measure/rung-change-measures.ts';
import { RUNG_PLAYERS, RungPlayer, type RungPlayerName } from './measure/rung-player.ts';
import { type SelfWatchResult, watchSelf } from './measure/self-watch.ts';
import { type ServerUnderTest, withPublisher } from './measure/server-under-test.ts';
import { type BenchCommand, runEach, say, withServer } from './bench-options.ts';

type RungChangeOptions = {
	publisher: PublisherKind;
	settings: EncoderSettings;
	players: readonly RungPlayerName[];
	/** Changes each way. */
	count: number;
	/** Played undisturbed before each change. */
	settleMs: number;
};

type RungChangeRun = {
	player: RungPlayerName;
	/** From the highest rung to the lowest and back, alternately. */
	changes: Array<RungChange & { toHeightPixels: number }>;
	/** Of moments without a change. */
	undisturbed: Disturbance[];
	/** Changes that no picture showed within the deadline. */
	failedCount: number;
	/** False: nothing is known of silences. */
	hasSound: boolean;
	selfWatch: SelfWatchResult | undefined;
	/** Why it ended before its last change. */
	failure: string | undefined;
};

/** Of a hum under the bursts, in which gaps can be heard. */
const HUM_AMPLITUDE = 0.015;
const TOP_DEADLINE_MS = 20_000;
const CHANGE_DEADLINE_MS = 8000;
const AFTER_MS = 1500;
/** Before a choice: a moment around which nothing changes. */
const UNDISTURBED_MS = 1200;

export const rungChanges: BenchCommand = {
	summary: 'changes between rungs of LL-HLS (needs --ladder; --hand-overs n each way): lost pictures, silence',
	run: async (options) => {
		const { settings, settleMs, handOverCount: count } = options;
		const { runs, markdown } = await withServer(options, (server) =>
			runEach(
				options.publishers,
				(publisher) => runRungChanges(server, { publisher, settings, players: RUNG_PLAYERS, count, settleMs }),
				formatRungChanges,
			),
		);
		return { result: { settings, runs }, markdown };
	},
};

/** Publishes, and plays in one player after the other. Rejects when nothing plays. */
async function runRungChanges(server: ServerUnderTest, options: RungChangeOptions): Promise<RungChangeRun[]> {
	const settings = { ...options.settings, humAmplitude: HUM_AMPLITUDE };
	return withPublisher(server, { ...options, settings }, async (publisher) => {
		const runs: RungChangeRun[] = [];
		for (const name of options.players) {
			const run: RungChangeRun = {
				player: name,
				changes: [],
				undisturbed: [],
				failedCount: 0,
				hasSound: false,
				selfWatch: undefined,
				failure: undefined,
			};
			runs.push(run);
			const browser = await launchChromium();
			try {
				await changeRungs(await RungPlayer.open(name, browser, server), run, options);
			} catch (error) {
				run.failure = errorMessage(error);
			} finally {
				await browser.close();
			}
			throwFailure(publisher);
			say(formatRungChanges([run]));
		}
		return runs;
	});
}

/** Adds to `run` as it goes, so that what was seen before a failure is kept. */
async function changeRungs(player: RungPlayer, run: RungChangeRun, options: RungChangeOptions): Promise<void> {
	const heights = await player.heights();
	const [top, lowest] = [Math.max(...heights), Math.min(...heights)];
	await player.choose(top);
	await player.watchUntil(() => player.frames.at(-1)?.heightPixels === top, TOP_DEADLINE_MS);
	const endWatch = watchSelf();
	for (let index = 0; index < options.count * 2; index++) {
		await player.watch(options.settleMs);
		const asked = { atMs: systemClock.nowMs(), heightPixels: index % 2 === 0 ? lowest : top };
		await player.choose(asked.heightPixels);
		await player.watchUntil(() => measureRungChange(player.frames, [], asked) !== undefined, CHANGE_DEADLINE_MS);
		await player.watch(AFTER_MS);
		const change = measureRungChange(player.frames, player.quiet, asked);
		if (change === undefined) {
			run.failedCount++;
		} else {
			run.changes.push({ ...change, toHeightPixels: asked.heightPixels });
		}
		run.hasSound = player.hasSound;
		run.undisturbed.push(measureDisturbance(player.frames, player.quiet, asked.atMs - UNDISTURBED_MS));
	}
	run.selfWatch = endWatch();
}

function formatRungChanges(runs: readonly RungChangeRun[]): string {
	const head = [
		...['player', 'to', 'changes', 'took s p50', 'pictures lost at the change, most', 'within 2 s', 'most'],
		...['repeated', 'gap ms p50', 'p95', 'max', 'silence ms, longest', 'void'],
	];
	const cellsOf = (entries: readonly Disturbance[], hasSound: boolean): Array<string | number> => {
		const missing = entries.map(({ missingCount }) => missingCount);
		return [
			missing.reduce((sum, count) => sum + count, 0),
			Math.max(0, ...missing),
			entries.reduce((sum, { repeatedCount }) => sum + repeatedCount, 0),
			...percentileCells(entries.map(({ gapMs }) => gapMs)),
			hasSound ? Math.max(0, ...entries.map(({ quietMs }) => quietMs)).toFixed(0) : '–',
		];
	};
	const rows = runs.flatMap(({ player, changes, undisturbed, failedCount, hasSound, selfWatch, failure }) => {
		const failures = [
			...(failedCount > 0 ? [`${failedCount} changes failed`] : []),
			...(failure === undefined ? [] : [failure]),
		];
		const heights = [...new Set(changes.map(({ toHeightPixels }) => toHeightPixels))].toSorted((a, b) => b - a);
		return [
			...heights.map((height) => {
				const entries = changes.filter(({ toHeightPixels }) => toHeightPixels === height);
				const took = figure(median(entries.map(({ tookMs }) => tookMs)) / 1000, 1);
				const atChange = Math.max(...entries.map(({ missingAtChangeCount }) => missingAtChangeCount));
				return [player, `${height}p`, entries.length, took, atChange, ...cellsOf(entries, hasSound), ''];
			}),
			[
				...[player, 'no change', undisturbed.length, '–', '–', ...cellsOf(undisturbed, hasSound)],
				[...(selfWatch?.voidReasons ?? []), ...failures].join('; '),
			],
		];
	});
	return markdownTable(head, rows);
}
