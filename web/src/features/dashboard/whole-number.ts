/** Reads a number that somebody typed. Pure. */

/** Null for nothing typed; undefined for what is no whole number within the bounds. */
export function readWholeNumber(text: string, min: number, max: number): number | null | undefined {
	const trimmed = text.trim();
	if (trimmed === '') {
		return null;
	}
	const value = /^\d{1,9}$/.test(trimmed) ? Number(trimmed) : Number.NaN;
	return value >= min && value <= max ? value : undefined;
}
