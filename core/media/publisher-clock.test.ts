/** Tests of mapping a publisher's timestamps to capture time. */
import type { TrackKind } from './access-unit.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../testing/fake-clock.ts';
import { PublisherClock } from './publisher-clock.ts';

/** The mapping moves by at most this much per millisecond, in its first five seconds and later. */
const EARLY_RATIO = 0.05;
const SETTLED_RATIO = 0.005;

const START_MS = Date.UTC(2026, 0, 1);

const createClock = (hasCommonTimeline = false): PublisherClock =>
	new PublisherClock({ clock: new FakeClock(START_MS), hasCommonTimeline });

/** Observes a track every 20 ms over a stretch of time; returns (capture − media time) after each. */
function observe(
	clock: PublisherClock,
	kind: TrackKind,
	stretch: { fromMs: number; toMs: number; delayMs: (mediaMs: number) => number },
): number[] {
	const offsetsMs: number[] = [];
	for (let mediaMs = stretch.fromMs; mediaMs < stretch.toMs; mediaMs += 20) {
		offsetsMs.push(clock.observe(kind, mediaMs, mediaMs + stretch.delayMs(mediaMs)) - mediaMs - START_MS);
	}
	return offsetsMs;
}

describe('PublisherClock', () => {
	it('uses the first arrival as capture time', () => {
		expect(createClock().observe('video', 5000, 120)).toBe(START_MS + 120);
	});

	it('keeps the distances of the media times when arrivals jitter above the envelope', () => {
		const offsetsMs = observe(createClock(), 'video', {
			fromMs: 0,
			toMs: 20_000,
			delayMs: (mediaMs) => 30 + ((mediaMs * 7) % 50),
		});
		expect(Math.max(...offsetsMs) - Math.min(...offsetsMs)).toBeLessThan(0.001);
		expect(offsetsMs[0]).toBeCloseTo(30, 3);
	});

	it('corrects a capture time after the arrival at once, as after an encoder has flushed its queue', () => {
		const offsetsMs = observe(createClock(), 'video', {
			fromMs: 0,
			toMs: 400,
			delayMs: (mediaMs) => Math.max(40, 240 - mediaMs),
		});
		expect(offsetsMs.slice(-5).every((offsetMs) => Math.abs(offsetMs - 40) < 0.001)).toBe(true);
	});

	it('never puts capture after arrival, and rises no faster than the limit', () => {
		const delays = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 2, maxLength: 900 });
		fc.assert(
			fc.property(delays, (delaysMs) => {
				const clock = createClock();
				let lastOffsetMs: number | undefined;
				let lastArrivalMs = 0;
				delaysMs.forEach((delayMs, index) => {
					const mediaMs = 1000 + index * 20;
					// Packets of one track arrive one after another.
					const arrivedAtMs = Math.max(lastArrivalMs, mediaMs + delayMs);
					const offsetMs = clock.observe('video', mediaMs, arrivedAtMs) - mediaMs - START_MS;
					expect(mediaMs + offsetMs).toBeLessThanOrEqual(arrivedAtMs + 0.001);
					if (lastOffsetMs !== undefined) {
						const ratio = arrivedAtMs < 5000 ? EARLY_RATIO : SETTLED_RATIO;
						expect(offsetMs - lastOffsetMs).toBeLessThanOrEqual((arrivedAtMs - lastArrivalMs) * ratio + 0.001);
					}
					lastOffsetMs = offsetMs;
					lastArrivalMs = arrivedAtMs;
				});
			}),
			{ numRuns: 40 },
		);
	});

	it('follows a publisher whose clock is slow by 200 ppm, within 15 ms', () => {
		const clock = createClock();
		const drift = 200e-6;
		const offsetsMs = observe(clock, 'video', { fromMs: 0, toMs: 120_000, delayMs: (mediaMs) => 30 + mediaMs * drift });
		expect(Math.abs(offsetsMs.at(-1)! - (30 + 120_000 * drift))).toBeLessThan(15);
	});

	it('slews towards a lasting delay by 5 ms a second', () => {
		const clock = createClock();
		observe(clock, 'video', { fromMs: 0, toMs: 10_000, delayMs: () => 20 });
		const offsetsMs = observe(clock, 'video', { fromMs: 10_000, toMs: 60_000, delayMs: () => 80 });
		const steps = offsetsMs.slice(1).map((offsetMs, index) => offsetMs - offsetsMs[index]!);
		expect(Math.max(...steps)).toBeLessThanOrEqual(20 * SETTLED_RATIO + 0.001);
		expect(Math.min(...steps)).toBeGreaterThan(-0.001);
		expect(offsetsMs.at(-1)).toBeCloseTo(80, 3);
	});

	it('does not move when the machine’s wall clock is set', async () => {
		const machineClock = new FakeClock(START_MS);
		const clock = new PublisherClock({ clock: machineClock, hasCommonTimeline: false });
		clock.observe('video', 0);
		machineClock.setWallClock(-3_600_000);
		await machineClock.advance(1000);
		expect(clock.observe('video', 1000)).toBe(START_MS + 1000);
	});

	it('returns the capture time of any media time of a track, and its offset, without recording an arrival', () => {
		const clock = createClock();
		expect(clock.offsetMs('video')).toBeUndefined();
		clock.observe('video', 1000, 50);
		expect(clock.captureTimeMs('video', 900)).toBe(START_MS - 50);
		expect(clock.offsetMs('video')).toBe(-950);
	});
});

