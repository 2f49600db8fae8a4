/**
 * Requests to the server, each with a deadline. Those to its API have a header that other sites cannot send, and one
 * silent renewal of the short-lived access cookie. Throws only {@link ApiError}.
 */
import type { ApiRequest, ApiRoutes } from '../../../core/protocol/api/api-routes.ts';
import type { Problem } from '../../../core/protocol/api/problem.ts';

const REQUEST_TIMEOUT_MS = 8000;
/** The server refuses changes with cookies and without this header, which a form on another site cannot set. */
const CSRF_HEADERS = { 'x-spillway-csrf': '1' } as const;
const REFRESH_PATH = '/api/v1/session/refresh';

let refreshing: Promise<boolean> | undefined;

export class ApiError extends Error {
	override readonly name = 'ApiError';
	/** Code of core/errors/errors.ts as the server sent it, `UNREACHABLE` without an answer, `NOT_CONNECTED` in chat. */
	readonly code: string;
	/** 0 without an HTTP answer, and for refusals over the socket. */
	readonly httpStatus: number;
	/** From `Retry-After`, or from the socket's `retryAfterMs`; 0 without them. */
	readonly retryAfterSeconds: number;

	constructor(code: string, detail: string, httpStatus: number, retryAfterSeconds = 0, cause?: unknown) {
		super(detail, cause === undefined ? undefined : { cause });
		this.code = code;
		this.httpStatus = httpStatus;
		this.retryAfterSeconds = retryAfterSeconds;
	}
}

/** Resolves with any 2xx answer; otherwise throws {@link ApiError} with the server's problem (RFC 9457). */
export async function request(url: string, init: RequestInit = {}): Promise<Response> {
	const signals = [AbortSignal.timeout(REQUEST_TIMEOUT_MS), ...(init.signal ? [init.signal] : [])];
	let response: Response;
	try {
		response = await fetch(url, { ...init, signal: AbortSignal.any(signals) });
	} catch (error) {
		throw new ApiError('UNREACHABLE', 'The server does not answer.', 0, 0, error);
	}
	if (response.ok) {
		return response;
	}
	const { code, detail } = await readProblem(response);
	const retryAfterSeconds = Number(response.headers.get('retry-after'));
	throw new ApiError(code, detail, response.status, Number.isFinite(retryAfterSeconds) ? retryAfterSeconds : 0);
}

async function readProblem(response: Response): Promise<{ code: string; detail: string }> {
	// A proxy answers with HTML when the server behind it is away, which counts as no answer.
	const fallback = {
		code: response.status >= 502 && response.status <= 504 ? 'UNREACHABLE' : `HTTP_${response.status}`,
		detail: `The server answered ${response.status}.`,
	};
	try {
		const problem: Partial<Record<keyof Problem, unknown>> | null = await response.json();
		const text = problem?.detail ?? problem?.title;
		return {
			code: typeof problem?.code === 'string' ? problem.code : fallback.code,
			detail: typeof text === 'string' ? text : fallback.detail,
		};
	} catch {
		return fallback;
	}
}

type Parts = {
	params?: Record<string, string>;
	query?: Record<string, string>;
	body?: unknown;
	signal?: AbortSignal | undefined;
};

/** Calls the API. `route`: from the table in core; its parameters are encoded. */
export function ask<Route extends keyof ApiRoutes>(
	route: Route,
	parts: ApiRequest<Route> & { signal?: AbortSignal | undefined },
): Promise<ApiRoutes[Route]['answer']>;
export async function ask(route: string, { params = {}, query, ...rest }: Parts): Promise<unknown> {
	const [method = '', address = ''] = route.split(' ', 2);
	const path = address.replace(/:(\w+)/g, (_match, name: string) => encodeURIComponent(params[name]!));
	const url = query === undefined ? path : `${path}?${new URLSearchParams(query)}`;
	let response: Response;
	try {
		response = await askOnce(method, url, rest);
	} catch (error) {
		// The access cookie lives for minutes, the refresh cookie for weeks: an expired access cookie is renewed silently.
		// A wrong password is also answered with 401, and must not be sent a second time.
		if (!(error instanceof ApiError) || error.code !== 'SIGN_IN_REQUIRED' || !(await refreshSession())) {
			throw error;
		}
		response = await askOnce(method, url, rest);
	}
	try {
		return response.status === 204 ? undefined : await response.json();
	} catch (error) {
		throw new ApiError('ANSWER_UNREADABLE', 'The server sent something that is not JSON.', response.status, 0, error);
	}
}

/**
 * Renews the access cookie. One at a time: the refresh token rotates, and a second use of the old one counts as theft.
 * False when the user is no longer logged in.
 */
export function refreshSession(): Promise<boolean> {
	refreshing ??= renew().finally(() => (refreshing = undefined));
	return refreshing;
}

// Other tabs share the cookies: the lock lets one of them renew at a time.
async function renew(): Promise<boolean> {
	const attempt = async (): Promise<boolean> => {
		try {
			await askOnce('POST', REFRESH_PATH, {});
			return true;
		} catch {
			// No cookie, a used one, or no server: the request that needed the renewal reports it.
			return false;
		}
	};
	return 'locks' in navigator ? navigator.locks.request('spillway-session', attempt) : attempt();
}

function askOnce(method: string, url: string, { body, signal }: Parts): Promise<Response> {
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
