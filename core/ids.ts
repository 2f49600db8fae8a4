/** Branded identifiers, so that a channel id is never passed as a broadcast id, and the functions that make them. */
declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** Permanent id of a channel in the database and the API. Pages and media address a channel by its name. */
export type ChannelId = Branded<'ChannelId'>;
/** Unique, lower-case name of a channel; part of its addresses. Made by {@link parseChannelName} only. */
export type ChannelName = Branded<'ChannelName'>;
/** One live session of a channel; never reused, part of the LL-HLS addresses. */
export type BroadcastId = Branded<'BroadcastId'>;
/** One publisher's connection, by WHIP or RTMP. */
export type PublisherId = Branded<'PublisherId'>;
/** One viewer's session in either tier. */
export type ViewerId = Branded<'ViewerId'>;
/** The secret that lets its holder publish to a channel. Never logged, never part of a message. */
export type StreamKey = Branded<'StreamKey'>;

/** Crockford's base 32. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/**
 * Makes a sortable id: 10 characters of epoch milliseconds, then 80 random bits (as a ULID). Not a secret; use
 * {@link createSecret} for those.
 */
export function createId<Id extends string>(nowMs: number): Id {
	let rest = Math.floor(nowMs);
	let time = '';
	for (let index = 0; index < 10; index++) {
		time = ALPHABET[rest % 32]! + time;
		rest = Math.floor(rest / 32);
	}
	return (time + randomText(16)) as Id;
}

/** Characters of 5 random bits each; all are equally likely, because 32 divides 256. */
function randomText(length: number): string {
	return Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte) => ALPHABET[byte % 32]!).join('');
}

/** Epoch milliseconds in an id of {@link createId}; undefined for other text. */
export function idTimeMs(id: string): number | undefined {
	if (!/^[0-7][0-9a-hjkmnp-tv-z]{25}$/.test(id)) {
		return undefined;
	}
	return [...id.slice(0, 10)].reduce((timeMs, character) => timeMs * 32 + ALPHABET.indexOf(character), 0);
}

/** Makes an unguessable secret of 160 bits, safe in URLs and in OBS's text fields. */
export function createSecret(prefix: string): string {
	return `${prefix}_${randomText(32)}`;
}

/** Names that no channel can have, because they are or may become the first part of a route. @internal for tests */
export const RESERVED_CHANNEL_NAMES: ReadonlySet<string> = new Set([
	'about',
	'admin',
	'api',
	'assets',
	'categories',
	'chat',
	'clips',
	'dashboard',
	'embed',
	'favicon.ico',
	'following',
	'healthz',
	'help',
	'hls',
	'index.html',
	'live',
	'login',
	'logout',
	'metrics',
	'readyz',
	'robots.txt',
	'search',
	'settings',
	'sign-up',
	'signup',
	'static',
	'videos',
	'vod',
	'whep',
	'whip',
	'ws',
]);

const CHANNEL_NAME_PATTERN = /^[a-z0-9][a-z0-9_-]{1,24}$/;

/** The reason why a text cannot be a channel name, as the end of a sentence; undefined when it can be one. */
export function explainChannelName(text: string): string | undefined {
	if (parseChannelName(text) !== undefined) {
		return undefined;
	}
	return RESERVED_CHANNEL_NAMES.has(text.toLowerCase())
		? `"${text.toLowerCase()}" is reserved, because it is or may become a page; choose another name`
		: 'a name has 2–25 letters of a–z, digits, "_" or "-", and begins with a letter or a digit';
}

/** Returns the name in lower case, or undefined when it is none (2–25 of a–z, 0–9, "_", "-"; not reserved). */
export function parseChannelName(text: string): ChannelName | undefined {
	// Checked before lower-casing, which turns some letters of other alphabets into a–z.
	const name = /^[A-Za-z0-9_-]+$/.test(text) ? text.toLowerCase() : '';
	return CHANNEL_NAME_PATTERN.test(name) && !RESERVED_CHANNEL_NAMES.has(name) ? (name as ChannelName) : undefined;
}
