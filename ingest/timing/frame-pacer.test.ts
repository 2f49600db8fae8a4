/** Tests that frames leave evenly, in order, and never wait long. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { FramePacer } from './frame-pacer.ts';

/** Pushes a frame every 20 ms of media, each `latenessMs(index)` after its media time; returns when each left. */
async function run(frameCount: number, latenessMs: (index: number) => number): Promise<number[]> {
	const clock = new FakeClock();
	const pacer = new FramePacer({ clock });
	const left: number[] = [];
	let arrivedMs = 0;
	for (let index = 0; index < frameCount; index++) {
		arrivedMs = Math.max(arrivedMs, 1000 + index * 20 + latenessMs(index));
		await clock.advance(arrivedMs - clock.monotonicMs());
		pacer.push(index * 20, () => {
			left[index] = clock.monotonicMs();
		});
	}
	await clock.advance(100);
	expect(clock.pendingCount).toBe(0);
	return left;
}

function unevenness(times: readonly number[]): number {
	const delays = times.map((time, index) => time - index * 20);
	return Math.max(...delays) - Math.min(...delays);
}

describe('FramePacer', () => {
	it('spreads bursts of two evenly', async () => {
		const left = await run(400, (index) => (index % 2 === 0 ? 20 : 0));
		expect(unevenness(left.slice(100))).toBeLessThanOrEqual(1);
	});

	it('does not wait for the rare late one', async () => {
		const left = await run(500, (index) => (index % 50 === 49 ? 50 : 5));
		const delays = left.map((time, index) => time - 1000 - index * 20);
		expect(delays[460]!).toBeLessThan(10);
		expect(delays[449]!).toBeGreaterThanOrEqual(50);
	});

	it('follows a publisher whose clock runs slow', async () => {
		const left = await run(2000, (index) => index * 0.02);
		const delays = left.map((time, index) => time - 1000 - index * 20 - index * 0.02);
		expect(Math.max(...delays.slice(100))).toBeLessThan(8);
	});

	it('keeps the order, drops no frame and delays none for long', async () => {
		await fc.assert(
			fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 60, maxLength: 120 }), async (late) => {
				const clock = new FakeClock();
				const pacer = new FramePacer({ clock });
				const order: number[] = [];
				const waits: number[] = [];
				for (const [index, wait] of late.entries()) {
					await clock.advance(wait / 10);
					const pushedMs = clock.monotonicMs();
					pacer.push(index * 20, () => {
						order.push(index);
						waits.push(clock.monotonicMs() - pushedMs);
					});
				}
				await clock.advance(1000);
				expect(order).toEqual(late.map((_, index) => index));
				expect(Math.max(...waits)).toBeLessThan(45.001);
			}),
			{ numRuns: 30 },
		);
	});

	it('drops waiting frames when it is reset', async () => {
		const clock = new FakeClock();
		const pacer = new FramePacer({ clock });
		let count = 0;
		for (let index = 0; index < 60; index++) {
			await clock.advance(index % 2 === 0 ? 40 : 0);
			pacer.push(index * 20, () => count++);
		}
		const before = count;
		expect(before).toBeLessThan(60);
		pacer.reset();
		await clock.advance(1000);
		expect(count).toBe(before);
		expect(clock.pendingCount).toBe(0);
	});
});
