/** What a failed request for a multivariant playlist says of the channel. Pure. */
import type { ConnectionFailure } from './playback.ts';

/** `httpStatus`: 0 without an answer. */
export function manifestFailure(httpStatus: number): ConnectionFailure {
	if (httpStatus === 404) {
		const detail = 'There is no broadcast at this address.';
		return { error: { kind: 'refused', detail, fatal: false }, retryAfterSeconds: 0, channelState: 'offline' };
	}
	if (httpStatus === 503) {
		const detail = 'The broadcast is just starting.';
		return { error: { kind: 'refused', detail, fatal: false }, retryAfterSeconds: 0 };
	}
	const kind = httpStatus === 0 || httpStatus >= 500 ? 'unreachable' : 'refused';
	const detail = httpStatus === 0 ? 'The server does not answer.' : `The server answered ${httpStatus}.`;
	return { error: { kind, detail, fatal: kind === 'refused' }, retryAfterSeconds: 0 };
}
