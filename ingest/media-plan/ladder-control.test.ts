/** Tests of the ladder of one contribution: it stays as it is unless the picture, the room or the load changes. */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../core/logger.ts';
import type { LadderChoice } from '../../core/media/rung.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { LadderControl } from './ladder-control.ts';
import type { SourcePicture } from './ladder.ts';
import { EncoderBudget } from './work-budget.ts';

const HD: SourcePicture = { widthPixels: 1280, heightPixels: 720, frameRate: 30, bitrateBps: 2_500_000 };

function setUp(
	budget = new EncoderBudget(124_000_000),
	clock = new FakeClock(),
): {
	clock: FakeClock;
	budget: EncoderBudget;
	control: LadderControl;
	choose: (choice: LadderChoice) => void;
	names: (source?: SourcePicture) => string;
} {
	let choice: LadderChoice = 'automatic';
	const encoderGrants = budget.grantsFor({ isKnown: false });
	const control = new LadderControl({ clock, logger: silentLogger, encoderGrants }, () => choice);
	return {
		clock,
		budget,
		control,
		choose: (next) => (choice = next),
		names: (source = HD) =>
			control
				.plan(source)
				.rungs.map(({ name }) => name)
				.join(' '),
	};
}

describe('LadderControl', () => {
	it('keeps the rungs when the bit rate changes, and chooses again for another size', () => {
		const { names } = setUp();
		expect(names()).toBe('480p30 360p30 160p30');
		expect(names({ ...HD, bitrateBps: 300_000 })).toBe('480p30 360p30 160p30');
		expect(names({ ...HD, frameRate: 31 })).toBe('480p30 360p30 160p30');
		expect(names({ ...HD, widthPixels: 640, heightPixels: 360 })).toBe('160p30');
	});

	it('makes room for re-encoding at once, and grows again ten seconds later at the earliest', async () => {
		const { clock, budget, names } = setUp();
		names();
		const lease = budget.grantsFor({ isKnown: false }).acquire(110_000_000)!;
		expect(names()).toBe('360p30 160p30');
		lease.release();
		await clock.advance(9000);
		expect(names()).toBe('360p30 160p30');
		await clock.advance(1000);
		expect(names()).toBe('480p30 360p30 160p30');
	});

	it('shares the room with the ladders of other broadcasts, and gives it back', () => {
		const { budget, control, names } = setUp(new EncoderBudget(30_000_000));
		const other = setUp(budget);
		expect([names(), other.names()]).toEqual(['480p30 360p30 160p30', '160p30']);
		control.release();
		const third = setUp(budget);
		expect(third.names()).toBe('480p30 360p30 160p30');
		other.control.release();
		third.control.release();
		expect(budget.ladderPixelsPerSecond).toBe(0);
	});

	it('drops rungs of an encoder that falls behind', async () => {
		const { clock, control, names } = setUp();
		names();
		for (let index = 0; index < 60; index++) {
			control.observe(1500);
			await clock.advance(100);
		}
		expect(names()).toBe('360p30 160p30');
		control.observe(undefined);
	});

	it('follows the choice of the channel', () => {
		const { names, choose } = setUp();
		choose('off');
		expect(names()).toBe('');
		choose(['360p30']);
		expect(names({ ...HD, frameRate: 60 })).toBe('360p30');
	});
});
