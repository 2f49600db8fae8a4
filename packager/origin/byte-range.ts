/** Reads a Range header (RFC 9110 §14). Pure. */

/** The bytes to send, end not included; `whole` without a range that is understood; `none` when no byte is in it. */
export type ByteRange = { kind: 'whole' } | { kind: 'part'; startByte: number; endByte: number } | { kind: 'none' };

/**
 * One range of a body of that size. Anything else that may stand there, several ranges above all, is answered with the whole body,
 * as §14.2 allows: "A server MAY ignore the Range header field."
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
