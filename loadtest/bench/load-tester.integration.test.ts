/** The report shows the delay that proxies add, and a starved run is void. Exact figures come from the bench. */
import { beforeAll, describe, expect, it } from 'vitest';
import { runSelfTest, SELF_TEST_DELAY_MS, type SelfTest } from './load-tester.ts';

describe("the load tester's report", () => {
	let result: SelfTest;

	beforeAll(async () => {
		result = await runSelfTest();
	}, 120_000);

	it('moves by about the delay that the proxies add, in each tier', () => {
		expect(result.heldCount).toBeGreaterThan(100);
		for (const ms of Object.values(result.movedMs)) {
			expect(Math.abs(ms - SELF_TEST_DELAY_MS)).toBeLessThan(SELF_TEST_DELAY_MS / 2);
		}
		for (const report of [result.direct, result.delayed]) {
			expect(report.numbers, report.notes.join('\n')).toMatchObject({
				'webrtc.failed': 0,
				'hls.failed': 0,
				'webrtc.disconnected': 0,
			});
			expect(report.numbers['webrtc.frames']).toBeGreaterThan(100);
		}
	});

	it('is invalid when the tester is starved', () => {
		expect(result.starved.verdict).toBe('invalid');
		expect(result.starved.invalidReasons.join()).toMatch(/webrtc-1: event-loop lag/);
	});
});
