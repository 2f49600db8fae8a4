/** Finds the stream key in what an encoder made of our address. Pure; what it handles is secret. */
import type { StreamKey } from '../../core/ids.ts';

/** Longer ones are not ours. */
const MAX_KEY_LENGTH = 256;

/**
 * The key out of the `app` of connect and the name of publish, or undefined when there is none. Taken, in this order: `key`
 * as query parameter of either; the last path segment of the name; the second path segment of the app, which is where it
 * ends up when the whole address is typed into one field.
 */
export function findStreamKey(app: string, streamName: string): StreamKey | undefined {
	const name = splitQuery(streamName);
	const path = splitQuery(app);
	// Not parsed as a URL: encoders pass what the user typed, quotes and all.
	const key =
		queryKey(name.query) ??
		queryKey(path.query) ??
		lastSegment(name.path) ??
		lastSegment(path.path.split('/').slice(1).join('/'));
	return key === undefined || key.length > MAX_KEY_LENGTH ? undefined : (key as StreamKey);
}

function splitQuery(text: string): { path: string; query: string } {
	const at = text.indexOf('?');
	return at < 0 ? { path: text, query: '' } : { path: text.slice(0, at), query: text.slice(at + 1) };
}

function queryKey(query: string): string | undefined {
	return query === '' ? undefined : nonEmpty(new URLSearchParams(query).get('key'));
}

function lastSegment(path: string): string | undefined {
	return nonEmpty(path.split('/').findLast((segment) => segment.trim() !== ''));
}

// Keys are copied by hand, often with a blank or a line end.
function nonEmpty(text: string | null | undefined): string | undefined {
	const trimmed = text?.trim();
	return trimmed === undefined || trimmed === '' ? undefined : trimmed;
}
