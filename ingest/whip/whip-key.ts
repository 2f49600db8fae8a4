/** Finds the stream key in any part of a WHIP request. Pure; its input is secret. */
import type { StreamKey } from '../../core/ids.ts';

/** Header and query as Fastify gives them. @internal for tests */
export type WhipKeySources = {
	authorization: string | undefined;
	query: unknown;
	/** Parts of the address behind `/whip/`. */
	pathParts?: readonly string[];
};

export type WhipKeys = {
	/** The likeliest first. */
	candidates: StreamKey[];
	/** True when the header holds one of them, which a client then sends with every request. */
	isInHeader: boolean;
};

/** Each candidate is a guess. */
const MAX_CANDIDATES = 3;
/** Longer ones are not ours. */
const MAX_KEY_LENGTH = 512;
/** Names of query parameters, in lower case without separators. */
const KEY_PARAMETERS = new Set(['key', 'token', 'streamkey', 'accesstoken', 'bearertoken', 'authorization']);
/** Parts of addresses that are copied from other servers' settings. */
const NO_KEYS = new Set(['live', 'app', 'publish', 'endpoint']);

/** Reads the header, then the query, then the path. */
export function findWhipKeys({ authorization, query, pathParts = [] }: WhipKeySources): WhipKeys {
	const inHeader = keysOfHeader(authorization ?? '');
	const inPath = pathParts.toReversed().filter((part) => !NO_KEYS.has(part.toLowerCase()));
	const all = [...inHeader, ...keysOfQuery(query), ...inPath].map(cleanKey).filter((key) => key !== undefined);
	return { candidates: [...new Set(all)].slice(0, MAX_CANDIDATES), isInHeader: inHeader.length > 0 };
}

// RFC 6750 §2.1 has "Bearer", and RFC 9110 §11.1 allows schemes in any case. Encoders with a field for the whole header
// send the key alone, the word twice, a colon after it, or "Token". Those with user and password send Basic (RFC 7617
// §2).
function keysOfHeader(header: string): string[] {
	const value = header.trim().replace(/^(?:(?:bearer|token)\s*[:\s]\s*)+/i, '');
	const basic = /^basic\s+([\w+/=-]+)$/i.exec(value);
	if (basic === null) {
		return value === '' || /^(?:bearer|token|basic)$/i.test(value) ? [] : [value];
	}
	const text = Buffer.from(basic[1]!, 'base64').toString('utf8');
	const colon = text.indexOf(':');
	const [user, password] = colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)];
	return [password, user].filter((part) => part.trim() !== '');
}

function keysOfQuery(query: unknown): string[] {
	return Object.entries((query ?? {}) as Record<string, unknown>)
		.filter(([name]) => KEY_PARAMETERS.has(name.toLowerCase().replaceAll(/[_-]/g, '')))
		.flatMap(([, value]) => value)
		.filter((value) => typeof value === 'string')
		.flatMap(keysOfHeader);
}

// Keys are copied by hand, often with a blank, a line end or quotes.
function cleanKey(text: string): StreamKey | undefined {
	const key = text.trim().replace(/^(["'<])(.*)(["'>])$/, '$2');
	return /^[\x21-\x7e]+$/.test(key) && key.length <= MAX_KEY_LENGTH ? (key as StreamKey) : undefined;
}
