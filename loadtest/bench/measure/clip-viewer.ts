/** A signed-in viewer of a live channel in one tier, who makes clips: which picture was on the screen at the press. */
import { randomBytes } from 'node:crypto';
import type { Browser } from 'playwright-core';
import { sleep, systemClock } from '../../../core/lifecycle/clock.ts';
import type { CreatedClip } from '../../../core/protocol/api/clip.ts';
import type { DeliveryTier } from '../../../core/protocol/tiers.ts';
import { BenchPage, type ShownFrame } from '../../clients/chromium/bench-page.ts';
import type { ServerAddresses } from './server-under-test.ts';

export type PressedClip = {
	clipId: string;
	/** On the bench's clock. */
	pressedAtMs: number;
	/** From the press until the answer was in the page. */
	answerMs: number;
	/** Number of the picture on the screen at the press, and of the next one. */
	onScreen: number;
	next: number;
	/** How long that picture was on the screen at the press. */
	shownForMs: number;
};

const PLAYING_DEADLINE_MS = 60_000;
const POLL_MS = 50;
/** Pictures of the last seconds. */
const MAX_FRAMES = 300;
const CLIP_PATH = '/api/v1/clips';

/** Notes key presses by the event's own time, and how long requests for clips took. */
const WATCH_PRESSES = `(() => {
	const log = { pressedAtMs: [], answeredAtMs: [] };
	globalThis.spillwayPresses = log;
	localStorage.setItem('spillway.was-logged-in', '1');
	addEventListener('keydown', ({ altKey, code, timeStamp }) => {
		if (altKey && code === 'KeyX') log.pressedAtMs.push(performance.timeOrigin + timeStamp);
	}, true);
	new PerformanceObserver((list) => {
		for (const { name, responseEnd } of list.getEntries()) {
			if (name.endsWith('${CLIP_PATH}')) log.answeredAtMs.push(performance.timeOrigin + responseEnd);
		}
	}).observe({ type: 'resource' });
})()`;

export class ClipViewer {
	readonly tier: DeliveryTier;
	readonly #page: BenchPage;
	#frames: ShownFrame[] = [];

	private constructor(tier: DeliveryTier, page: BenchPage) {
		this.tier = tier;
		this.#page = page;
	}

	/** Signs up, and opens the channel's page in that tier. */
	static async open(
		browser: Browser,
		{ httpUrl, channel }: Pick<ServerAddresses, 'httpUrl' | 'channel'>,
		tier: DeliveryTier,
	): Promise<ClipViewer> {
		const url = new URL(`/${channel}?tier=${tier}`, httpUrl).href;
		const page = await BenchPage.openProduct(browser, url, WATCH_PRESSES, async ({ request }) => {
			const response = await request.post(new URL('/api/v1/users', httpUrl).href, {
				headers: { 'x-spillway-csrf': '1' },
				data: { name: `clips_${randomBytes(4).toString('hex')}`, password: randomBytes(12).toString('hex') },
			});
			if (!response.ok()) {
				throw new Error(`The sign-up answers ${response.status()}: ${(await response.text()).slice(0, 200)}`);
			}
		});
		await page.call('startReading', 'video', false);
		return new ClipViewer(tier, page);
	}

	/** Resolves when it has played in its tier for that long. Rejects when it does not. */
	async watch(durationMs: number): Promise<void> {
		const endMs = systemClock.monotonicMs() + durationMs;
		for (;;) {
			await this.#collect();
			const { tier, state } = await this.#page.page.evaluate<{ tier: DeliveryTier; state: string }>(
				'({ tier: __spillway.statistics.tier, state: __spillway.statistics.state })',
			);
			const isThere = tier === this.tier && state === 'playing' && this.#frames.length > 0;
			if (isThere && systemClock.monotonicMs() >= endMs) {
				await this.#page.synchronise();
				return;
			}
			if (systemClock.monotonicMs() > endMs + PLAYING_DEADLINE_MS) {
				throw new Error(`The viewer over ${this.tier} is in ${tier}, ${state}.`);
			}
			await sleep(systemClock, POLL_MS);
		}
	}

	/**
	 * Presses Alt+X. `onMade` is called with the clip's id at once. Rejects when the server makes none, or when no
	 * picture can be read.
	 */
	async press<Made>(onMade: (clipId: string) => Promise<Made>): Promise<[PressedClip, Made]> {
		const { page } = this.#page;
		const answering = page.waitForResponse(
			(response) => response.url().endsWith(CLIP_PATH) && response.request().method() === 'POST',
		);
		await page.keyboard.press('Alt+x');
		const answer = await answering;
		if (!answer.ok()) {
			throw new Error(`The server answers ${answer.status()}: ${(await answer.text()).slice(0, 300)}`);
		}
		const { clip_id: clipId } = (await answer.json()) as CreatedClip;
		const made = await onMade(clipId);
		const times = await this.#readPress();
		const [before, after] = await this.#framesAround(times.pressedAtMs);
		const pressed = {
			clipId,
			pressedAtMs: times.pressedAtMs,
			answerMs: times.answeredAtMs - times.pressedAtMs,
			onScreen: before.frameNumber,
			next: after.frameNumber,
			shownForMs: times.pressedAtMs - before.shownAtMs,
		};
		await page.getByRole('button', { name: 'Close', exact: true }).click();
		return [pressed, made];
	}

	/** Asks for the clip's file, as who is signed in. Rejects when the server refuses. */
	async requestExport(clipId: string): Promise<void> {
		const status = await this.#page.page.evaluate<number>(
			`fetch('${CLIP_PATH}/${clipId}/export', { method: 'POST', headers: { 'x-spillway-csrf': '1' } })
				.then(({ status }) => status)`,
		);
		if (status !== 202) {
			throw new Error(`The request for the file answers ${status}.`);
		}
	}

	async close(): Promise<void> {
		await this.#page.page.context().close();
	}

	async #readPress(): Promise<{ pressedAtMs: number; answeredAtMs: number }> {
		const endMs = systemClock.monotonicMs() + PLAYING_DEADLINE_MS;
		for (;;) {
			const { pressedAtMs, answeredAtMs } = await this.#page.page.evaluate<
				Record<'pressedAtMs' | 'answeredAtMs', number[]>
			>('JSON.parse(JSON.stringify(spillwayPresses))');
			if (pressedAtMs.length > 0 && answeredAtMs.length === pressedAtMs.length) {
				const [pressed, answered] = [pressedAtMs.at(-1)!, answeredAtMs.at(-1)!];
				return { pressedAtMs: this.#page.toBenchMs(pressed), answeredAtMs: this.#page.toBenchMs(answered) };
			}
			if (systemClock.monotonicMs() > endMs) {
				throw new Error(`${pressedAtMs.length} presses and ${answeredAtMs.length} answers were noted.`);
			}
			await sleep(systemClock, POLL_MS);
		}
	}

	/** The picture on the screen at that time, and the next one. */
	async #framesAround(atMs: number): Promise<[ShownFrame, ShownFrame]> {
		const endMs = systemClock.monotonicMs() + PLAYING_DEADLINE_MS;
		while (systemClock.monotonicMs() < endMs) {
			await this.#collect();
			const at = this.#frames.findIndex(({ shownAtMs }) => shownAtMs > atMs);
			if (at > 0) {
				return [this.#frames[at - 1]!, this.#frames[at]!];
			}
			await sleep(systemClock, POLL_MS);
		}
		throw new Error('No picture was read around the press.');
	}

	async #collect(): Promise<void> {
		const { frames } = await this.#page.collect();
		this.#frames = [...this.#frames, ...frames].slice(-MAX_FRAMES);
	}
}
