/** Requests of media and playlists over fetch, with their progress and with the times at which their bytes came. */
import type { Clock } from '../../../../core/lifecycle/clock.ts';

/** What has come of an answer so far. */
export type Progress = {
	requestedAtMs: number;
	firstByteAtMs: number | undefined;
	loadedBytes: number;
	/** Undefined until the answer begins, and where it does not have its length. */
	totalBytes: number | undefined;
};

export type HttpAnswer = { url: string; bytes: Uint8Array<ArrayBuffer>; headers: Headers; progress: Progress };

/** An answer other than 2xx. */
export class HttpStatusError extends Error {
	override readonly name = 'HttpStatusError';
	readonly status: number;

	constructor(status: number, url: string) {
		super(`The server answered ${status} for ${url}.`);
		this.status = status;
	}
}

/** `onProgress` gets the same object each time. */
export type HttpRequest = (
	url: string,
	options: { signal: AbortSignal; onProgress?: ((progress: Progress) => void) | undefined; byteCount?: number },
) => Promise<HttpAnswer>;

/** Requests with the browser's fetch. Rejects with the signal's reason, HttpStatusError, or TypeError for no answer. */
export function httpRequest(clock: Clock, fetchIt: typeof fetch = (...args) => fetch(...args)): HttpRequest {
	return async (url, { signal, onProgress, byteCount }) => {
		const progress: Progress = {
			requestedAtMs: clock.monotonicMs(),
			firstByteAtMs: undefined,
			loadedBytes: 0,
			totalBytes: undefined,
		};
		onProgress?.(progress);
		const headers: HeadersInit = byteCount === undefined ? {} : { range: `bytes=0-${byteCount - 1}` };
		const response = await fetchIt(url, { signal, headers, credentials: 'same-origin' });
		if (!response.ok) {
			throw new HttpStatusError(response.status, url);
		}
		progress.firstByteAtMs = clock.monotonicMs();
		// The length before decoding: of playlists, which are compressed, it means nothing.
		const length = Number(response.headers.get('content-length'));
		progress.totalBytes = length > 0 && response.headers.get('content-encoding') === null ? length : undefined;
		onProgress?.(progress);
		const pieces: Uint8Array[] = [];
		const reader = response.body!.getReader();
		for (;;) {
			const { done, value } = await reader.read();
			if (done) {
				break;
			}
			pieces.push(value);
			progress.loadedBytes += value.length;
			onProgress?.(progress);
		}
		progress.totalBytes = progress.loadedBytes;
		return { url: response.url || url, bytes: concatBytes(pieces), headers: response.headers, progress };
	};
}

export function concatBytes(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
	const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
	let offset = 0;
	for (const piece of pieces) {
		bytes.set(piece, offset);
		offset += piece.length;
	}
	return bytes;
}
