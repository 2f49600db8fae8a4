/** Tests of the clocks, and of sleeping and deadlines on them. */
import { describe, expect, it } from 'vitest';
import { sleep, systemClock, withDeadline } from './clock.ts';
import { FakeClock } from '../testing/fake-clock.ts';

describe('systemClock', () => {
	it('agrees with the wall clock to 3 ms and has a finer resolution', () => {
		// Read on both sides, so that a pause of the process in between cannot fail the test.
		const before = Date.now();
		const now = systemClock.nowMs();
		const after = Date.now();
		expect(now).toBeGreaterThanOrEqual(before - 3);
		expect(now).toBeLessThanOrEqual(after + 3);
		expect(Array.from({ length: 20 }, () => systemClock.nowMs()).some((ms) => !Number.isInteger(ms))).toBe(true);
	});

	it('never steps back on its monotonic side', () => {
		const readings = Array.from({ length: 1000 }, () => systemClock.monotonicMs());
		expect(readings).toEqual([...readings].sort((one, other) => one - other));
	});

	it('fires only timers that are not cancelled', async () => {
		const fired: string[] = [];
		const cancel = systemClock.setTimeout(() => fired.push('cancelled'), 0);
		const cancelRepeated = systemClock.setInterval(() => fired.push('cancelled'), 0);
		cancel();
		cancelRepeated();
		// The timer of the clock does not keep a process alive; the test's own does.
		await new Promise<void>((resolve) => {
			const keepAlive = setTimeout(() => undefined, 5000);
			systemClock.setTimeout(() => {
				clearTimeout(keepAlive);
				resolve();
			}, 5);
		});
		expect(fired).toEqual([]);
	});
});

describe('FakeClock', () => {
	it('fires timers in the order of their time, then of their creation', async () => {
		const clock = new FakeClock();
		const fired: string[] = [];
		clock.setTimeout(() => fired.push(`c${clock.monotonicMs()}`), 30);
		clock.setTimeout(() => fired.push(`a${clock.monotonicMs()}`), 10);
		clock.setTimeout(() => fired.push(`b${clock.monotonicMs()}`), 10);
		await clock.advance(29);
		expect(fired).toEqual(['a10', 'b10']);
		await clock.advance(1);
		expect(fired).toEqual(['a10', 'b10', 'c30']);
	});

	it('repeats intervals until they are cancelled, also from inside', async () => {
		const clock = new FakeClock();
		const firedAtMs: number[] = [];
		const cancel = clock.setInterval(() => {
			firedAtMs.push(clock.monotonicMs());
			if (firedAtMs.length === 3) {
				cancel();
			}
		}, 10);
		await clock.advance(100);
		expect(firedAtMs).toEqual([10, 20, 30]);
		expect(clock.pendingCount).toBe(0);
	});

	it('fires timers that a timer sets within the same advance', async () => {
		const clock = new FakeClock(5000);
		const firedAtMs: number[] = [];
		clock.setTimeout(() => clock.setTimeout(() => firedAtMs.push(clock.nowMs()), 5), 5);
		await clock.advance(20);
		expect(firedAtMs).toEqual([5010]);
		expect([clock.nowMs(), clock.monotonicMs()]).toEqual([5020, 20]);
	});

	it('lets promises settle between timers', async () => {
		const clock = new FakeClock();
		const events: string[] = [];
		void sleep(clock, 10).then(() => {
			events.push('slept');
			clock.setTimeout(() => events.push('then'), 5);
		});
		clock.setTimeout(() => events.push('last'), 20);
		await clock.advance(20);
		expect(events).toEqual(['slept', 'then', 'last']);
	});
});

describe('sleep', () => {
	it('rejects with the reason of the signal and leaves no timer', async () => {
		const clock = new FakeClock();
		const controller = new AbortController();
		const sleeping = sleep(clock, 1000, controller.signal);
		controller.abort(new RangeError('stop'));
		await expect(sleeping).rejects.toThrow('stop');
		expect(clock.pendingCount).toBe(0);
		await expect(sleep(clock, 1000, controller.signal)).rejects.toThrow('stop');
		expect(clock.pendingCount).toBe(0);
	});
});

describe('withDeadline', () => {
	const onTimeout = (): Error => new Error('too late');

	it('settles as the promise does, and leaves no timer', async () => {
		const clock = new FakeClock();
		await expect(withDeadline(clock, Promise.resolve(5), 10, onTimeout)).resolves.toBe(5);
		await expect(withDeadline(clock, Promise.reject(new RangeError('no')), 10, onTimeout)).rejects.toThrow(RangeError);
		expect(clock.pendingCount).toBe(0);
	});

	it('rejects when the time is up, and ignores a later failure', async () => {
		const clock = new FakeClock();
		let fail!: (error: Error) => void;
		const slow = new Promise<never>((_, reject) => (fail = reject));
		const result = withDeadline(clock, slow, 10, onTimeout);
		const settled = expect(result).rejects.toThrow('too late');
		await clock.advance(10);
		await settled;
		fail(new Error('ignored'));
		await clock.advance(1);
	});
});
