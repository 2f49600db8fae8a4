/** Parses the text form of column values into JavaScript values, equally for both databases. */

/** Type ids of the columns in use (PostgreSQL's pg_type.dat; they never change). */
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

/** Parsers by type id. Other types stay text. */
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
	// Stays text, because a Date is midnight in one time zone and another day in the next.
	[OID.DATE]: (text) => text,
	[OID.TIMESTAMP]: (text) => new Date(`${text.replace(' ', 'T')}Z`),
	[OID.TIMESTAMPTZ]: parseTimestampTz,
	[OID.INTERVAL]: (text) => text,
	// Stays text, because a number loses digits.
	[OID.NUMERIC]: (text) => text,
};

// Counts and milliseconds fit a number; larger values stay exact as a bigint.
function parseInt8(text: string): number | bigint {
	const value = Number(text);
	return Number.isSafeInteger(value) ? value : BigInt(text);
}

// "2026-01-01 00:00:00.123456+00" or "…+05:30": ISO 8601 requires a T and minutes in the offset.
function parseTimestampTz(text: string): Date {
	return new Date(text.replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00'));
}
