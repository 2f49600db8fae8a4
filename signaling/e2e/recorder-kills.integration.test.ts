/** The recorder, its store and its database in a process of their own, which is killed with a write cut short. */
import { describe, expect, it } from 'vitest';
import { runRecorderKills } from '../../loadtest/bench/recorder-kills.ts';

describe('a recorder in a process of its own', () => {
	it('loses at most the open segment when it is killed, and one that was cut off', async () => {
		const rounds = await runRecorderKills(
			// A second after a segment's end, because one whose write is under way may be lost.
			[
				{ damage: 'none', lifeMs: 3000 },
				{ damage: 'torn-line', lifeMs: 3000 },
				{ damage: 'half-object', lifeMs: 5000 },
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
