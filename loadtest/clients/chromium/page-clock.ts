/** How far a page's clock is from the bench's: both read the same machine clock, but at different process starts. */
import { systemClock } from '../../../core/lifecycle/clock.ts';

/** What we need of a Playwright page. */
interface EvaluatingPage {
	evaluate<Result>(expression: string): Promise<Result>;
}

/** One question to the page and its answer, epoch milliseconds each. */
type ClockExchange = { askedAtMs: number; pageMs: number; answeredAtMs: number };

/**
 * Milliseconds to add to the page's time to get the bench's. The exchange with the shortest round trip decides; its
 * error is at most half that round trip.
 * @internal for tests
 */
export function clockOffsetMs(exchanges: readonly ClockExchange[]): { offsetMs: number; errorMs: number } {
	let best: ClockExchange | undefined;
	for (const exchange of exchanges) {
		if (best === undefined || exchange.answeredAtMs - exchange.askedAtMs < best.answeredAtMs - best.askedAtMs) {
			best = exchange;
		}
	}
	if (best === undefined) {
		throw new TypeError('At least one exchange is needed.');
	}
	return {
		offsetMs: (best.askedAtMs + best.answeredAtMs) / 2 - best.pageMs,
		errorMs: (best.answeredAtMs - best.askedAtMs) / 2,
	};
}

/** Asks a page for its time a number of times and works out the offset. */
export async function measurePageClock(
	page: EvaluatingPage,
	exchangeCount = 25,
): Promise<{ offsetMs: number; errorMs: number }> {
	const exchanges: ClockExchange[] = [];
	for (let index = 0; index < exchangeCount; index++) {
		const askedAtMs = systemClock.nowMs();
		const pageMs = await page.evaluate<number>('performance.timeOrigin + performance.now()');
		exchanges.push({ askedAtMs, pageMs, answeredAtMs: systemClock.nowMs() });
	}
	return clockOffsetMs(exchanges);
}
