/** Dates of a run: one line for all tracks, which moves seldom and only by the leading track. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RunDates } from './run-dates.ts';

const EPOCH_MS = Date.UTC(2026, 0, 1);

function createDates(): RunDates {
	return new RunDates({ leaderId: 'video0' }, { startSeconds: 10, captureTimeMs: EPOCH_MS + 10_000 });
}

describe('RunDates', () => {
	it('advances with the timeline while capture times jitter, for every track', () => {
		const dates = createDates();
		expect(dates.dateMs('video0', 12, EPOCH_MS + 12_049)).toBe(EPOCH_MS + 12_000);
		expect(dates.dateMs('audio0', 12.5, EPOCH_MS + 9000)).toBe(EPOCH_MS + 12_499);
	});

	it('moves when the leading track has been off for three segments', () => {
		const dates = createDates();
		const dated = [12, 14, 16, 18].map((at) => dates.dateMs('video0', at, EPOCH_MS + at * 1000 + 60) - EPOCH_MS);
		expect(dated).toEqual([12_000, 14_000, 16_060, 18_060]);
		expect(dates.dateMs('audio0', 18, 0)).toBe(EPOCH_MS + 18_059);
	});

	it('never dates another track later than the leading one, by whole milliseconds', () => {
		fc.assert(
			fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(1_000_000), (fraction, ticks) => {
				const dates = new RunDates({ leaderId: 'video0' }, { startSeconds: 0, captureTimeMs: EPOCH_MS + fraction });
				const pictureSeconds = ticks / 90_000;
				const soundSeconds = ticks / 44_100;
				const pictureMs = dates.dateMs('video0', pictureSeconds, EPOCH_MS + fraction + pictureSeconds * 1000);
				const soundMs = dates.dateMs('audio0', soundSeconds, 0);
				expect([pictureMs, soundMs].every(Number.isInteger)).toBe(true);
				const lateByMs = soundMs - pictureMs - (soundSeconds - pictureSeconds) * 1000;
				expect(lateByMs).toBeLessThanOrEqual(-1 + 1e-3);
				expect(lateByMs).toBeGreaterThan(-3 - 1e-3);
			}),
		);
	});

	it('dates those who follow the picture as the picture, also after the line has moved', () => {
		const dates = new RunDates(
			{ leaderId: 'video0', pictureId: 'video0', followerIds: new Set(['video1']) },
			{ startSeconds: 10, captureTimeMs: EPOCH_MS + 10_000 },
		);
		const starts = [12, 14, 16, 18];
		const dated = starts.map((at) => dates.dateMs('video0', at, EPOCH_MS + at * 1000 + 60.5));
		expect(starts.map((at) => dates.dateMs('video1', at, 0))).toEqual(dated);
		expect(dated[3]! - dated[1]!).toBe(4061);
	});

	it('stays where it is for one segment that is off', () => {
		const dates = createDates();
		const offMs = [60, 60, 0, 60, 60, 0];
		const dated = offMs.map((ms, index) => dates.dateMs('video0', 12 + index, EPOCH_MS + (12 + index) * 1000 + ms));
		expect(dated).toEqual(offMs.map((_, index) => EPOCH_MS + (12 + index) * 1000));
	});
});
