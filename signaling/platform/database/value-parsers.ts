/** How column values become JavaScript values, pinned to be equal in both databases. Knows text forms only. */

/** Type ids of the columns that we use (PostgreSQL's pg_type.dat; they never change). */
const OID = {
	BOOL: 16,
	BYTEA: 17,
	INT8: 20,
	INT2: 21,
	INT4: 23,
	JSON: 114,
	FLOAT4: 700,
	FLOAT8: 701,
	DATE: 1082,
	TIMESTAMP: 1114,
	TIMESTAMPTZ: 1184,
	INTERVAL: 1186,
	NUMERIC: 1700,
	JSONB: 3802,
} as const;

/** Type id → parser of the text form. Types that are missing here stay text. */
export const VALUE_PARSERS: Readonly<Record<number, (text: string) => unknown>> = {
	[OID.BOOL]: (text) => text === 't' || text === 'true',
	[OID.BYTEA]: (text) => new Uint8Array(Buffer.from(text.slice(2), 'hex')),
	[OID.INT8]: parseInt8,
	[OID.INT2]: Number,
	[OID.INT4]: Number,
	[OID.FLOAT4]: Number,
	[OID.FLOAT8]: Number,
	[OID.JSON]: (text) => JSON.parse(text) as unknown,
	[OID.JSONB]: (text) => JSON.parse(text) as unknown,
	// Stays text, because a Date would be midnight in some zone, and another day in the next.
	[OID.DATE]: (text) => text,
	[OID.TIMESTAMP]: (text) => new Date(`${text.replace(' ', 'T')}Z`),
	[OID.TIMESTAMPTZ]: parseTimestampTz,
	[OID.INTERVAL]: (text) => text,
	// Stays text, because a number would lose digits.
	[OID.NUMERIC]: (text) => text,
};

// Counts and milliseconds fit a number; what does not stays exact as a bigint instead of becoming wrong.
function parseInt8(text: string): number | bigint {
	const value = Number(text);
	return Number.isSafeInteger(value) ? value : BigInt(text);
}

// "2026-01-01 00:00:00.123456+00" or "…+05:30": ISO 8601 wants a T and minutes in the offset.
function parseTimestampTz(text: string): Date {
	return new Date(text.replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00'));
}
