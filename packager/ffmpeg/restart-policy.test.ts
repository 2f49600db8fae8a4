/** Unit tests of restart-policy.ts. */
import { describe, expect, it } from 'vitest';
import { DEFAULT_RESTART_POLICY, restartDelayMs } from './restart-policy.ts';

describe('restartDelayMs', () => {
	it('doubles from half a second to ten, then gives up', () => {
		expect([1, 2, 3, 4, 5, 6, 7].map((attempt) => restartDelayMs(DEFAULT_RESTART_POLICY, attempt))).toEqual([
			500,
			1000,
			2000,
			4000,
			8000,
			10_000,
			undefined,
		]);
	});
});
