/** How the server's refusals map to failures of a playback. */
import { describe, expect, it } from 'vitest';
import { whepFailure } from './whep-client.ts';
import { ApiError } from '../../api/request.ts';

describe('whepFailure', () => {
	it.each([
		['UNREACHABLE', 0, { kind: 'unreachable', fatal: false }, undefined],
		['CHANNEL_NOT_FOUND', 404, { kind: 'refused', fatal: false }, 'offline'],
		['CHANNEL_OFFLINE', 404, { kind: 'refused', fatal: false }, 'offline'],
		['NOTHING_PUBLISHED', 409, { kind: 'refused', fatal: false }, undefined],
		['TOO_MANY_ATTEMPTS', 429, { kind: 'refused', fatal: false }, undefined],
		['SFU_UNAVAILABLE', 503, { kind: 'refused', fatal: false }, undefined],
		['INTERNAL_ERROR', 500, { kind: 'refused', fatal: false }, undefined],
		['SDP_OFFER_UNSUPPORTED', 422, { kind: 'refused', fatal: true }, undefined],
		['SDP_MALFORMED', 400, { kind: 'refused', fatal: true }, undefined],
	] as const)('maps %s (%i) to a failure', (code, httpStatus, error, channelState) => {
		const failure = whepFailure(new ApiError(code, 'Because.', httpStatus, 3));
		expect(failure).toEqual({
			error: { ...error, detail: 'Because.' },
			retryAfterSeconds: 3,
			...(channelState === undefined ? {} : { channelState }),
		});
	});

	it('maps anything that the browser throws to unsupported', () => {
		expect(whepFailure(new TypeError('no codecs')).error).toMatchObject({ kind: 'unsupported', fatal: true });
	});
});
