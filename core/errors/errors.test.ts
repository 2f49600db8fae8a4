/** Tests of the error table and the class that carries its codes. */
import { describe, expect, it } from 'vitest';
import { ACCOUNT_ERRORS } from './account-errors.ts';
import { CHANNEL_ERRORS } from './channel-errors.ts';
import { CHAT_ERRORS } from './chat-errors.ts';
import { PUBLISHING_ERRORS } from './publishing-errors.ts';
import { REQUEST_ERRORS } from './request-errors.ts';
import { SERVER_ERRORS } from './server-errors.ts';
import { VIDEO_ERRORS } from './video-errors.ts';
import { ERROR_CODES, errorMessage, SpillwayError, type ErrorCode } from './errors.ts';

describe('ERROR_CODES', () => {
	it('has each code in one table only', () => {
		const tables = [
			CHANNEL_ERRORS,
			PUBLISHING_ERRORS,
			ACCOUNT_ERRORS,
			CHAT_ERRORS,
			REQUEST_ERRORS,
			SERVER_ERRORS,
			VIDEO_ERRORS,
		];
		expect(tables.flatMap((table) => Object.keys(table)).toSorted()).toEqual(Object.keys(ERROR_CODES).toSorted());
	});

	it('has codes in capitals, statuses of failures, and messages that are sentences', () => {
		for (const [code, { httpStatus, message }] of Object.entries(ERROR_CODES)) {
			expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
			expect(httpStatus).toBeGreaterThanOrEqual(400);
			expect(httpStatus).toBeLessThan(600);
			expect(message).toMatch(/^[A-Z].*(\.|%s)$/);
		}
	});
});

describe('SpillwayError', () => {
	it('fills its message in order and takes its status from the table', () => {
		const error = new SpillwayError('CONTENT_TYPE_UNSUPPORTED', ['application/sdp', 'text/plain']);
		expect(error).toBeInstanceOf(Error);
		expect([error.name, error.code, error.httpStatus]).toEqual(['SpillwayError', 'CONTENT_TYPE_UNSUPPORTED', 415]);
		expect(error.message).toBe('The content type must be "application/sdp", but is "text/plain".');
	});

	it('does not read patterns in untrusted details', () => {
		expect(new SpillwayError('CHANNEL_NOT_FOUND', ['%s $& $1']).message).toContain('"%s $& $1"');
	});

	it('fills a missing detail with an empty text', () => {
		expect(new SpillwayError('CHANNEL_NOT_FOUND').message).toContain('channel ""');
	});

	it('keeps its cause and the time after which to try again', () => {
		const cause = new Error('first');
		const error = new SpillwayError('BUS_UNAVAILABLE', [], { cause, retryAfterSeconds: 2 });
		expect([error.cause, error.retryAfterSeconds]).toEqual([cause, 2]);
		expect('cause' in new SpillwayError('BUS_UNAVAILABLE')).toBe(false);
	});

	it('rejects a code that is not in the table', () => {
		// @ts-expect-error There is no such code.
		const code: ErrorCode = 'NO_SUCH_CODE';
		expect(() => new SpillwayError(code)).toThrow(TypeError);
	});
});

describe('errorMessage', () => {
	it('reads any thrown value', () => {
		expect([errorMessage(new Error('a')), errorMessage('b'), errorMessage(undefined)]).toEqual(['a', 'b', 'undefined']);
	});
});
