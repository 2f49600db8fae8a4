/** Tests of AMF3 values within AMF0 messages. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SpillwayError } from '../errors/errors.ts';
import { expectOnlyError } from '../testing/untrusted-bytes.ts';
import { decodeAmf0, encodeAmf0, MAX_AMF0_VALUE_COUNT, type Amf0Value } from './amf0.ts';
import { parseCommand, parseMetadata } from './rtmp/rtmp-commands.ts';
import { MESSAGE_TYPE } from './rtmp/rtmp-messages.ts';
import { concat, hex } from './rtmp/testing/encoder-double.ts';

const decode = (text: string): Amf0Value[] => decodeAmf0(hex(text));

/** U29 (AMF3 §1.3.1). */
function u29(value: number): Uint8Array {
	return value < 0x80
		? Uint8Array.of(value)
		: value < 0x4000
			? Uint8Array.of((value >> 7) | 0x80, value & 0x7f)
			: value < 0x20_0000
				? Uint8Array.of((value >> 14) | 0x80, ((value >> 7) & 0x7f) | 0x80, value & 0x7f)
				: Uint8Array.of(
						((value >> 22) & 0x7f) | 0x80,
						((value >> 15) & 0x7f) | 0x80,
						((value >> 8) & 0x7f) | 0x80,
						value & 0xff,
					);
}

const text = (value: string): Uint8Array => concat(u29((value.length << 1) | 1), new Uint8Array(Buffer.from(value)));

describe('AMF3 values in AMF0', () => {
	it.each([
		['undefined', '11 00', undefined],
		['null', '11 01', null],
		['false', '11 02', false],
		['true', '11 03', true],
		['a small integer', '11 04 7f', 127],
		['an integer of two bytes', '11 04 8240', 320],
		['a negative integer', '11 04 ffffffff', -1],
		['a double', '11 05 3ff8000000000000', 1.5],
		['a string', '11 06 07 414952', 'AIR'],
		['a date', '11 08 01 0000000000000000', 0],
		['bytes, skipped', '11 0c 05 aabb', undefined],
		['a dense array', '11 09 05 01 04 01 04 02', [1, 2]],
		['an array with names', '11 09 01 03 61 04 01 01', new Map([['a', 1]])],
		['a dynamic object', '11 0a 0b 01 03 61 04 01 01', new Map([['a', 1]])],
		['an object of a class', '11 0a 13 01 03 61 04 01', new Map([['a', 1]])],
		['a string by reference', '11 09 05 01 06 03 61 06 00', ['a', 'a']],
		['a reference to a value as undefined', '11 09 03 01 09 00', [undefined]],
	])('reads %s', (_name, bytes, value) => {
		expect(decode(bytes)).toEqual([value]);
	});

	it('continues in AMF0 after the value', () => {
		expect(decode('11 0401 0101')).toEqual([1, true]);
	});

	it.each([
		['a cut integer', '11 04 80'],
		['a string past the end', '11 06 ff7f 41'],
		['a string that was not sent', '11 06 02'],
		['a class that was not described', '11 0a 05'],
		['an object with a custom encoding', '11 0a 07 01'],
		['a long string', '11 06 c08001'],
		['an array of a billion', '11 09 ffffffff 01'],
		['deep nesting', `11 ${'09 03 01'.repeat(40)}`],
	])('refuses %s', (_name, bytes) => {
		expect(() => decode(bytes)).toThrow(SpillwayError);
	});

	it('reads any object of an ActionScript publisher', () => {
		const name = fc.stringMatching(/^[a-z]{1,12}$/);
		const value = fc.oneof(fc.integer({ min: 0, max: 2 ** 28 - 1 }), fc.boolean(), fc.stringMatching(/^[a-z]{0,20}$/));
		fc.assert(
			fc.property(fc.dictionary(name, value, { maxKeys: 12 }), (fields) => {
				const members = Object.entries(fields).map(([key, item]) =>
					concat(
						text(key),
						typeof item === 'number'
							? concat(Uint8Array.of(4), u29(item))
							: typeof item === 'boolean'
								? Uint8Array.of(item ? 3 : 2)
								: concat(Uint8Array.of(6), text(item)),
					),
				);
				const bytes = concat(hex('11 0a 0b 01'), ...members, hex('01'));
				expect(decodeAmf0(bytes)).toEqual([new Map(Object.entries(fields))]);
			}),
			{ numRuns: 200 },
		);
	});

	it('throws only protocol errors, and never returns more values than the limit', () => {
		const noise = fc.uint8Array({ maxLength: 200 });
		const start = fc.constantFrom(hex('11 0a 0b 01'), hex('11 09 7f 01'), hex('11 0a 63 01'), hex('11'));
		const count = (value: Amf0Value): number =>
			1 +
			(value instanceof Map ? [...value.values()] : Array.isArray(value) ? value : []).reduce<number>(
				(sum, item) => sum + count(item),
				0,
			);
		fc.assert(
			fc.property(start, noise, (head, rest) => {
				let total = 0;
				expectOnlyError('RTMP_PROTOCOL_ERROR', () =>
					decodeAmf0(concat(head, rest)).forEach((value) => (total += count(value))),
				);
				expect(total).toBeLessThanOrEqual(MAX_AMF0_VALUE_COUNT);
			}),
			{ numRuns: 1000 },
		);
	});
});

describe('parseMetadata, odd forms', () => {
	const fields = new Map<string, Amf0Value>([['width', 320]]);
	const message = (values: readonly Amf0Value[], typeId: number = MESSAGE_TYPE.DATA_AMF0) => ({
		typeId,
		timestampMs: 0,
		messageStreamId: 1,
		payload: encodeAmf0(values),
	});

	it.each([
		[['@setDataFrame', 'onMetaData', fields]],
		[['onMetaData', fields]],
		[['@setDataFrame', fields]],
		[['@setDataFrame', 0, 'onMetaData', fields]],
		[['onMetaData', null, fields]],
		[['@setDataFrame', 'onMetaData', 0, fields]],
	])('finds it in %j', (values) => {
		expect(parseMetadata(message(values))).toEqual({ width: 320 });
	});

	it.each([
		[['@setDataFrame', 'onTextData', fields]],
		[['onMetaData', 'text']],
		[['|RtmpSampleAccess', true, true]],
		[[]],
	])('finds none in %j', (values) => {
		expect(parseMetadata(message(values))).toBeUndefined();
	});

	it('reads an AMF3 message with and without the format byte', () => {
		const { payload } = message(['onMetaData', fields]);
		for (const body of [payload, concat(hex('00'), payload)]) {
			expect(parseMetadata({ ...message([]), typeId: MESSAGE_TYPE.DATA_AMF3, payload: body })).toEqual({ width: 320 });
		}
		const command = { ...message(['releaseStream', 2, null, 'x']), typeId: MESSAGE_TYPE.COMMAND_AMF3 };
		expect(parseCommand(command)).toMatchObject({ name: 'releaseStream', transactionId: 2 });
	});

	it('reads the metadata of an AIR publisher', () => {
		const air =
			hex(`00 02 000d ${Buffer.from('@setDataFrame').toString('hex')} 02 000a ${Buffer.from('onMetaData').toString('hex')}
			11 0a 0b 01 0b ${Buffer.from('width').toString('hex')} 04 8240 0f ${Buffer.from('encoder').toString('hex')} 06 07 414952 01`);
		expect(parseMetadata({ ...message([]), typeId: MESSAGE_TYPE.DATA_AMF3, payload: air })).toEqual({
			width: 320,
			encoder: 'AIR',
		});
	});
});
