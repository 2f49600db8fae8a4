/** For property tests of parsers: damaged input, and the only kind of error that they may throw. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { SpillwayError, type ErrorCode } from '../errors/errors.ts';

/** One of these inputs with one to eight changed bytes. */
export function damaged(...inputs: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
	const change = fc.tuple(fc.nat(2000), fc.nat(255));
	return fc
		.tuple(fc.constantFrom(...inputs), fc.array(change, { minLength: 1, maxLength: 8 }))
		.map(([input, changes]) => {
			const bytes = input.slice();
			changes.forEach(([at, value]) => (bytes[at % bytes.length] = value));
			return bytes;
		});
}

/** Runs a parser; fails when it throws anything but a SpillwayError with this code. */
export function expectOnlyError(code: ErrorCode, parse: () => unknown): void {
	try {
		parse();
	} catch (error) {
		expect(error).toBeInstanceOf(SpillwayError);
		expect((error as SpillwayError).code).toBe(code);
	}
}
