/** Tests of the rate-limited report. */
import { describe, expect, it } from 'vitest';
import { RateLimitedReport } from './rate-limited-report.ts';
import { FakeClock } from '../testing/fake-clock.ts';
import { RecordingLogger } from '../testing/recording-logger.ts';

describe('RateLimitedReport', () => {
	it('reports the first at once, then once a second the count since, with the last example', async () => {
		const [clock, logger] = [new FakeClock(), new RecordingLogger()];
		const report = new RateLimitedReport(clock, logger, 'noise');
		for (let index = 0; index < 25; index++) {
			report.count({ index });
			await clock.advance(100);
		}
		expect(report.total).toBe(25);
		expect(logger.lines.map(({ level, fields, message }) => [level, message, fields])).toEqual([
			['warn', 'noise', { index: 0, count: 1, total: 1 }],
			['warn', 'noise', { index: 10, count: 10, total: 11 }],
			['warn', 'noise', { index: 20, count: 10, total: 21 }],
		]);
	});

	it('applies another interval', async () => {
		const [clock, logger] = [new FakeClock(), new RecordingLogger()];
		const report = new RateLimitedReport(clock, logger, 'noise', 50);
		report.count({});
		await clock.advance(50);
		report.count({});
		expect(logger.lines).toHaveLength(2);
	});
});
