/** What a page shows of rewinding, and where jumps lead. */
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { PlayedMoments } from './measure/alignment.ts';
import { Rewinder } from './rewinder.ts';

const EPOCH_MS = 1_700_000_000_000;
/** Of a range of an hour. */
const HOUR_MS = 3_600_000;

function setUp({ lengthMs = HOUR_MS, gaps = [] as Array<{ startMs: number; endMs: number }> } = {}) {
	const clock = new FakeClock();
	const log: string[] = [];
	const moments = new PlayedMoments();
	const nowMs = (): number => EPOCH_MS + clock.monotonicMs();
	const timeShift = { listed: undefined, buffered: [{ startMs: EPOCH_MS - 60_000, endMs: EPOCH_MS - 30_000 }] };
	const handOver = {
		isBehindLive: false,
		settings: { isPaused: false },
		shown: { playback: { timeShift: undefined as object | undefined, shownMoments: moments } },
		seek: (toMs: number) => log.push(`seek ${(toMs - nowMs()) / 1000}`),
		setSpeed: (speed: number) => log.push(`speed ${speed}`),
	};
	const rewinder = new Rewinder({
		clock,
		serverClock: { toServerMs: (monotonicMs) => EPOCH_MS + monotonicMs },
		handOver: handOver as unknown as ConstructorParameters<typeof Rewinder>[0]['handOver'],
		range: () => ({ startMs: nowMs() - lengthMs, endMs: nowMs() - 3000, gaps, isSliding: true }),
		goLive: () => log.push('live'),
	});
	function show(backMs: number, isBehindLive = true): void {
		handOver.isBehindLive = isBehindLive;
		handOver.shown.playback.timeShift = isBehindLive ? timeShift : undefined;
		moments.add({ captureTimeMs: nowMs() - backMs, playedAtMs: clock.monotonicMs() });
	}
	const backSeconds = (): number => (rewinder.view!.endMs - rewinder.view!.positionMs) / 1000;
	return { clock, log, handOver, rewinder, show, backSeconds, nowMs };
}

describe('a rewinder', () => {
	it('has no view of a broadcast that has just begun', () => {
		expect(setUp({ lengthMs: 4000 }).rewinder.view).toBeUndefined();
	});

	it('shows live at the end of the range, which is now, and a pause where it is', async () => {
		const { clock, rewinder, handOver, show, backSeconds, nowMs } = setUp();
		show(200, false);
		expect(rewinder.view).toMatchObject({ isLive: true, endMs: nowMs(), positionMs: nowMs(), buffered: [] });
		handOver.settings.isPaused = true;
		await clock.advance(7000);
		expect([rewinder.view!.isLive, backSeconds()]).toEqual([false, 7.2]);
	});

	it('shows where a jump leads until it has arrived, and adds the next one to it', () => {
		const { rewinder, log, show, backSeconds } = setUp();
		show(200, false);
		rewinder.seekBy(-10);
		rewinder.seekBy(-10);
		expect([backSeconds(), rewinder.view!.isLive]).toEqual([20, false]);
		show(20_000);
		expect(rewinder.view!.buffered).toHaveLength(1);
		expect([backSeconds(), log]).toEqual([20, ['seek -10', 'seek -20']]);
	});

	it('forgets a jump that failed, or that does not arrive', async () => {
		const { clock, rewinder, show } = setUp();
		show(200, false);
		rewinder.seekBy(-60);
		rewinder.forget();
		expect(rewinder.view!.isLive).toBe(true);
		rewinder.seekBy(-60);
		await clock.advance(16_000);
		expect(rewinder.view!.isLive).toBe(true);
	});

	it.each([
		['into the last seconds', -8, 7, 'live'],
		['before the start, which is leaving', -30, -7200, 'seek -3596'],
		['back over a gap', -30, -20, 'seek -110'],
	])('leads %s', (_where, fromSeconds, bySeconds, expected) => {
		const gaps = [{ startMs: EPOCH_MS - 100_000, endMs: EPOCH_MS - 40_000 }];
		const { rewinder, log, show } = setUp({ gaps });
		show(-fromSeconds * 1000);
		rewinder.seekBy(bySeconds);
		expect(log).toEqual([expected]);
	});

	it('does not jump ahead of live', () => {
		const { rewinder, log, show } = setUp();
		show(200, false);
		rewinder.seekBy(10);
		expect(log).toEqual([]);
	});

	it('keeps the speed behind live, and plays at the normal one after it', () => {
		const { rewinder, log, show } = setUp();
		show(60_000);
		rewinder.setSpeed(1.5);
		expect([rewinder.view!.speed, rewinder.speed]).toEqual([1.5, 1.5]);
		show(200, false);
		expect([rewinder.view!.speed, rewinder.speed]).toEqual([1, 1]);
		expect(log).toEqual(['speed 1.5']);
	});
});
