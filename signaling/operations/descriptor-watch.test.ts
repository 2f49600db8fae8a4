/** Unit tests of descriptor-watch.ts. */
import { expect, it } from 'vitest';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { DescriptorWatch } from './descriptor-watch.ts';

it('says once a minute that no descriptor is left, and counts on', async () => {
	const clock = new FakeClock();
	const logger = new RecordingLogger();
	let errorCode: string | undefined = 'EMFILE';
	const watch = new DescriptorWatch(clock, logger, () =>
		errorCode === undefined ? Promise.resolve() : Promise.reject(Object.assign(new Error('no'), { code: errorCode })),
	);
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
