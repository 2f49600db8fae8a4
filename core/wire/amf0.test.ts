/** Tests of AMF0. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { damaged, expectOnlyError } from '../testing/untrusted-bytes.ts';
import { amf0Object, decodeAmf0, encodeAmf0, MAX_AMF0_DEPTH, MAX_AMF0_VALUE_COUNT, type Amf0Value } from './amf0.ts';
import { hex } from './rtmp/testing/encoder-double.ts';

const { value: anyValue } = fc.letrec<{ value: Amf0Value }>((tie) => ({
	value: fc.oneof(
		{ maxDepth: 4 },
		fc.double(),
		fc.boolean(),
		fc.string({ unit: 'grapheme', maxLength: 40 }),
		fc.constant(null),
		fc.constant(undefined),
		fc.array(tie('value'), { maxLength: 4 }),
		fc
			.array(fc.tuple(fc.string({ minLength: 1, maxLength: 8 }), tie('value')), { maxLength: 4 })
			.map((entries) => new Map(entries)),
	),
}));

describe('decodeAmf0', () => {
	it('reads any output of encodeAmf0', () => {
		fc.assert(
			fc.property(fc.array(anyValue, { maxLength: 5 }), (values) => {
				expect(decodeAmf0(encodeAmf0(values))).toEqual(values);
			}),
		);
	});

	it('throws only protocol errors for any bytes, and for any cut or damaged message', () => {
		const fields = amf0Object({ app: 'live', list: ['a', 1], nested: amf0Object({ x: null }) });
		const real = encodeAmf0(['connect', 1, fields]);
		const cut = fc.nat(real.length).map((length) => real.subarray(0, length));
		const leading = fc
			.tuple(fc.constantFrom(3, 8, 10, 12, 16, 2), fc.uint8Array({ maxLength: 60 }))
			.map(([marker, rest]) => Uint8Array.of(marker, ...rest));
		fc.assert(
			fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), damaged(real), cut, leading), (bytes) => {
				expectOnlyError('RTMP_PROTOCOL_ERROR', () => expect(Array.isArray(decodeAmf0(bytes))).toBe(true));
			}),
			{ numRuns: 3000 },
		);
	});

	it.each([
		['ECMA array with a wrong count', '08 00000000 0001 61 0101 0000 09', [amf0Object({ a: true })]],
		['date with its time zone', '0b 4059000000000000 0000', [100]],
		['long string', '0c 00000003 616263', ['abc']],
		['XML document', '0f 00000002 3c3e', ['<>']],
		['typed object', '10 0001 54 0001 61 05 0000 09', [amf0Object({ a: null })]],
		['unsupported and undefined', '0d 06', [undefined, undefined]],
		['repeated key', '03 0001 61 0100 0001 61 0101 0000 09', [amf0Object({ a: true })]],
		['empty key that is not the end', '03 0000 0101 0000 09', [new Map([['', true]])]],
		['nothing', '', []],
	])('reads %s', (_name, bytes, values) => {
		expect(decodeAmf0(hex(bytes))).toEqual(values);
	});

	it('keeps __proto__ as an ordinary key', () => {
		const bytes = encodeAmf0([new Map<string, Amf0Value>([['__proto__', amf0Object({ polluted: true })]])]);
		const [decoded] = decodeAmf0(bytes);
		expect(decoded).toBeInstanceOf(Map);
		expect([...(decoded as Map<string, Amf0Value>).keys()]).toEqual(['__proto__']);
		expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
	});

	it.each([
		['a string that is cut', '02 0005 6162', /ends inside/],
		['a long string that claims 4 GB', '0c ffffffff 61', /string of 4294967295 bytes/],
		['a strict array of 0xffffffff', '0a ffffffff 05', /array of 4294967295 values in 1 bytes/],
		['a reference', '07 0001', /type 0x7/],
		['an AMF3 value of an unknown kind', '11 0d', /type 0xd/],
		['a movie clip', '04', /type 0x4/],
		['an object without end', '03 0001 61 05', /ends inside/],
		['30 000 nested objects, without a stack overflow', '03 0001 61'.repeat(30_000), /nested deeper/],
		['30 000 nested arrays, without a stack overflow', '0a 00000001'.repeat(30_000), /nested deeper/],
	])('RX-5 refuses %s', (_name, bytes, message) => {
		expect(() => decodeAmf0(hex(bytes))).toThrow(message);
	});

	it('accepts the deepest nesting and the most values allowed, and no more', () => {
		const nest = (depth: number): Amf0Value => (depth === 0 ? null : [nest(depth - 1)]);
		expect(() => decodeAmf0(encodeAmf0([nest(MAX_AMF0_DEPTH)]))).not.toThrow();
		expect(() => decodeAmf0(encodeAmf0([nest(MAX_AMF0_DEPTH + 1)]))).toThrow(/nested deeper/);
		expect(decodeAmf0(encodeAmf0(Array<null>(MAX_AMF0_VALUE_COUNT).fill(null)))).toHaveLength(MAX_AMF0_VALUE_COUNT);
		expect(() => decodeAmf0(encodeAmf0(Array<null>(MAX_AMF0_VALUE_COUNT + 1).fill(null)))).toThrow(
			/more than 1000 values/,
		);
	});
});

describe('encodeAmf0', () => {
	it('writes the forms of the specification', () => {
		const bytes = encodeAmf0(['ab', 1, true, null, undefined, amf0Object({ k: 'v' }), [false]]);
		expect(bytes).toEqual(hex('0200026162 003ff0000000000000 0101 05 06 0300016b02000176000009 0a000000010100'));
	});

	it('rejects a string that does not fit', () => {
		expect(() => encodeAmf0(['x'.repeat(65_536)])).toThrow(TypeError);
	});
});
