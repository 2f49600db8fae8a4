/** Reads a number from a form field. Pure. */

/** Null for an empty field; undefined for anything but a whole number within the bounds. */
export function readWholeNumber(text: string, min: number, max: number): number | null | undefined {
	const trimmed = text.trim();
	if (trimmed === '') {
		return null;
	}
	const value = /^\d{1,9}$/.test(trimmed) ? Number(trimmed) : Number.NaN;
	return value >= min && value <= max ? value : undefined;
}
