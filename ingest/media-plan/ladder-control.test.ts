/** Tests of the ladder of one contribution: it stays as it is unless the picture, the room or the load changes. */
import { describe, expect, it } from 'vitest';
import type { LadderChoice } from '../../core/protocol/ladder-choice.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { LadderControl } from './ladder-control.ts';
import type { SourcePicture } from './ladder.ts';
import { EncoderBudget } from './work-budget.ts';

const HD: SourcePicture = { widthPixels: 1280, heightPixels: 720, frameRate: 30, bitrateBps: 2_500_000 };

function setUp(
	budget = new EncoderBudget(124_000_000),
	clock = new FakeClock(),
): {
	clock: FakeClock;
	logger: RecordingLogger;
	budget: EncoderBudget;
	control: LadderControl;
	choose: (choice: LadderChoice) => void;
	names: (source?: SourcePicture) => string;
} {
	let choice: LadderChoice = 'automatic';
	const logger = new RecordingLogger();
	const encoderGrants = budget.grantsFor({ isKnown: false });
	const control = new LadderControl({ clock, logger, encoderGrants }, () => ({ choice, setBy: 'channel' }));
	return {
		clock,
		logger,
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

	it('never lets a rung take more than a better one, and gives them more when the source does so for a while', async () => {
		const { clock, control } = setUp();
		const ceilings = (bitrateBps: number): number[] =>
			control.plan({ ...HD, bitrateBps }).rungs.map(({ maxBitrateBps }) => maxBitrateBps);
		expect(ceilings(400_000)).toEqual([330_000, 220_000, 100_000]);
		for (let seconds = 0; seconds < 4; seconds++) {
			expect(ceilings(6_000_000)).toEqual([330_000, 220_000, 100_000]);
			await clock.advance(1000);
		}
		// A moment of more.
		expect(ceilings(500_000)).toEqual([330_000, 220_000, 100_000]);
		for (let seconds = 0; seconds < 5; seconds++) {
			expect(ceilings(6_000_000)).toEqual([330_000, 220_000, 100_000]);
			await clock.advance(1000);
		}
		expect(ceilings(6_000_000)).toEqual([1_500_000, 800_000, 130_000]);
		await clock.advance(60_000);
		expect(ceilings(400_000)).toEqual([1_500_000, 800_000, 130_000]);
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

	it('drops rungs of an encoder that falls behind, counts them, and says why', async () => {
		const { clock, budget, control, logger, names } = setUp();
		names();
		for (let index = 0; index < 60; index++) {
			control.observe(1500);
			await clock.advance(100);
		}
		expect(names()).toBe('360p30 160p30');
		control.observe(undefined);
		expect(budget.droppedRungCount).toBe(1);
		const { leftOut, reason } = control.plan(HD);
		expect(leftOut).toMatchObject([{ name: '480p30', cause: 'load' }]);
		expect(reason).toMatch(/^The encoder fell behind, so 480p30 waits/);
		expect(logger.lines.map(({ fields }) => fields)).toMatchObject([
			{
				choice: 'automatic',
				setBy: 'channel',
				rungs: '480p30 360p30 160p30',
				reason: expect.stringContaining('room for') as string,
			},
			{ choice: 'automatic', setBy: 'channel', rungs: '360p30 160p30', leftOut, reason },
		]);
	});

	it('follows the choice of the channel', () => {
		const { names, choose } = setUp();
		choose('off');
		expect(names()).toBe('');
		choose(['360p30']);
		expect(names({ ...HD, frameRate: 60 })).toBe('360p30');
	});

	it('logs another reason for the same rungs, once', () => {
		const { names, choose, logger } = setUp();
		names();
		choose(['480p30', '360p30', '160p30']);
		names();
		expect(names()).toBe('480p30 360p30 160p30');
		expect(logger.lines.map(({ fields }) => fields['choice'])).toEqual(['automatic', ['480p30', '360p30', '160p30']]);
	});
});
