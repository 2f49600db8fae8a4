/** Unit tests of restart-policy.ts. */
import { describe, expect, it } from 'vitest';
import { retryDelayMs } from '../../core/lifecycle/back-off.ts';
import { DEFAULT_RESTART_POLICY, encoderState } from './restart-policy.ts';

describe('DEFAULT_RESTART_POLICY', () => {
	it('doubles from half a second to ten, and stays there without end', () => {
		expect([1, 2, 3, 4, 5, 6, 7, 5000].map((attempt) => retryDelayMs(DEFAULT_RESTART_POLICY, attempt, 0))).toEqual([
			500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000,
		]);
	});
});

describe('encoderState', () => {
	it.each([
		[0, false, 'running'],
		[1, false, 'restarting'],
		[1, true, 'running'],
		[5, false, 'restarting'],
		[6, false, 'failing'],
		// It worked again, as five times before: only a healthy time counts.
		[6, true, 'failing'],
		[900, true, 'failing'],
	] as const)('after %i failures in a row, output since then: %s, it is %s', (attempt, isWorking, expected) => {
		expect(encoderState(DEFAULT_RESTART_POLICY, attempt, isWorking)).toBe(expected);
	});
});
