/** From encoder to screen: real encoders publish by WHIP and RTMP, Chromium watches by WebRTC and LL-HLS. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runPath, type PathOptions } from '../../loadtest/bench/paths.ts';
import { TEST_SETTINGS } from '../../loadtest/source/encoder-settings.ts';
import { ServerUnderTest } from '../../loadtest/bench/measure/server-under-test.ts';

// Small, so that two cores run encoder, server and browser at once. The bench measures; this test asserts order only.
const SETTINGS = { ...TEST_SETTINGS, widthPixels: 640, heightPixels: 360, videoBitrateBps: 800_000 };
const COMMON = {
	settings: SETTINGS,
	viewer: { page: 'bench' },
	settleMs: 1000,
	durationMs: 3000,
	soundTapOffsetMs: 0,
} as const;

describe('a stream from encoder to screen', () => {
	let server: ServerUnderTest;

	beforeAll(async () => {
		server = await ServerUnderTest.start();
	});

	afterAll(async () => {
		await server.stop();
	});

	const paths: Pick<PathOptions, 'publisher' | 'tier'>[] = [
		{ publisher: 'whip-chromium', tier: 'webrtc' },
		{ publisher: 'whip-chromium', tier: 'll-hls' },
		{ publisher: 'rtmp', tier: 'webrtc' },
		{ publisher: 'rtmp', tier: 'll-hls' },
		{ publisher: 'rtmp-obs-defaults', tier: 'webrtc' },
		{ publisher: 'rtmp-obs-defaults', tier: 'll-hls' },
		{ publisher: 'whip-obs', tier: 'webrtc' },
		{ publisher: 'whip-chromium-vp8', tier: 'll-hls' },
	];

	it.each(paths)('plays $publisher over $tier in order, with sound', async ({ publisher, tier }) => {
		const { summary } = await runPath(server, { ...COMMON, publisher, tier });
		// A few pictures show the order; their number depends on the machine.
		expect(summary.shownCount).toBeGreaterThan(5);
		expect(summary.outOfOrderCount).toBe(0);
		expect(summary.glassToGlassMs?.p50).toBeGreaterThan(0);
		expect(summary.audioVideoSkewMs?.count).toBeGreaterThan(0);
	});
});
