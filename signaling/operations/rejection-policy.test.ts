/** Tests of the policy for unhandled rejections. */
import { expect, it } from 'vitest';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { RejectionPolicy } from './rejection-policy.ts';

it('lets the process continue after many rejections over a long time', async () => {
	const clock = new FakeClock();
	const logger = new RecordingLogger();
	const policy = new RejectionPolicy({ clock, logger });
	for (let minute = 0; minute < 50; minute++) {
		for (let index = 0; index < 100; index++) {
			expect(policy.mayContinue(new Error('forgotten'))).toBe(true);
		}
		await clock.advance(60_000);
	}
	expect(policy.count).toBe(5000);
	expect(logger.lines).toHaveLength(50);
	expect(logger.lines[0]).toMatchObject({ level: 'error', fields: { err: expect.any(Error) as Error } });
});

it('gives up after 100 rejections within the window', () => {
	const policy = new RejectionPolicy({ clock: new FakeClock(), logger: new RecordingLogger() });
	const answers = Array.from({ length: 101 }, () => policy.mayContinue('x'));
	expect(answers.indexOf(false)).toBe(100);
});
