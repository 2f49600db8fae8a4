/** The WHEP client: sends the offer, reads the answer, and ends the session (draft-ietf-wish-whep §4). */
import { VIEWER_HEADER } from '../../../../core/protocol/signaling/signaling-constants.ts';
import type { ConnectionFailure } from './playback.ts';
import { ApiError, request } from '../../api/request.ts';

type WhepSession = { answerSdp: string; sessionUrl: string };

/** Sends the offer; `viewerId`: from the signaling socket. Throws {@link ApiError}. */
export async function openWhepSession(
	whepUrl: string,
	offerSdp: string,
	signal: AbortSignal,
	viewerId?: string,
): Promise<WhepSession> {
	const response = await request(whepUrl, {
		method: 'POST',
		headers: {
			'content-type': 'application/sdp',
			accept: 'application/sdp',
			...(viewerId === undefined ? {} : { [VIEWER_HEADER]: viewerId }),
		},
		body: offerSdp,
		signal,
	});
	const location = response.headers.get('location');
	// draft-ietf-wish-whep §4.2: the answer "MUST" be 201 with a Location; without one the session cannot be ended.
	if (response.status !== 201 || location === null) {
		throw new ApiError(
			'WHEP_ANSWER_INVALID',
			`The server answered ${response.status} without a session.`,
			response.status,
		);
	}
	return { answerSdp: await response.text(), sessionUrl: new URL(location, response.url).href };
}

/** Until the session ends its media continues, and on a congested network delays what follows. */
const DELETE_DEADLINE_MS = 1000;

/** Ends the session; resolves with the answer or at the deadline. Also works during page unload. */
export async function closeWhepSession(sessionUrl: string): Promise<void> {
	try {
		await fetch(sessionUrl, { method: 'DELETE', keepalive: true, signal: AbortSignal.timeout(DELETE_DEADLINE_MS) });
	} catch {
		// The server is not reachable: the session ends when no more ICE checks arrive.
	}
}

export function whepFailure(error: unknown): ConnectionFailure {
	if (!(error instanceof ApiError)) {
		return { error: { kind: 'unsupported', detail: String(error), fatal: true }, retryAfterSeconds: 0 };
	}
	const { retryAfterSeconds, message: detail } = error;
	switch (error.code) {
		case 'UNREACHABLE':
			return { error: { kind: 'unreachable', detail, fatal: false }, retryAfterSeconds };
		case 'CHANNEL_NOT_FOUND':
		case 'CHANNEL_OFFLINE':
			return { error: { kind: 'refused', detail, fatal: false }, retryAfterSeconds, channelState: 'offline' };
		default:
			break;
	}
	// Another attempt with the same browser makes the same offer: a 4xx is permanent, except 408 (time-out), 409 (not
	// yet) and 429 (too many).
	const fatal = error.httpStatus < 500 && ![408, 409, 429].includes(error.httpStatus);
	return { error: { kind: 'refused', detail, fatal }, retryAfterSeconds };
}
