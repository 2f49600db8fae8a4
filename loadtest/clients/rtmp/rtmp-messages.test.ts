/** Tests of RTMP chunking: round trips in any slicing, extended timestamps, and bytes of strangers. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatAmf0, parseAmf0 } from './amf0-values.ts';
import { formatRtmpMessage, type RtmpMessage, RtmpMessageReader } from './rtmp-messages.ts';

const arbitraryMessage = fc.record({
	type: fc.constantFrom(8, 9, 18, 20),
	timestampMs: fc.oneof(fc.integer({ min: 0, max: 100_000 }), fc.integer({ min: 0xfffffe, max: 0xffffffff })),
	streamId: fc.integer({ min: 0, max: 5 }),
	body: fc.uint8Array({ minLength: 1, maxLength: 700 }),
});

function plain(messages: readonly RtmpMessage[]): unknown[] {
	return messages.map((message) => ({ ...message, body: [...message.body] }));
}

describe('RTMP messages', () => {
	it('come back whole, however the bytes are sliced', () => {
		fc.assert(
			fc.property(
				fc.array(arbitraryMessage, { maxLength: 6 }),
				fc.integer({ min: 1, max: 900 }),
				(messages, sliceBytes) => {
					const bytes = Buffer.concat(
						messages.map((message, index) => formatRtmpMessage(message, 3 + (index % 3), 128)),
					);
					const reader = new RtmpMessageReader();
					const read: RtmpMessage[] = [];
					for (let offset = 0; offset < bytes.length; offset += sliceBytes) {
						read.push(...reader.push(bytes.subarray(offset, offset + sliceBytes)));
					}
					expect(plain(read)).toEqual(plain(messages));
				},
			),
		);
	});

	it('takes the chunk size that the other side announces', () => {
		const size = Buffer.alloc(4);
		size.writeUInt32BE(4096);
		const large: RtmpMessage = { type: 20, timestampMs: 0, streamId: 0, body: new Uint8Array(3000).fill(7) };
		const reader = new RtmpMessageReader();
		reader.push(formatRtmpMessage({ type: 1, timestampMs: 0, streamId: 0, body: size }, 2, 128));
		expect(plain(reader.push(formatRtmpMessage(large, 3, 4096)))).toEqual(plain([large]));
	});

	it('reads the shorter headers that servers use', () => {
		const reader = new RtmpMessageReader();
		const first = Buffer.from('04 00000a 000003 08 01000000 aabbcc'.replaceAll(' ', ''), 'hex');
		const sameStream = Buffer.from('44 000005 000002 08 ddee'.replaceAll(' ', ''), 'hex');
		const sameLength = Buffer.from('84 000007 0102'.replaceAll(' ', ''), 'hex');
		const same = Buffer.from('c4 0304'.replaceAll(' ', ''), 'hex');
		const read = reader.push(Buffer.concat([first, sameStream, sameLength, same]));
		expect(read.map(({ timestampMs, body }) => [timestampMs, Buffer.from(body).toString('hex')])).toEqual([
			[10, 'aabbcc'],
			[15, 'ddee'],
			[22, '0102'],
			[29, '0304'],
		]);
		expect(read.every(({ streamId, type }) => streamId === 1 && type === 8)).toBe(true);
	});

	it('throws nothing but RangeError for bytes of strangers', () => {
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
				try {
					new RtmpMessageReader().push(bytes);
				} catch (error) {
					expect(error).toBeInstanceOf(RangeError);
				}
			}),
			{ numRuns: 500 },
		);
	});
});

describe('AMF0', () => {
	const arbitraryValue = fc.letrec((tie) => ({
		value: fc.oneof(
			{ maxDepth: 3 },
			fc.double({ noNaN: true }),
			fc.boolean(),
			fc.string(),
			fc.constant(null),
			fc.dictionary(fc.string({ minLength: 1 }), tie('value'), { maxKeys: 3 }),
		),
	})).value;

	it('round-trips', () => {
		fc.assert(
			fc.property(fc.array(arbitraryValue, { maxLength: 4 }), (values) => {
				const again = parseAmf0(formatAmf0(values as never));
				expect(formatAmf0(again)).toEqual(formatAmf0(values as never));
			}),
		);
	});

	it('throws nothing but RangeError for bytes of strangers', () => {
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
				try {
					parseAmf0(bytes);
				} catch (error) {
					expect(error).toBeInstanceOf(RangeError);
				}
			}),
			{ numRuns: 500 },
		);
	});
});
