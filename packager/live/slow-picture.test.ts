/** Tests of pictures longer than a part may be: a screen that hardly changes, a camera of one picture a second. */
import { describe, expect, it } from 'vitest';
import type { AccessUnit } from '../../core/media/access-unit.ts';
import { simulateRun, seededRandom } from '../testing/simulated-source.ts';
import { CAPTURE_START_MS, WatchedBroadcast } from '../testing/watched-broadcast.ts';

const slowRun = (frameRate: number, gopFrames: number, durationSeconds: number, startSeconds = 1000): AccessUnit[] =>
	simulateRun({
		startSeconds,
		durationSeconds,
		captureTimeMs: CAPTURE_START_MS + (startSeconds - 1000) * 1000,
		video: { frameRate, gopFrames, jitterMs: 3, isMilliseconds: true },
		audio: { sampleRate: 48_000, isMilliseconds: true },
		random: seededRandom(5),
	});

describe('a slow picture', () => {
	it.each([
		[4, 8],
		[3, 6],
		[2, 4],
		[1, 2],
		[0.5, 1],
		[0.1, 1],
	])(
		'of %f a second is shown without a hole, in parts that keep the rules, in one run',
		async (frameRate, gopFrames) => {
			const watched = new WatchedBroadcast({ windowSeconds: 120 });
			const units = slowRun(frameRate, gopFrames, Math.max(20, 6 / frameRate));
			watched.feed(units);
			watched.check();
			expect(watched.faults).toEqual([]);
			const { packets: pictures, faults } = await watched.media('video0');
			expect(faults).toEqual([]);
			const sent = units.filter(({ trackId }) => trackId === 'video0');
			// The oldest may have left the window, and the newest may be open.
			const offset = sent.findIndex(
				({ decodeTimeTicks }) => Math.abs(decodeTimeTicks - pictures[0]!.timestampTicks) < 0.3 * 90_000,
			);
			expect(sent.length - offset - pictures.length).toBeLessThanOrEqual(1);
			// From the third on the cadence is known: each lasts until the next begins, within what a part may differ.
			for (const [index, { timestampTicks, durationTicks }] of pictures.slice(2, -1).entries()) {
				const next = pictures[index + 3]!;
				expect(Math.abs(timestampTicks + durationTicks - next.timestampTicks)).toBeLessThan(0.3 * 90_000);
			}
			const off = pictures.map(({ timestampTicks }, index) =>
				Math.abs(timestampTicks - sent[index + offset]!.decodeTimeTicks),
			);
			expect(Math.max(...off.slice(2))).toBeLessThan(0.2 * 90_000);
			expect(watched.broadcast.counters.droppedUnits).toBe(0);
			const { segments } = watched.broadcast.rendition('video0')!;
			expect(segments.every(({ hasDiscontinuity }) => !hasDiscontinuity)).toBe(true);
			// The duration of the first picture is unknown before the second one.
			expect(
				segments
					.flatMap(({ parts }) => parts)
					.filter(({ isGap, startTicks }) => isGap && startTicks > (1000 + 1.2 / frameRate) * 90_000),
			).toEqual([]);
		},
	);

	it('becomes a quick one, and slow again', async () => {
		const watched = new WatchedBroadcast({ windowSeconds: 120 });
		watched.feed([...slowRun(1, 2, 10), ...slowRun(30, 60, 10, 1010), ...slowRun(1, 2, 20, 1020)]);
		watched.end();
		expect(watched.faults).toEqual([]);
		expect((await watched.media('video0')).faults).toEqual([]);
		expect(watched.broadcast.counters.droppedUnits).toBe(0);
	});
});
