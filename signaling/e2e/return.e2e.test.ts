/** A publisher vanishes and returns over the other protocol; viewers of both tiers never rejoin. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runReconnect } from '../../loadtest/bench/reconnect.ts';
import { TEST_SETTINGS } from '../../loadtest/source/encoder-settings.ts';
import { ServerUnderTest } from '../../loadtest/bench/measure/server-under-test.ts';

describe('a publisher that returns', () => {
	let server: ServerUnderTest;

	beforeAll(async () => {
		server = await ServerUnderTest.start();
	});

	afterAll(async () => {
		await server.stop();
	});

	it.each([
		{ first: 'rtmp', second: 'whip-obs' },
		{ first: 'whip-obs', second: 'rtmp' },
	] as const)('continues in both tiers when $second follows $first', async ({ first, second }) => {
		const run = await runReconnect(server, {
			first,
			second,
			settings: TEST_SETTINGS,
			viewer: { page: 'bench' },
			awayMs: 4000,
		});
		for (const view of run.views) {
			expect(view, JSON.stringify(run)).toHaveProperty('liveAgainMs');
		}
		// The address is the same, and the media sequence continues.
		expect(run.playlistAfter?.uri).toBe(run.playlistBefore?.uri);
		expect(run.playlistAfter?.mediaSequence).toBeGreaterThanOrEqual(run.playlistBefore!.mediaSequence);
	});
});
