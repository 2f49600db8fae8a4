/** Tests of a call that is made at most once in an interval. */
import { expect, it } from 'vitest';
import { FakeClock } from '../testing/fake-clock.ts';
import { PacedCall } from './paced-call.ts';

it('makes calls that come too early as one, when the interval is over, and drops it when it is cancelled', async () => {
	const clock = new FakeClock();
	const startMs = clock.monotonicMs();
	const calls: number[] = [];
	const paced = new PacedCall({ clock }, { intervalMs: 1000, call: () => calls.push(clock.monotonicMs() - startMs) });
	paced.request();
	await clock.advance(300);
	paced.request();
	await clock.advance(300);
	paced.request();
	await clock.advance(3000);
	expect(calls).toEqual([0, 1000]);
	paced.request();
	paced.request();
	paced.cancel();
	await clock.advance(3000);
	expect(calls).toEqual([0, 1000, 3600]);
});
