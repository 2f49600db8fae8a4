/** Tests of the FLV and Ogg readers: what FFmpeg writes, cut anywhere, comes out whole. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FlvReader, type FlvTag, parseFlvVideo } from './flv-reader.ts';
import { OggOpusReader } from './ogg-reader.ts';

const FLV_HEADER = Buffer.from('464c5601050000000900000000', 'hex');

function flvTag(type: number, timestampMs: number, body: Uint8Array): Buffer {
	const head = Buffer.alloc(11);
	head[0] = type;
	head.writeUIntBE(body.length, 1, 3);
	head.writeUIntBE(timestampMs & 0xffffff, 4, 3);
	head[7] = timestampMs >>> 24;
	const size = Buffer.alloc(4);
	size.writeUInt32BE(body.length + 11);
	return Buffer.concat([head, body, size]);
}

function oggPage(packets: readonly Uint8Array[]): Buffer {
	const lacing = packets.flatMap((packet) => [
		...Array.from({ length: Math.floor(packet.length / 255) }, () => 255),
		packet.length % 255,
	]);
	const head = Buffer.alloc(27);
	head.write('OggS');
	head[26] = lacing.length;
	return Buffer.concat([head, Buffer.from(lacing), ...packets]);
}

describe('FlvReader', () => {
	it('gives every tag as soon as its last byte is there', () => {
		const bytes = Buffer.concat([
			FLV_HEADER,
			flvTag(18, 0, Buffer.of(1)),
			flvTag(9, 33, Buffer.alloc(500, 2)),
			flvTag(8, 0x01000001, Buffer.of(3, 4)),
		]);
		const reader = new FlvReader();
		const tags: FlvTag[] = [];
		for (const byte of bytes) {
			tags.push(...reader.push(Uint8Array.of(byte)));
		}
		expect(tags.map(({ type, timestampMs, body }) => [type, timestampMs, body.length])).toEqual([
			['script', 0, 1],
			['video', 33, 500],
			['audio', 0x01000001, 2],
		]);
	});

	it('refuses what is not FLV', () => {
		expect(() => new FlvReader().push(Buffer.alloc(20, 65))).toThrow('begin as FLV');
		const reader = new FlvReader();
		reader.push(FLV_HEADER);
		expect(() => reader.push(Buffer.alloc(20, 0xff))).toThrow('not ours');
	});

	it('reads configuration, pictures and negative composition offsets', () => {
		const config = Buffer.from('17 00 000000 01 64001f ff e1 0003 676869 01 0002 6801'.replaceAll(' ', ''), 'hex');
		expect(parseFlvVideo(config)).toEqual({
			kind: 'config',
			sps: [Uint8Array.of(0x67, 0x68, 0x69)].map((sps) => Buffer.from(sps)),
			pps: [Buffer.of(0x68, 0x01)],
			lengthSize: 4,
		});
		expect(parseFlvVideo(Buffer.from('2701ffffdf00', 'hex'))).toMatchObject({
			kind: 'picture',
			isKeyFrame: false,
			compositionOffsetMs: -33,
		});
		expect(parseFlvVideo(Buffer.from('1701000042aa', 'hex'))).toMatchObject({
			isKeyFrame: true,
			compositionOffsetMs: 66,
		});
		expect(parseFlvVideo(Buffer.from('12', 'hex'))).toEqual({ kind: 'other' });
	});

	it('never loops or reads beyond the end of a damaged body', () => {
		fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (body) => void parseFlvVideo(body)));
	});
});

describe('OggOpusReader', () => {
	it('skips the two header packets and joins long ones', () => {
		const long = Buffer.alloc(600, 9);
		const bytes = Buffer.concat([
			oggPage([Buffer.from('OpusHead')]),
			oggPage([Buffer.from('OpusTags')]),
			oggPage([Buffer.of(1, 2, 3), long]),
			oggPage([Buffer.alloc(255, 5)]),
		]);
		fc.assert(
			fc.property(fc.integer({ min: 1, max: 700 }), (sliceBytes) => {
				const reader = new OggOpusReader();
				const packets: number[] = [];
				for (let offset = 0; offset < bytes.length; offset += sliceBytes) {
					packets.push(...reader.push(bytes.subarray(offset, offset + sliceBytes)).map((packet) => packet.length));
				}
				expect(packets).toEqual([3, 600, 255]);
			}),
		);
		expect(() => new OggOpusReader().push(Buffer.alloc(40, 1))).toThrow('not an Ogg page');
	});
});
