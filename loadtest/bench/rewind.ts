/**
 * Pauses and rewinding in the product's player, by the pixels: where it continues, how soon it is back at live, and how
 * soon a place in the past is there.
 */
import { median } from '../../core/percentiles.ts';
import { systemClock } from '../../core/lifecycle/clock.ts';
import type { ShownFrame } from '../clients/chromium/bench-page.ts';
import { launchChromium } from '../clients/chromium/chromium.ts';
import type { PublisherKind } from '../clients/create-publisher.ts';
import type { EncoderSettings } from '../source/encoder-settings.ts';
import { type Publisher, throwFailure } from '../source/publisher.ts';
import { addLongArchive } from './measure/long-archive.ts';
import { figure, markdownTable, percentileCells } from './measure/markdown-table.ts';
import { PlayerWatch } from './measure/player-watch.ts';
import { type SelfWatchResult, watchSelf } from './measure/self-watch.ts';
import { type ServerUnderTest, withPublisher } from './measure/server-under-test.ts';
import { type BenchCommand, runEach, withServer } from './bench-options.ts';

type RewindOptions = {
	publisher: PublisherKind;
	settings: EncoderSettings;
	/** Rounds of pause, play, live, jump. */
	count: number;
	pauseMs: number;
	/** How far back the jumps lead. */
	backSeconds: number;
	/** Puts so much older media before what the server lists; 0: none. */
	olderSeconds: number;
	/** Played undisturbed before each action. */
	settleMs: number;
};

type RewindRound = {
	/** From the last picture before the pause to the first one after it; skipped when positive. */
	pauseJumpMs: number;
	/** From the key to the first picture. */
	playAfterMs: number;
	/** From the button to the first picture that is less than {@link LIVE_MS} old. */
	liveAfterMs: number | undefined;
	/** Of the pictures that are shown three seconds after the button. */
	liveLatencyMs: number | undefined;
	/** The longest time without a new picture on the way to live. */
	liveGapMs: number;
	/** From the jump to the first picture of that time. */
	jumpAfterMs: number | undefined;
	/** The tiers after the pause, at live, and after the jump. */
	tiers: string[];
};

/** @internal for tests */
export type RewindRun = {
	rounds: RewindRound[];
	/** Seconds that the bar offered at the end. */
	rangeSeconds: number;
	selfWatch: SelfWatchResult;
};

/** A picture this old counts as live. */
const LIVE_MS = 500;
const LIVE_DEADLINE_MS = 3000;
const NEAR_JUMP_MS = 3000;
/** The bar appears some seconds after the first picture. */
const SLIDER = 'input[aria-label=Position]';
const SLIDER_DEADLINE_MS = 30_000;
const TWO_HOURS_SECONDS = 7200;

export const rewind: BenchCommand = {
	summary: 'pause and play, Live, and a jump two hours back in a broadcast (--rounds)',
	run: async (options) => {
		const { settings, roundCount: count, settleMs } = options;
		const back = { backSeconds: TWO_HOURS_SECONDS, olderSeconds: TWO_HOURS_SECONDS };
		const { runs, markdown } = await withServer(options, (server) => {
			const run = (publisher: PublisherKind) =>
				runRewind(server, { publisher, settings, count, settleMs, pauseMs: 5000, ...back });
			return runEach(options.publishers, run, formatRewind);
		});
		return { result: { settings, runs }, markdown };
	},
};

/** Publishes and watches. Rejects when nothing plays. @internal for tests */
export async function runRewind(server: ServerUnderTest, options: RewindOptions): Promise<RewindRun> {
	const browser = await launchChromium();
	try {
		return await withPublisher(server, options, async (publisher) => {
			const { httpUrl, channel } = server.addresses;
			const watcher = await PlayerWatch.open(browser, `${httpUrl}/${channel}`, publisher.clockOffsetMs);
			if (options.olderSeconds > 0) {
				await addLongArchive(watcher.page.page, options.olderSeconds);
			}
			await watcher.waitForPicture();
			const endWatch = watchSelf();
			const rounds: RewindRound[] = [];
			for (let round = 0; round < options.count; round++) {
				if (round > 0) {
					await measureLive(watcher);
				}
				rounds.push(await runRound(watcher, publisher, options));
			}
			const rangeSeconds = await watcher.page.page.evaluate<number>(`Number(document.querySelector('${SLIDER}').max)`);
			return { rounds, rangeSeconds, selfWatch: endWatch() };
		});
	} finally {
		await browser.close();
	}
}

