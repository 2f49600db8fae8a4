/** Tests of FLV reading. */
import { describe, expect, it } from 'vitest';
import { flvCompositionOffsetMs, FlvReader, type FlvTag } from './flv.ts';
import { hex } from './rtmp/testing/encoder-double.ts';

const FILE_HEADER = hex('464c5601050000000900000000');

function flvTag(typeId: number, timestampMs: number, body: Uint8Array): Buffer {
	const head = Buffer.alloc(11);
	head[0] = typeId;
	head.writeUIntBE(body.length, 1, 3);
	head.writeUIntBE(timestampMs & 0xffffff, 4, 3);
	head[7] = timestampMs >>> 24;
	const size = Buffer.alloc(4);
	size.writeUInt32BE(body.length + 11);
	return Buffer.concat([head, body, size]);
}

describe('FlvReader', () => {
	it('returns every tag with its last byte', () => {
		const bytes = Buffer.concat([
			FILE_HEADER,
			flvTag(18, 0, Buffer.of(1)),
			flvTag(9, 33, Buffer.alloc(500, 2)),
			flvTag(8, 0x01000001, Buffer.of(3, 4)),
		]);
		const reader = new FlvReader();
		const tags: FlvTag[] = [];
		for (const byte of bytes) {
			tags.push(...reader.push(Uint8Array.of(byte)));
		}
		expect(tags.map(({ typeId, timestampMs, body }) => [typeId, timestampMs, body.length])).toEqual([
			[18, 0, 1],
			[9, 33, 500],
			[8, 0x01000001, 2],
		]);
	});

	it('rejects bytes that are not FLV', () => {
		expect(() => new FlvReader().push(Buffer.alloc(20, 65))).toThrow('begin as FLV');
		const reader = new FlvReader();
		reader.push(FILE_HEADER);
		expect(() => reader.push(Buffer.alloc(20, 0xff))).toThrow('not ours');
	});
});

describe('flvCompositionOffsetMs', () => {
	it.each([
		['a negative offset', '2701ffffdf00', -33],
		['a positive offset', '1701000042aa', 66],
		['a configuration', '1700000000', undefined],
		['another codec', '1201000000', undefined],
		['a cut header', '1701', undefined],
	])('reads %s', (_name, body, offsetMs) => {
		expect(flvCompositionOffsetMs(hex(body))).toBe(offsetMs);
	});
});
