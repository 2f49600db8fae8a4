/** A viewer's hand-overs between the tiers in the product's player: each succeeds and continues the content. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { median } from '../../core/percentiles.ts';
import { runHandOvers, type HandOverRun } from '../../loadtest/bench/hand-overs.ts';
import { TEST_SETTINGS } from '../../loadtest/source/encoder-settings.ts';
import { ServerUnderTest } from '../../loadtest/bench/measure/server-under-test.ts';

const SETTINGS = { ...TEST_SETTINGS, widthPixels: 640, heightPixels: 360, videoBitrateBps: 800_000, gopSeconds: 2 };
const EACH_WAY = 3;
/** By the capture times in the pictures. Tiers that are not aligned are 600 ms apart. */
const MAX_CONTENT_JUMP_MS = 300;
/** Above the sum of the run's own deadlines, whose errors say more. */
const HOOK_TIMEOUT_MS = 1_200_000;
const TIERS = ['webrtc', 'll-hls'] as const;

describe('a hand-over', () => {
	let server: ServerUnderTest;
	let run: Omit<HandOverRun, 'filmStrips'>;

	beforeAll(async () => {
		server = await ServerUnderTest.start();
		run = await runHandOvers(server, {
			publisher: 'rtmp',
			settings: SETTINGS,
			count: EACH_WAY,
			viewerCount: 1,
			settleMs: 2000,
			withFilmStrips: false,
		});
	}, HOOK_TIMEOUT_MS);

	afterAll(async () => {
		await server.stop();
	});

	it('succeeds each time, both ways', () => {
		expect(run.failedCount).toBe(0);
		for (const tier of TIERS) {
			expect(run.entries.filter(({ to }) => to === tier)).toHaveLength(EACH_WAY);
		}
	});

	it('continues the content where the other tier was', () => {
		for (const tier of TIERS) {
			const entries = run.entries.filter(({ to }) => to === tier);
			// On a busy machine, the time limit of a hand-over may end one of them with a jump.
			const usualMs = median(entries.map(({ contentJumpMs }) => Math.abs(contentJumpMs)));
			expect(usualMs, JSON.stringify(entries)).toBeLessThanOrEqual(MAX_CONTENT_JUMP_MS);
		}
	});

	it('mixes the sound of both tiers audibly', () => {
		expect(run.hasMix).toBe(true);
		expect(run.entries.some(({ soundJumpMs }) => soundJumpMs !== undefined)).toBe(true);
	});
});