async function runRound(watcher: PlayerWatch, publisher: Publisher, options: RewindOptions): Promise<RewindRound> {
	const { page } = watcher.page;
	const tiers: string[] = [];
	await watcher.watchUntil(({ tier, state }) => tier === 'webrtc' && state === 'playing');
	await watcher.watch(options.settleMs);
	throwFailure(publisher);

	await page.keyboard.press('k');
	await watcher.watch(options.pauseMs);
	const last = watcher.frames.at(-1)!;
	const playedAtMs = await act(() => page.keyboard.press('k'));
	const first = await firstFrame(watcher, (frame) => frame.shownAtMs > playedAtMs);
	await watcher.watch(options.settleMs);
	tiers.push((await watcher.player()).tier);

	const live = await measureLive(watcher);
	tiers.push((await watcher.player()).tier);

	await page.waitForSelector(SLIDER, { timeout: SLIDER_DEADLINE_MS });
	await watcher.watch(options.settleMs);
	const jumpedAtMs = await act(() =>
		page.evaluate(`{
			const slider = document.querySelector('${SLIDER}');
			slider.value = String(Math.max(5, slider.max - ${options.backSeconds}));
			slider.dispatchEvent(new Event('change', { bubbles: true }));
		}`),
	);
	// Older media are looped, so that their pictures do not show when they were captured: any that is not live counts.
	const arrived = await firstFrame(
		watcher,
		({ shownAtMs, captureTimeMs }) => shownAtMs > jumpedAtMs && shownAtMs - captureTimeMs > NEAR_JUMP_MS,
	).catch(() => undefined);
	await watcher.watch(options.settleMs);
	tiers.push((await watcher.player()).tier);
	return {
		pauseJumpMs: first.captureTimeMs - last.captureTimeMs,
		playAfterMs: first.shownAtMs - playedAtMs,
		...live,
		jumpAfterMs: arrived === undefined ? undefined : arrived.shownAtMs - jumpedAtMs,
		tiers,
	};
}

async function measureLive(
	watcher: PlayerWatch,
): Promise<Pick<RewindRound, 'liveAfterMs' | 'liveLatencyMs' | 'liveGapMs'>> {
	const pressedAtMs = await act(() => watcher.page.page.click('button.live'));
	await watcher.watch(LIVE_DEADLINE_MS + 1000);
	const after = watcher.frames.filter(({ shownAtMs }) => shownAtMs > pressedAtMs);
	const latencyMs = (frame: ShownFrame): number => frame.shownAtMs - frame.captureTimeMs;
	const live = after.find((frame) => latencyMs(frame) < LIVE_MS);
	const late = after.filter(({ shownAtMs }) => shownAtMs > pressedAtMs + LIVE_DEADLINE_MS);
	const gapsMs = after.slice(1).map((frame, index) => frame.shownAtMs - after[index]!.shownAtMs);
	return {
		liveAfterMs: live === undefined ? undefined : live.shownAtMs - pressedAtMs,
		liveLatencyMs: late.length === 0 ? undefined : median(late.map(latencyMs)),
		liveGapMs: Math.max(...gapsMs),
	};
}

/** Returns when it was done. */
async function act(action: () => Promise<unknown>): Promise<number> {
	const atMs = systemClock.nowMs();
	await action();
	return atMs;
}

async function firstFrame(watcher: PlayerWatch, isIt: (frame: ShownFrame) => boolean): Promise<ShownFrame> {
	let found: ShownFrame | undefined;
	const endMs = systemClock.monotonicMs() + SLIDER_DEADLINE_MS;
	await watcher.watchUntil(() => {
		found = watcher.frames.find(isIt);
		return found !== undefined || systemClock.monotonicMs() > endMs;
	});
	if (found === undefined) {
		throw new Error('No picture came.');
	}
	return found;
}

function formatRewind({ rounds, rangeSeconds }: RewindRun): string {
	const known = (values: Array<number | undefined>): number[] => values.filter((value) => value !== undefined);
	const row = (what: string, values: Array<number | undefined>): Array<string | number> => [
		what,
		known(values).length,
		...percentileCells(known(values)),
	];
	const table = markdownTable(
		['ms', 'measured', 'p50', 'p95', 'max'],
		[
			row(
				'content from the last picture before the pause to the first after it',
				rounds.map((one) => one.pauseJumpMs),
			),
			row(
				'from play to the first picture',
				rounds.map((one) => one.playAfterMs),
			),
			row(
				'from Live to a picture under 500 ms old',
				rounds.map((one) => one.liveAfterMs),
			),
			row(
				'latency 3 s after Live',
				rounds.map((one) => one.liveLatencyMs),
			),
			row(
				'longest time without a new picture on the way to live',
				rounds.map((one) => one.liveGapMs),
			),
			row(
				'from the jump to the first picture there',
				rounds.map((one) => one.jumpAfterMs),
			),
		],
	);
	return `${table}\n${rounds.length} rounds; the bar offered ${figure(rangeSeconds)} s.\n`;
}
