/** Parses and formats one line of IRC with IRCv3 message tags. Independent of chat. */

export type IrcMessage = {
	/** Unescaped; a tag without a value is empty. */
	tags: Readonly<Record<string, string>>;
	prefix: string | undefined;
	/** Upper case. */
	command: string;
	params: readonly string[];
};

/** IRCv3 message tags: clients may send 4094 bytes of them. */
const MAX_TAGS_LENGTH = 4094;
/** RFC 1459 allows 512 bytes; chat messages here are 500 characters, which may be 4 bytes each. */
const MAX_REST_LENGTH = 2200;
/** RFC 2812 §2.3.1. */
const MAX_PARAMS = 15;
const MAX_TAGS = 64;

// https://ircv3.net/specs/extensions/message-tags#escaping-values
const ESCAPES: Readonly<Record<string, string>> = { ';': '\\:', ' ': '\\s', '\\': '\\\\', '\r': '\\r', '\n': '\\n' };
const UNESCAPES: Readonly<Record<string, string>> = { ':': ';', s: ' ', '\\': '\\', r: '\r', n: '\n' };

/** `line`: without its end. Undefined for a malformed or too long one. Never throws. */
export function parseIrcMessage(line: string): IrcMessage | undefined {
	let rest = line;
	let tags: Record<string, string> = {};
	if (rest.startsWith('@')) {
		const end = rest.indexOf(' ');
		if (end === -1 || end > MAX_TAGS_LENGTH) {
			return undefined;
		}
		tags = parseTags(rest.slice(1, end));
		rest = rest.slice(end + 1).replace(/^ +/, '');
	}
	if (rest.length > MAX_REST_LENGTH || /[\u0000\r\n]/.test(rest)) {
		return undefined;
	}
	let prefix: string | undefined;
	if (rest.startsWith(':')) {
		const end = rest.indexOf(' ');
		if (end <= 1) {
			return undefined;
		}
		prefix = rest.slice(1, end);
		rest = rest.slice(end + 1).replace(/^ +/, '');
	}
	const match = /^([A-Za-z]{1,32}|\d{3})(?: +|$)/.exec(rest);
	if (match === null) {
		return undefined;
	}
	return { tags, prefix, command: match[1]!.toUpperCase(), params: parseParams(rest.slice(match[0].length)) };
}

export type OutgoingIrcMessage = {
	tags?: Readonly<Record<string, string>>;
	prefix?: string | undefined;
	command: string;
	/** Names, numbers, channels. Spaces and leading colons are replaced, because they separate parameters. */
	params?: readonly string[];
	/**
	 * The last parameter. Always written with a colon, although RFC 1459 requires it only before a text with spaces.
	 * Twitch always writes it, and many bots match `PRIVMSG #\w+ :(.+)`, so they miss `!uptime` without it.
	 */
	trailing?: string;
};

/** Returns a line without its end. Line ends and separators in the values are replaced. */
export function formatIrcMessage(message: OutgoingIrcMessage): string {
	const tags = Object.entries(message.tags ?? {}).map(([key, value]) => `${key}=${escapeTag(value)}`);
	const params = (message.params ?? []).map((param) => param.replace(/[\u0000\r\n ]+/g, '_').replace(/^:/, '_') || '*');
	return [
		...(tags.length > 0 ? [`@${tags.join(';')}`] : []),
		...(message.prefix === undefined ? [] : [`:${message.prefix}`]),
		message.command,
		...params,
		...(message.trailing === undefined ? [] : [`:${message.trailing.replace(/[\u0000\r\n]+/g, ' ')}`]),
	].join(' ');
}

function parseTags(text: string): Record<string, string> {
	// Without a prototype, "__proto__" is an ordinary tag.
	const tags = Object.create(null) as Record<string, string>;
	for (const part of text.split(';').slice(0, MAX_TAGS)) {
		const equals = part.indexOf('=');
		const key = equals === -1 ? part : part.slice(0, equals);
		if (key !== '') {
			tags[key] = equals === -1 ? '' : unescapeTag(part.slice(equals + 1));
		}
	}
	return tags;
}

function parseParams(text: string): string[] {
	const params: string[] = [];
	let rest = text;
	while (rest !== '') {
		if (rest.startsWith(':')) {
			params.push(rest.slice(1));
			break;
		}
		if (params.length === MAX_PARAMS - 1) {
			params.push(rest);
			break;
		}
		const end = rest.indexOf(' ');
		if (end === -1) {
			params.push(rest);
			break;
		}
		params.push(rest.slice(0, end));
		rest = rest.slice(end + 1).replace(/^ +/, '');
	}
	return params;
}

function escapeTag(value: string): string {
	return value.replace(/\u0000/g, '').replace(/[; \\\r\n]/g, (character) => ESCAPES[character]!);
}

function unescapeTag(value: string): string {
	// "If a lone \ exists at the end of an escaped value [...] then there SHOULD be no output character."
	return value.replace(/\\(.?)/gs, (_whole, character: string) => UNESCAPES[character] ?? character);
}
