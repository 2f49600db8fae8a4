/** Redacts secrets in request addresses before they reach a log or a message. */

/** Query parameters that are never secret; the values of all others are hidden. */
const HARMLESS_PARAMETERS = /^(_HLS_[a-z]+|page|limit|after|tier|muted)$/;
/** The path after these parts may contain a stream key at any depth. */
const KEY_IN_PATH = /^(\/(?:live|whip)\/)[^?#]+/i;
const MAX_SHOWN_LENGTH = 200;

/** The path and query of a request as it may be logged; at most 200 characters, without control characters. */
export function redactUrl(url: string): string {
	const [path, query] = splitOnce(url, '?');
	const shownPath = path.replace(KEY_IN_PATH, '$1***');
	const shownQuery = query
		?.split('&')
		.map((pair) => {
			const [name, value] = splitOnce(pair, '=');
			return value === undefined || HARMLESS_PARAMETERS.test(name) ? pair : `${name}=***`;
		})
		.join('&');
	const shown = shownQuery === undefined ? shownPath : `${shownPath}?${shownQuery}`;
	// A line break in an address must not start a new line in a log.
	return shown.replace(/[^\x20-\x7e]/g, '?').slice(0, MAX_SHOWN_LENGTH);
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
	const index = text.indexOf(separator);
	return index < 0 ? [text, undefined] : [text.slice(0, index), text.slice(index + 1)];
}
