/** Collects the pictures, the sound and the player's own statistics from one page with the product's player. */
import { sleep, systemClock } from '../../../core/lifecycle/clock.ts';
import type { DeliveryTier } from '../../../core/protocol/tiers.ts';
import { BenchPage, type HeardSound, type ShownFrame } from '../../clients/chromium/bench-page.ts';
import { COLLECT_MIX, MIX_EAR, type MixReadings } from '../../clients/chromium/mix-ear.ts';
import type { Browser } from 'playwright-core';

/** The statistics that are read. */
type PlayerState = {
	tier: DeliveryTier;
	state: string;
	latencyMs?: number;
	handOver: { count: number; state: string; lastDurationMs?: number; presentedGapMs?: number; contentJumpMs?: number };
};

const FIRST_PICTURE_DEADLINE_MS = 20_000;
/** A hand-over to LL-HLS slides the WebRTC playback back from live first, which takes some 25 s. */
const WATCH_DEADLINE_MS = 90_000;
const POLL_MS = 250;

/** All times are on the bench's clock. */
export class PlayerWatch {
	readonly page: BenchPage;
	readonly frames: ShownFrame[] = [];
	/** Shown, but their pattern could not be read. */
	readonly unreadable: ShownFrame[] = [];
	readonly quiet: Array<{ fromMs: number; durationMs: number }> = [];
	/** Since when it is silent now. */
	quietSinceMs: number | undefined;
	readonly heard: HeardSound[] = [];
	readonly claims: Array<{ atMs: number; tier: DeliveryTier; latencyMs: number }> = [];
	hasMix = false;
	readonly #sourceOffsetMs: number;

	private constructor(page: BenchPage, sourceOffsetMs: number) {
		this.page = page;
		this.#sourceOffsetMs = sourceOffsetMs;
	}

	/** Opens the channel's page and starts reading. `initScript` runs before the page's own scripts. */
	static async open(browser: Browser, url: string, sourceOffsetMs: number, initScript = ''): Promise<PlayerWatch> {
		const page = await BenchPage.openProduct(browser, url, `${MIX_EAR}\n${initScript}`);
		await page.call('startReading', 'video', false);
		return new PlayerWatch(page, sourceOffsetMs);
	}

	player(): Promise<PlayerState> {
		return this.page.page.evaluate<PlayerState>('JSON.parse(JSON.stringify(__spillway.statistics))');
	}

	async waitForPicture(): Promise<void> {
		const endMs = systemClock.monotonicMs() + FIRST_PICTURE_DEADLINE_MS;
		while (this.frames.length === 0) {
			if (systemClock.monotonicMs() > endMs) {
				throw new Error(`No picture was shown within ${FIRST_PICTURE_DEADLINE_MS} ms.`);
			}
			await sleep(systemClock, POLL_MS);
			await this.#collect();
		}
	}

	async watch(durationMs: number): Promise<void> {
		const endMs = systemClock.monotonicMs() + durationMs;
		await this.watchUntil(() => systemClock.monotonicMs() >= endMs);
	}

	/** False when the deadline passes first. */
	async watchUntil(isDone: (now: PlayerState) => boolean): Promise<boolean> {
		const endMs = systemClock.monotonicMs() + WATCH_DEADLINE_MS;
		for (let poll = 0; systemClock.monotonicMs() < endMs; poll++) {
			const now = await this.player();
			// The player's latency is a median over a second, so one sample a second is enough.
			if (poll % (1000 / POLL_MS) === 0 && now.latencyMs !== undefined && now.state === 'playing') {
				this.claims.push({ atMs: systemClock.nowMs(), tier: now.tier, latencyMs: now.latencyMs });
			}
			await this.#collect();
			if (isDone(now)) {
				return true;
			}
			await sleep(systemClock, POLL_MS);
		}
		return false;
	}

	async #collect(): Promise<void> {
		const { frames, unreadable } = await this.page.collect(this.#sourceOffsetMs);
		this.frames.push(...frames);
		this.unreadable.push(...unreadable);
		const mix = await this.page.page.evaluate<MixReadings>(COLLECT_MIX);
		this.hasMix ||= mix.contextCount > 0;
		this.quietSinceMs = mix.quietSinceMs === null ? undefined : this.page.toBenchMs(mix.quietSinceMs);
		this.quiet.push(...mix.quiet.map((stretch) => ({ ...stretch, fromMs: this.page.toBenchMs(stretch.fromMs) })));
		this.heard.push(...mix.tones.map((tone) => this.page.toHeardSound(tone, this.#sourceOffsetMs)));
	}
}
