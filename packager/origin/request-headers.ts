/** What a request's headers ask for: a compressed form (RFC 9110 §12.5.3), a range of bytes (§14). Pure. */

/** What is offered besides the plain body, the smallest first. */
const CODINGS = ['br', 'gzip'] as const;
export type ContentCoding = (typeof CODINGS)[number];

/** A broadcast's requests have few different headers, and thousands come a second. */
const KNOWN = new Map<string, ContentCoding | undefined>();
const MAX_KNOWN = 64;
const MAX_LENGTH = 256;

/** The smallest coding that Accept-Encoding allows, by name or by "*"; undefined: the plain body. */
export function chooseCoding(header: string | string[] | undefined): ContentCoding | undefined {
	const text = String(header ?? '').slice(0, MAX_LENGTH);
	if (KNOWN.has(text)) {
		return KNOWN.get(text);
	}
	const weights = readWeights(text);
	const coding = CODINGS.find((name) => (weights.get(name) ?? weights.get('*') ?? 0) > 0);
	if (KNOWN.size < MAX_KNOWN) {
		KNOWN.set(text, coding);
	}
	return coding;
}

function readWeights(text: string): Map<string, number> {
	const weights = new Map<string, number>();
	for (const entry of text.toLowerCase().split(',')) {
		const [name = '', ...parameters] = entry.split(';').map((part) => part.trim());
		const weight = parameters.find((part) => part.startsWith('q='));
		weights.set(name, weight === undefined ? 1 : Number(weight.slice(2)));
	}
	return weights;
}

/** The bytes to send, end excluded; `whole` without a range that is understood; `none` when it contains no byte. */
type ByteRange = { kind: 'whole' } | { kind: 'part'; startByte: number; endByte: number } | { kind: 'none' };

/**
 * One range of a body of that size. Anything else, such as several ranges, is answered with the whole body, as §14.2
 * allows: "A server MAY ignore the Range header field."
 */
export function readByteRange(header: string | undefined, sizeBytes: number): ByteRange {
	const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/i.exec(header?.trim() ?? '') ?? [];
	if (first === undefined || last === undefined || (first === '' && last === '')) {
		return { kind: 'whole' };
	}
	if (first === '') {
		const startByte = Math.max(0, sizeBytes - Number(last));
		return startByte < sizeBytes ? { kind: 'part', startByte, endByte: sizeBytes } : { kind: 'none' };
	}
	const startByte = Number(first);
	const endByte = last === '' ? sizeBytes : Math.min(sizeBytes, Number(last) + 1);
	if (last !== '' && Number(last) < startByte) {
		return { kind: 'whole' };
	}
	return startByte < sizeBytes ? { kind: 'part', startByte, endByte } : { kind: 'none' };
}
