/** Recordings through the server with real media and real players: kills, returns, and who may see what. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runKill, runReturn } from '../../loadtest/bench/recordings.ts';
import { ServerUnderTest } from '../../loadtest/bench/measure/server-under-test.ts';
import { TEST_SETTINGS } from '../../loadtest/source/encoder-settings.ts';

/** A publisher that is gone for longer than this ends the broadcast. */
const GRACE_WINDOW = { SPILLWAY_INGEST_GRACE_WINDOW_SECONDS: '6' };

describe('recordings', () => {
	let server: ServerUnderTest;

	beforeAll(async () => {
		server = await ServerUnderTest.start(GRACE_WINDOW);
	});

	afterAll(async () => {
		await server.stop();
	});

	it.each([
		['none', ['hls.js']],
		['torn-line', []],
		['half-object', ['shaka']],
	] as const)('end by themselves after a kill of the server, with a write cut short: %s', async (damage, players) => {
		const [round, next] = await runKill(server, {
			publisher: 'rtmp',
			settings: TEST_SETTINGS,
			damage,
			lifeMs: damage === 'half-object' ? 4200 : 2200,
			players,
		});
		server = next;
		expect(round.failures).toEqual([]);
		expect(round.missingSeconds).toBeLessThan(damage === 'half-object' ? round.lastSegmentSeconds + 0.1 : 0.1);
		expect(round.video.tracks.every(({ isComplete }) => isComplete)).toBe(true);
	});

	it('are one for a publisher who is lost and returns by WHIP, and by RTMP with another size', async () => {
		const returned = await runReturn(server, { settings: TEST_SETTINGS, awayMs: 3500, onAirMs: 2500 });
		expect(returned.failures).toEqual([]);
		expect(returned.videoCount).toBe(1);
		for (const { totalSeconds, startsAtMs, endsAtMs } of returned.video.tracks) {
			// RTMP has no capture times: on a busy machine the first and the last picture arrive unequally late. Without a
			// gap 3.5 s are missing. The bench has the exact figure.
			expect(Math.abs(totalSeconds - (endsAtMs - startsAtMs) / 1000)).toBeLessThan(1);
			expect(Math.abs(totalSeconds - returned.wallSeconds)).toBeLessThan(1);
		}
		expect(returned.video.tracks.map(({ discontinuityCount }) => discontinuityCount)).toEqual([2, 2]);
	});
});
