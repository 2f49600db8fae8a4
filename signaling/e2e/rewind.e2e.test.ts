/** Pause, Live and a jump back in the product's player, with a real server and publisher; positions by the pixels. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServerUnderTest } from '../../loadtest/bench/measure/server-under-test.ts';
import { runRewind, type RewindRun } from '../../loadtest/bench/rewind.ts';
import { TEST_SETTINGS } from '../../loadtest/source/encoder-settings.ts';

const SETTINGS = { ...TEST_SETTINGS, widthPixels: 640, heightPixels: 360, videoBitrateBps: 800_000, gopSeconds: 2 };
const MAX_JUMP_MS = 300;
const LIVE_MS = 500;
/** Further back than what LL-HLS lists near live. */
const OLDER_SECONDS = 7200;
const HOOK_TIMEOUT_MS = 240_000;

describe('rewinding', () => {
	let server: ServerUnderTest;
	let run: RewindRun;

	beforeAll(async () => {
		server = await ServerUnderTest.start();
		run = await runRewind(server, {
			publisher: 'rtmp',
			settings: SETTINGS,
			count: 1,
			pauseMs: 3000,
			backSeconds: OLDER_SECONDS,
			olderSeconds: OLDER_SECONDS,
			settleMs: 1500,
		});
	}, HOOK_TIMEOUT_MS);

	afterAll(async () => {
		await server.stop();
	});

	it('continues after a pause in real time at the picture that was on the screen, without a seat', () => {
		const { pauseJumpMs, tiers } = run.rounds[0]!;
		expect(Math.abs(pauseJumpMs), JSON.stringify(run)).toBeLessThanOrEqual(MAX_JUMP_MS);
		expect(tiers[0]).toBe('ll-hls');
	});

	it('is back in real time after Live', () => {
		const { liveLatencyMs, liveAfterMs, tiers } = run.rounds[0]!;
		expect(tiers[1], JSON.stringify(run)).toBe('webrtc');
		expect(liveAfterMs).toBeDefined();
		expect(liveLatencyMs).toBeLessThan(LIVE_MS);
	});

	it('plays from two hours back', () => {
		const { jumpAfterMs, tiers } = run.rounds[0]!;
		expect(run.rangeSeconds).toBeGreaterThan(OLDER_SECONDS);
		expect(jumpAfterMs, JSON.stringify(run)).toBeDefined();
		expect(tiers[2]).toBe('ll-hls');
	});
});
