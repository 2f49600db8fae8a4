/** Recordings through the server with real media and real players: kills, returns, and who may see what. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runRecorderKills } from '../../loadtest/bench/recorder-kills.ts';
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
			expect(Math.abs(totalSeconds - (endsAtMs - startsAtMs) / 1000)).toBeLessThan(0.1);
			// RTMP has no capture times: on a busy machine the first and the last picture arrive unequally late.
			expect(Math.abs(totalSeconds - returned.wallSeconds)).toBeLessThan(1);
		}
		expect(returned.video.tracks.map(({ discontinuityCount }) => discontinuityCount)).toEqual([2, 2]);
	});
});

describe('a recorder in a process of its own', () => {
	it('loses at most the open segment when it is killed, and one that was cut off', async () => {
		const rounds = await runRecorderKills(
			[
				{ damage: 'none', lifeMs: 2600 },
				{ damage: 'torn-line', lifeMs: 2300 },
				{ damage: 'half-object', lifeMs: 4600 },
			],
			[],
		);
		for (const { damage, segments, missingSeconds, lastSegmentSeconds, failures } of rounds) {
			expect(failures).toEqual([]);
			expect(segments.length).toBeGreaterThan(0);
			// A whole segment is only missing where its object was cut off.
			expect(missingSeconds).toBeLessThan(damage === 'half-object' ? lastSegmentSeconds + 0.1 : 0.1);
		}
		// Each ended what the one before it left; the first found nothing.
		expect(rounds.every(({ endedAfterMs }) => endedAfterMs !== undefined)).toBe(true);
	});
});
