/** Times as text, and back. */
import { describe, expect, it } from 'vitest';
import { formatClock, formatTimeParameter, parseTime, speakLength, speakTime } from './time-text.ts';

describe('parseTime', () => {
	it.each([
		['0', 0],
		['95', 95],
		['95s', 95],
		['12.5', 12.5],
		['1m35s', 95],
		['1H2M3S', 3723],
		['2h', 7200],
		['90m', 5400],
		['1h5s', 3605],
		['1:35', 95],
		['1:02:03', 3723],
	])('reads %s as %d s', (text, seconds) => expect(parseTime(text)).toBe(seconds));

	it.each(['', 'abc', '-5', '5m-2', 's', 'hms', '3s2m', '1:2:3:4', '1e9', '99999999', '2000000', ' 5', '5 ', 'NaN'])(
		'does not read "%s"',
		(text) => expect(parseTime(text)).toBeUndefined(),
	);

	it('reads what formatTimeParameter and formatClock write', () => {
		for (let seconds = 0; seconds < 100_000; seconds += 37) {
			expect(parseTime(formatTimeParameter(seconds))).toBe(seconds);
			expect(parseTime(formatClock(seconds))).toBe(seconds);
		}
	});
});

describe('times on the page', () => {
	it.each([
		[0, '0:00', '0 seconds'],
		[7.9, '0:07', '7 seconds'],
		[60, '1:00', '1 minute'],
		[725, '12:05', '12 minutes 5 seconds'],
		[3723, '1:02:03', '1 hour 2 minutes 3 seconds'],
		[36_001, '10:00:01', '10 hours 1 second'],
		[-3, '0:00', '0 seconds'],
	])('%d s is %s and %s', (seconds, clock, spoken) => {
		expect(formatClock(seconds)).toBe(clock);
		expect(speakTime(seconds)).toBe(spoken);
	});

	it.each([
		[0.4, '0 seconds'],
		[45, '45 seconds'],
		[119.5, '1 minute 59 seconds'],
		[200, '3 minutes'],
		[7381, '2 hours 3 minutes'],
		[3599, '1 hour'],
	])('%d s lasted %s', (seconds, spoken) => expect(speakLength(seconds)).toBe(spoken));
});
