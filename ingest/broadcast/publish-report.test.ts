/** Tests of which refusals are kept for the streamer, and for how long. */
import { expect, it } from 'vitest';
import { SpillwayError } from '../../core/errors/errors.ts';
import type { ChannelName } from '../../core/ids.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { PublishRefusals } from './publish-report.ts';

const DEMO = 'demo' as ChannelName;
const fail = (error: Error) => (): void => {
	throw error;
};

it('keeps the last refusal of a channel for ten minutes or until an encoder is admitted', async () => {
	const clock = new FakeClock();
	const refusals = new PublishRefusals({ clock });
	expect(refusals.last(DEMO)).toBeUndefined();
	const full = new SpillwayError('BROADCASTS_FULL', [8]);
	expect(() => refusals.watch(DEMO, fail(full))).toThrow(full);
	expect(refusals.last(DEMO)).toMatchObject({ code: 'BROADCASTS_FULL', message: full.message });
	expect(refusals.last('other' as ChannelName)).toBeUndefined();
	await clock.advance(600_000);
	expect(refusals.last(DEMO)).toBeUndefined();
	expect(() => refusals.watch(DEMO, fail(full))).toThrow(full);
	refusals.watch(DEMO, () => undefined);
	expect(refusals.last(DEMO)).toBeUndefined();
});

it('keeps no bugs, and no more channels than its limit', () => {
	const refusals = new PublishRefusals({ clock: new FakeClock() });
	expect(() => refusals.watch(DEMO, fail(new TypeError('a bug')))).toThrow(TypeError);
	expect(refusals.last(DEMO)).toBeUndefined();
	for (let index = 0; index <= 1000; index++) {
		const full = new SpillwayError('BROADCASTS_FULL', [8]);
		expect(() => refusals.watch(`c${index}` as ChannelName, fail(full))).toThrow(full);
	}
	expect(refusals.last('c0' as ChannelName)).toBeUndefined();
	expect(refusals.last('c1' as ChannelName)).toBeDefined();
});
