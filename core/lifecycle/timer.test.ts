/** Tests of the timer. */
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../testing/fake-clock.ts';
import { Timer } from './timer.ts';

function createTimer(): { clock: FakeClock; timer: Timer; count: () => number } {
	const clock = new FakeClock();
	let count = 0;
	return { clock, timer: new Timer(clock, () => count++), count: () => count };
}

describe('Timer', () => {
	it('fires once for each arming', async () => {
		const { clock, timer, count } = createTimer();
		timer.arm(100);
		expect(timer.isArmed).toBe(true);
		await clock.advance(100);
		expect([count(), timer.isArmed]).toEqual([1, false]);
		await clock.advance(1000);
		expect(count()).toBe(1);
	});

	it('counts from the last arming; armOnce leaves an earlier one', async () => {
		const { clock, timer, count } = createTimer();
		timer.arm(100);
		await clock.advance(60);
		timer.armOnce(500);
		timer.arm(100);
		await clock.advance(60);
		expect(count()).toBe(0);
		await clock.advance(40);
		expect(count()).toBe(1);
		timer.armOnce(10);
		await clock.advance(10);
		expect(count()).toBe(2);
	});

	it('does not fire when it was disarmed, once or twice', async () => {
		const { clock, timer, count } = createTimer();
		timer.arm(100);
		timer.disarm();
		timer.disarm();
		await clock.advance(200);
		expect([count(), timer.isArmed]).toEqual([0, false]);
	});

	it('may be armed from inside its callback', async () => {
		const clock = new FakeClock();
		let count = 0;
		const timer: Timer = new Timer(clock, () => {
			if (++count < 3) {
				timer.arm(10);
			}
		});
		timer.arm(10);
		await clock.advance(100);
		expect([count, timer.isArmed]).toEqual([3, false]);
	});
});
