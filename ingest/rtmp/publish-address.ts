/** Finds the stream key in the fields that an encoder makes of our address. Pure; its input is secret. */
import type { StreamKey } from '../../core/ids.ts';

/** The fields that an encoder makes of the typed address. Any may hold a key: never log it. @internal for tests */
export type PublishAddress = {
	/** `app` of connect. */
	app: string;
	/** `tcUrl` of connect; empty where the encoder does not send it. */
	tcUrl: string;
	/** Stream name of publish. */
	streamName: string;
};

/** Keys that are tried as one attempt: more make guessing cheaper. @internal for tests */
export const MAX_KEY_CANDIDATES = 3;
/** Longer ones are not ours. */
const MAX_KEY_LENGTH = 256;
/** Characters that are read of each field; a field of a real address is shorter. */
const MAX_FIELD_LENGTH = 2048;
/** Path segments and query parameters that are read of each field. */
const MAX_PART_COUNT = 32;
/** Characters that are copied along with a key. */
const KEY_EDGES = ' "\'<>';
/** Advice for the user of the encoder. */
export const WHERE_KEYS_BELONG =
	'Put it into the stream key field, or behind the server address: rtmp://<host>/live/<stream key>.';
/** Our own path, and its alternatives in encoders and other servers. None of them is a key. */
const PATH_WORDS: ReadonlySet<string> = new Set(['live', 'app', 'rtmp', 'ingest', 'publish', 'stream']);
/** Names of query parameters that carry a key, the likeliest first. */
const KEY_PARAMETERS = ['key', 'streamkey', 'token', 'pass', 'password', 'secret', 'user', 'username'] as const;
/** Generated keys are lower case only, so that a keyboard that writes capitals does no harm. */
const GENERATED_KEY = /^live_[0-9a-hjkmnp-tv-z]{32}$/i;

/**
 * Candidates for the key, the likeliest first, at most {@link MAX_KEY_CANDIDATES}. Order:
 *
 * - a query parameter of any field;
 * - the password in the address;
 * - the last part of the stream name;
 * - the parts of the app and of the address after the first: a whole address in one field has its key there;
 * - the app itself, unless it is a path word;
 * - the user in the address.
 */
export function findStreamKeys(address: PublishAddress): StreamKey[] {
	const name = splitAddress(address.streamName);
	const app = splitAddress(address.app);
	const url = splitAddress(address.tcUrl);
	// Encoders send the app separately; otherwise the address holds it.
	const path = app.segments.length > 0 ? app.segments : url.segments;
	const texts = [
		...KEY_PARAMETERS.flatMap((parameter) => [name, app, url].map(({ query }) => query.get(parameter))),
		name.password,
		url.password,
		name.segments.at(-1),
		...app.segments.slice(1).toReversed(),
		...url.segments.slice(1).toReversed(),
		...name.segments.slice(0, -1).toReversed(),
		path[0],
		url.user,
	];
	// Unchanged as well: keys chosen by hand may hold blanks or percent signs.
	const candidates = [
		...texts.map(normalizeKey),
		...texts.map((text) => trimKey(decodePercent(text ?? ''))),
		...texts.map((text) => text?.trim()),
	];
	const keys = new Set(
		candidates.filter((key) => key !== undefined && key !== '' && !PATH_WORDS.has(key.toLowerCase())),
	);
	return [...keys].filter((key) => key!.length <= MAX_KEY_LENGTH).slice(0, MAX_KEY_CANDIDATES) as StreamKey[];
}

type AddressParts = {
	segments: readonly string[];
	query: ReadonlyMap<string, string>;
	user: string | undefined;
	password: string | undefined;
};

// Not parsed as a URL: encoders pass the typed text, with quotes and blanks.
function splitAddress(text: string): AddressParts {
	const cut = text.slice(0, MAX_FIELD_LENGTH);
	// Some encoders escape the whole field, including the question mark.
	const whole = !cut.includes('?') && /%3f/i.test(cut) ? decodePercent(cut) : cut;
	const [, authority, rest] = /^\s*["'<]?\s*(?:[a-z]+:\/\/([^/?]*))?([^]*)$/i.exec(whole)!;
	const [path = '', ...queries] = rest!.split('?');
	const at = authority?.lastIndexOf('@') ?? -1;
	const [user, ...password] = at < 0 ? [] : authority!.slice(0, at).split(':');
	const segments = path.split('/', MAX_PART_COUNT).filter((segment) => normalizeKey(segment) !== undefined);
	// `key=KEY` as a stream name, without the question mark.
	const query = parseQuery([...queries, ...segments.filter((segment) => segment.includes('='))].join('&'));
	return { segments, query, user, password: at < 0 || password.length === 0 ? undefined : password.join(':') };
}

// Not URLSearchParams, which turns each plus sign into a blank.
function parseQuery(query: string): ReadonlyMap<string, string> {
	const parameters = new Map<string, string>();
	for (const parameter of query.split(/[&;]/, MAX_PART_COUNT)) {
		const at = parameter.indexOf('=');
		const name = parameter.slice(0, Math.max(0, at)).trim().toLowerCase().replaceAll(/[-_]/g, '');
		const value = parameter.slice(at + 1);
		if (!parameters.has(name) && normalizeKey(value) !== undefined) {
			parameters.set(name, value);
		}
	}
	return parameters;
}

// Copied keys come with blanks, line ends, quotes and invisible characters, escaped for an address, or with the options
// of librtmp after them.
function normalizeKey(text: string | undefined): string | undefined {
	const key = trimKey(decodePercent(trimKey(text ?? ''))).split(/\s/, 1)[0]!;
	if (key === '' || key.length > MAX_KEY_LENGTH) {
		return undefined;
	}
	return GENERATED_KEY.test(key) ? key.toLowerCase() : key;
}

function trimKey(text: string): string {
	// Line ends and tabs separate words; other control and format characters are invisible.
	const plain = text.replaceAll(/[^\S ]/gu, ' ').replaceAll(/[\p{Cc}\p{Cf}]/gu, '');
	let start = 0;
	let end = plain.length;
	// Not a regular expression, whose time is quadratic for many blanks in the middle.
	while (start < end && KEY_EDGES.includes(plain[start]!)) {
		start++;
	}
	while (end > start && KEY_EDGES.includes(plain[end - 1]!)) {
		end--;
	}
	return plain.slice(start, end);
}

function decodePercent(text: string): string {
	try {
		return decodeURIComponent(text);
	} catch {
		// A percent sign that escapes nothing is part of the text.
		return text;
	}
}
