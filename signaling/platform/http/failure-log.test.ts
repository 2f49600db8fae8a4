/** Tests of the log of failed requests. */
import { beforeEach, describe, expect, it } from 'vitest';
import { SpillwayError } from '../../../core/errors/errors.ts';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../../core/testing/recording-logger.ts';
import { FailureLog, type FailedRequest } from './failure-log.ts';

const REQUEST: FailedRequest = { requestId: 'r1', method: 'POST', url: '/x', code: 'INTERNAL_ERROR' };
const bug = (cause: unknown): SpillwayError => new SpillwayError('INTERNAL_ERROR', ['r1'], { cause });

describe('FailureLog', () => {
	let clock: FakeClock;
	let logger: RecordingLogger;
	let log: FailureLog;

	beforeEach(() => {
		[clock, logger] = [new FakeClock(), new RecordingLogger()];
		log = new FailureLog({ clock, logger });
	});

	it('logs a repeated failure once in ten seconds, with a count', async () => {
		const away = new SpillwayError('DATABASE_UNAVAILABLE');
		for (let index = 0; index < 5000; index++) {
			log.record(away, { ...REQUEST, code: away.code });
		}
		await clock.advance(10_000);
		log.record(away, { ...REQUEST, code: away.code });
		expect(logger.lines.map(({ level, fields }) => [level, fields['count'], fields['total']])).toEqual([
			['warn', 1, 1],
			['warn', 5000, 5001],
		]);
	});

	it('distinguishes bugs by their place, and keeps their stack', () => {
		const [one, other] = [new TypeError('first'), new TypeError('second')];
		for (const cause of [one, other, one, other, 'text', 'text']) {
			log.record(bug(cause), REQUEST);
		}
		expect(logger.lines.map(({ level, fields }) => [level, fields['err']])).toEqual([
			['error', one],
			['error', other],
			['error', 'text'],
		]);
	});

	it('keeps a bounded number of kinds', () => {
		for (let index = 0; index < 1000; index++) {
			const cause = new Error('x');
			cause.stack = `Error: x\n    at place${index}`;
			log.record(bug(cause), REQUEST);
		}
		expect(logger.lines).toHaveLength(101);
	});

	it.each(['ACCOUNTS_BUSY', 'SFU_UNAVAILABLE', 'SOCKETS_FULL', 'SERVER_STOPPING', 'CHANNEL_NOT_FOUND'] as const)(
		'logs %s for debugging only',
		(code) => {
			log.record(new SpillwayError(code), { ...REQUEST, code });
			expect(logger.lines.map(({ level }) => level)).toEqual(['debug']);
		},
	);
});
