/** Tests of the watch over file descriptors. */
import { expect, it } from 'vitest';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { DescriptorWatch } from './descriptor-watch.ts';

it('warns once a minute that no descriptor is left, and keeps counting', async () => {
	const clock = new FakeClock();
	const logger = new RecordingLogger();
	let errorCode: string | undefined = 'EMFILE';
	const tryOpen = async (): Promise<void> => {
		if (errorCode !== undefined) {
			throw Object.assign(new Error('no'), { code: errorCode });
		}
	};
	const watch = new DescriptorWatch({ clock, logger, tryOpen });
	expect(watch.isExhausted).toBe(false);
	await clock.advance(30_000);
	expect([watch.isExhausted, watch.exhaustedCount, logger.lines.length]).toEqual([true, 15, 1]);
	expect(logger.lines[0]).toMatchObject({ level: 'warn', message: expect.stringContaining('ulimit') as string });
	errorCode = undefined;
	await clock.advance(2000);
	expect([watch.isExhausted, watch.exhaustedCount]).toEqual([false, 15]);
	errorCode = 'EACCES';
	await clock.advance(2000);
	expect([watch.isExhausted, watch.exhaustedCount]).toEqual([false, 15]);
	watch.close();
	expect(clock.pendingCount).toBe(0);
});
