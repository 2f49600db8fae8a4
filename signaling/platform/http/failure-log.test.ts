/** Unit tests of failure-log.ts. */
import { describe, expect, it } from 'vitest';
import { SpillwayError } from '../../../core/errors/errors.ts';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../../core/testing/recording-logger.ts';
import { FailureLog, type FailedRequest } from './failure-log.ts';

const REQUEST: FailedRequest = { requestId: 'r1', method: 'POST', url: '/x', code: 'INTERNAL_ERROR' };
const bug = (cause: unknown): SpillwayError => new SpillwayError('INTERNAL_ERROR', ['r1'], { cause });

describe('FailureLog', () => {
	it('logs a failure that repeats once in ten seconds, with how often it was', async () => {
		const clock = new FakeClock();
		const logger = new RecordingLogger();
		const log = new FailureLog(clock, logger);
		const away = new SpillwayError('DATABASE_UNAVAILABLE');
		for (let index = 0; index < 5000; index++) {
			log.note(away, { ...REQUEST, code: away.code });
		}
		await clock.advance(10_000);
		log.note(away, { ...REQUEST, code: away.code });
		expect(logger.lines.map(({ level, fields }) => [level, fields['count'], fields['total']])).toEqual([
			['warn', 1, 1],
			['warn', 5000, 5001],
		]);
	});

	it('tells bugs apart by their place, and keeps their stack', () => {
		const logger = new RecordingLogger();
		const log = new FailureLog(new FakeClock(), logger);
		const [one, other] = [new TypeError('first'), new TypeError('second')];
		for (const cause of [one, other, one, other, 'text', 'text']) {
			log.note(bug(cause), REQUEST);
		}
		expect(logger.lines.map(({ level, fields }) => [level, fields['err']])).toEqual([
			['error', one],
			['error', other],
			['error', 'text'],
		]);
	});

	it('does not remember more kinds than it has room for', () => {
		const logger = new RecordingLogger();
		const log = new FailureLog(new FakeClock(), logger);
		for (let index = 0; index < 1000; index++) {
			const cause = new Error('x');
			cause.stack = `Error: x\n    at place${index}`;
			log.note(bug(cause), REQUEST);
		}
		expect(logger.lines).toHaveLength(101);
	});

	it.each(['ACCOUNTS_BUSY', 'SFU_UNAVAILABLE', 'SOCKETS_FULL', 'SERVER_STOPPING', 'CHANNEL_NOT_FOUND'] as const)(
		'takes %s for no failure of ours',
		(code) => {
			const logger = new RecordingLogger();
			new FailureLog(new FakeClock(), logger).note(new SpillwayError(code), { ...REQUEST, code });
			expect(logger.lines.map(({ level }) => level)).toEqual(['debug']);
		},
	);
});
