/** One line of IRC with IRCv3 message tags: bytes in, fields out, and back. Knows nothing of chat. */

/** A line. */
export type IrcMessage = {
	/** Unescaped; a tag without a value has the empty one. */
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

/** Reads a line without its end. Undefined for what is none, or is too long. Never throws. */
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

/** A line to be written. */
export type OutgoingIrcMessage = {
	tags?: Readonly<Record<string, string>>;
	prefix?: string | undefined;
	command: string;
	/** Names, numbers, channels. A space or a leading colon in them would be taken for something else. */
	params?: readonly string[];
	/**
	 * Text, the last parameter. Always written with a colon, though RFC 1459 asks for it only where there is a space:
	 * Twitch always writes it, and many bots look for it (`PRIVMSG #\w+ :(.+)`), so that `!uptime` without it reaches
	 * none of them.
	 */
	trailing?: string;
};

/** Writes a line without its end. What would end it or be taken for something else is made harmless. */
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
	// Without a prototype: a tag called "__proto__" is just a tag.
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
