/**
 * Requests of a user who may be logged in: JSON both ways, the header that other sites cannot send, and one silent renewal of the
 * short-lived access cookie. Throws {@link ApiError} and nothing else.
 */
import { ApiError, request } from './channel-api.ts';

/** The server refuses changes that come with cookies and without this: a form on another site cannot set it. */
const CSRF_HEADERS = { 'x-spillway-csrf': '1' } as const;
const REFRESH_PATH = '/api/v1/session/refresh';
/** How each method of a resource is asked for. */
export type JsonMethod = 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';

let refreshing: Promise<boolean> | undefined;

/** Sends JSON and reads JSON; undefined where the answer has no body. */
export async function sendJson<Answer>(
	method: JsonMethod,
	url: string,
	body?: unknown,
	signal?: AbortSignal,
): Promise<Answer> {
	let response: Response;
	try {
		response = await requestOnce(method, url, body, signal);
	} catch (error) {
		// The access cookie lives for minutes, the refresh cookie for weeks: the first one's end is nothing to tell anybody.
		// A wrong password is answered with 401, too, and is not to be sent a second time.
		if (!(error instanceof ApiError) || error.code !== 'SIGN_IN_REQUIRED' || !(await refreshSession())) {
			throw error;
		}
		response = await requestOnce(method, url, body, signal);
	}
	return readAnswer<Answer>(response);
}

/**
 * Renews the access cookie. One at a time: the refresh token rotates, and a second use of the old one would be taken for theft. False
 * when nobody is logged in any more.
 */
export function refreshSession(): Promise<boolean> {
	refreshing ??= renew().finally(() => {
		refreshing = undefined;
	});
	return refreshing;
}

// Other tabs hold the same cookies: the lock lets one of them renew at a time.
async function renew(): Promise<boolean> {
	const ask = async (): Promise<boolean> => {
		try {
			await requestOnce('POST', REFRESH_PATH, undefined);
			return true;
		} catch {
			// No cookie, a used one, or no server: the request that needed it says so.
			return false;
		}
	};
	return 'locks' in navigator ? navigator.locks.request('spillway-session', ask) : ask();
}

function requestOnce(method: JsonMethod, url: string, body: unknown, signal?: AbortSignal): Promise<Response> {
	return request(url, {
		method,
		cache: 'no-store',
		credentials: 'same-origin',
		headers: {
			accept: 'application/json',
			...(method === 'GET' ? {} : CSRF_HEADERS),
			...(body === undefined ? {} : { 'content-type': 'application/json' }),
		},
		...(body === undefined ? {} : { body: JSON.stringify(body) }),
		...(signal === undefined ? {} : { signal }),
	});
}

async function readAnswer<Answer>(response: Response): Promise<Answer> {
	if (response.status === 204) {
		return undefined as Answer;
	}
	try {
		return (await response.json()) as Answer;
	} catch (error) {
		throw new ApiError('ANSWER_UNREADABLE', 'The server sent something that is not JSON.', response.status, 0, error);
	}
}
