/** Requests to the API, with a deadline each. Throws {@link ApiError} and nothing else. */
import type { ChannelDescription } from '../../../core/protocol/api/channel-description.ts';
import type { ServerTime } from '../../../core/protocol/api/server-time.ts';

const REQUEST_TIMEOUT_MS = 8000;

/** Why a request brought nothing. */
export class ApiError extends Error {
	override readonly name = 'ApiError';
	/** Code of core/errors/errors.ts as the server sent it, or `UNREACHABLE` when no answer came. */
	readonly code: string;
	/** HTTP status; 0 when no answer came. */
	readonly httpStatus: number;
	/** Seconds after which the server asks to try again; 0 when it does not say. */
	readonly retryAfterSeconds: number;

	constructor(code: string, detail: string, httpStatus: number, retryAfterSeconds = 0, cause?: unknown) {
		super(detail, cause === undefined ? undefined : { cause });
		this.code = code;
		this.httpStatus = httpStatus;
		this.retryAfterSeconds = retryAfterSeconds;
	}
}

/** Sends a request. Resolves with any 2xx answer; throws {@link ApiError} with the server's problem otherwise (RFC 9457). */
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
	// A proxy in front answers with HTML when the server behind it is away; that is as good as no answer.
	const fallback = {
		code: response.status >= 502 && response.status <= 504 ? 'UNREACHABLE' : `HTTP_${response.status}`,
		detail: `The server answered ${response.status}.`,
	};
	try {
		const problem = (await response.json()) as { code?: unknown; detail?: unknown; title?: unknown } | null;
		const text = problem?.detail ?? problem?.title;
		return {
			code: typeof problem?.code === 'string' ? problem.code : fallback.code,
			detail: typeof text === 'string' ? text : fallback.detail,
		};
	} catch {
		// Not JSON: the status has to do.
		return fallback;
	}
}

/** One channel by name; throws with code `CHANNEL_NOT_FOUND` when there is none. */
export function fetchChannel(name: string, signal?: AbortSignal): Promise<ChannelDescription> {
	return getJson(`/api/v1/channels/${encodeURIComponent(name)}`, signal);
}

/** The server's clock. */
export function fetchServerTime(signal?: AbortSignal): Promise<ServerTime> {
	return getJson('/api/v1/time', signal);
}

async function getJson<T>(url: string, signal?: AbortSignal): Promise<T> {
	const response = await request(url, {
		cache: 'no-store',
		headers: { accept: 'application/json' },
		...(signal === undefined ? {} : { signal }),
	});
	try {
		return (await response.json()) as T;
	} catch (error) {
		throw new ApiError('ANSWER_UNREADABLE', 'The server sent something that is not JSON.', response.status, 0, error);
	}
}
