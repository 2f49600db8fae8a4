/** Which compressed form of a body a request takes (RFC 9110 §12.5.3). Pure. */

/** What is offered besides the plain body, the smallest first. */
const CODINGS = ['br', 'gzip'] as const;
/** A compressed form. */
export type ContentCoding = (typeof CODINGS)[number];

/** Requests of a broadcast have a few different headers between them, and thousands come a second. */
const KNOWN = new Map<string, ContentCoding | undefined>();
const MAX_KNOWN = 64;
const MAX_LENGTH = 256;

/** The smallest form that the header of Accept-Encoding allows, by name or by "*"; undefined: the plain one. */
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