describe('PublisherClock with a common timeline', () => {
	it('maps both tracks equally when one always arrives later', () => {
		const clock = createClock(true);
		for (let mediaMs = 0; mediaMs < 10_000; mediaMs += 20) {
			clock.observe('video', mediaMs, mediaMs + 30);
			clock.observe('audio', mediaMs, mediaMs + 90);
			expect(clock.offsetMs('audio')).toBe(clock.offsetMs('video'));
		}
		expect(clock.offsetMs('audio')).toBeCloseTo(30, 3);
	});

	it('starts a second track with the offset of the first', () => {
		const clock = createClock(true);
		clock.observe('audio', 0, 30);
		expect(clock.observe('video', 0, 90)).toBe(START_MS + 30);
	});
});

describe('PublisherClock with sender reports', () => {
	/** Sound and picture of one instant; the sound's RTP clock began 7 s earlier, and it arrives 200 ms late. */
	function run(clock: PublisherClock, seconds: number, reports: boolean): void {
		for (let atMs = 0; atMs < seconds * 1000; atMs += 20) {
			clock.observe('video', atMs, atMs + 30);
			clock.observe('audio', atMs + 7000, atMs + 230);
			if (reports && atMs % 1000 === 0) {
				clock.senderReport('video', 1_000_000 + atMs, atMs);
				clock.senderReport('audio', 1_000_000 + atMs, atMs + 7000);
			}
		}
	}

	const skewMs = (clock: PublisherClock, atMs: number): number =>
		clock.captureTimeMs('audio', atMs + 7000) - clock.captureTimeMs('video', atMs);

	it('maps each track by its own arrivals without reports', () => {
		const clock = createClock();
		run(clock, 30, false);
		expect(skewMs(clock, 30_000)).toBeCloseTo(200, 3);
	});

	it('ignores the first two reports', () => {
		const clock = createClock();
		run(clock, 2, true);
		expect(skewMs(clock, 2000)).toBeCloseTo(200, 3);
	});

	it('slews sound and picture together by the reports', () => {
		const clock = createClock();
		run(clock, 40, true);
		expect(skewMs(clock, 40_000)).toBeCloseTo(0, 3);
		expect(clock.offsetMs('video')).toBeCloseTo(30, 3);
	});

	/** Sound stops for `lossMs` after 30 s; its samples continue without a gap. `reportedMs`: the loss in its reports. */
	const runWithLoss = (lossMs: number, reportedMs: number, untilMs: number, reportMs = 2500): PublisherClock => {
		const clock = createClock();
		for (let atMs = 0; atMs < untilMs; atMs += 20) {
			clock.observe('video', atMs, atMs + 30);
			const isAfter = atMs >= 30_000;
			if (!isAfter || atMs >= 30_000 + lossMs) {
				clock.observe('audio', atMs - (isAfter ? lossMs : 0), atMs + 40);
			}
			if (atMs % reportMs === 0 && atMs > 0) {
				clock.senderReport('video', atMs, atMs);
				clock.senderReport('audio', atMs, atMs - (isAfter && atMs > 30_000 ? reportedMs : 0));
			}
		}
		return clock;
	};
	const audioAheadMs = (clock: PublisherClock, lossMs: number, atMs: number): number =>
		clock.captureTimeMs('audio', atMs - lossMs) - clock.captureTimeMs('video', atMs);

	it('follows sound that stopped as soon as a report has it, and does not move the picture', () => {
		const clock = runWithLoss(260, 260, 32_600);
		expect(Math.abs(audioAheadMs(clock, 260, 32_600))).toBeLessThan(5);
		expect(clock.offsetMs('video')).toBeCloseTo(30, 1);
	});

	it('follows within two seconds when the report is sooner than the arrivals that confirm it', () => {
		const clock = runWithLoss(260, 260, 32_700, 500);
		expect(Math.abs(audioAheadMs(clock, 260, 32_700))).toBeLessThan(5);
		expect(clock.offsetMs('video')).toBeCloseTo(30, 1);
	});

	it('does not jump for a report that no arrival confirms', () => {
		const clock = runWithLoss(0, 500, 33_000);
		// Slewed by 5 ms a second at most.
		expect(Math.abs(audioAheadMs(clock, 0, 33_000))).toBeLessThan(5);
		expect(clock.offsetMs('video')).toBeCloseTo(30, 1);
	});

	it('ignores the reports of one track alone', () => {
		const clock = createClock();
		for (let atMs = 0; atMs < 20_000; atMs += 20) {
			clock.observe('video', atMs, atMs + 30);
			clock.observe('audio', atMs, atMs + 230);
			if (atMs % 1000 === 0) {
				clock.senderReport('audio', atMs, atMs);
			}
		}
		expect(clock.captureTimeMs('audio', 0) - clock.captureTimeMs('video', 0)).toBeCloseTo(200, 3);
	});

	it('ignores a report of a track without arrivals', () => {
		const clock = createClock();
		clock.senderReport('video', 1, 1);
		expect(clock.offsetMs('video')).toBeUndefined();
	});
});
