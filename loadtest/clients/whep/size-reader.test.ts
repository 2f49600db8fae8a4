/** Tests of the size of an encrypted picture. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { writePps, writeSps } from '../../../core/media/testing/h264-writer.ts';
import { SizeReader } from './size-reader.ts';

const PAYLOAD_TYPE = 96;
const [AUD, SLICE] = [Buffer.of(9, 0xf0), Buffer.of(0x65, 1, 2, 3)];
const SPS = Buffer.from(writeSps({ widthMbs: 40, heightMbs: 22, cropBottom: 0 }));
const PPS = Buffer.from(writePps());
/** RFC 6184 §5.7.1. */
const STAP = Buffer.concat([Buffer.of(24), ...[SPS, PPS].flatMap((nal) => [Buffer.of(0, nal.length), nal])]);
/** RFC 6184 §5.8: the first piece of a slice. */
const PIECE = Buffer.of(28, 0x85, 1, 2, 3);

function packet(timestamp: number, payload: Uint8Array, payloadType = PAYLOAD_TYPE): Buffer {
	const header = Buffer.alloc(12 + 4 + 4);
	header[0] = 0x90;
	header[1] = payloadType;
	header.writeUInt32BE(timestamp, 4);
	header.writeUInt16BE(0xbede, 12);
	header.writeUInt16BE(1, 14);
	return Buffer.concat([header, payload]);
}

/** What is decrypted, and the heights that are found. */
function play(reader: SizeReader, packets: readonly Buffer[], nowMs = 0) {
	const wanted = packets.map((data) => {
		const wants = reader.wants(data, nowMs);
		return wants ? (reader.read(data, nowMs)?.heightPixels ?? 'other') : undefined;
	});
	return wanted;
}

describe('SizeReader', () => {
	it.each([
		['an aggregation packet', [STAP, SLICE, SLICE]],
		['packets of their own after a delimiter', [AUD, SPS, PPS, SLICE]],
	])('finds the size in %s', (_name, payloads) => {
		const reader = new SizeReader(PAYLOAD_TYPE);
		const found = play(
			reader,
			payloads.map((payload) => packet(1, payload)),
		);
		expect(found.filter((value) => value === 352)).toHaveLength(1);
	});

	it('decrypts one packet of each picture until then, and none of the sound', () => {
		const sound = packet(9, SLICE, 111);
		const packets = [packet(1, PIECE), packet(1, PIECE), sound, packet(2, PIECE), packet(2, PIECE), packet(3, STAP)];
		expect(play(new SizeReader(PAYLOAD_TYPE), packets)).toEqual([
			'other',
			undefined,
			undefined,
			'other',
			undefined,
			352,
		]);
	});

	it('pauses after a size, and then finds the next one', () => {
		const reader = new SizeReader(PAYLOAD_TYPE);
		expect(play(reader, [packet(1, STAP), packet(2, STAP)], 0)).toEqual([352, undefined]);
		const larger = Buffer.from(writeSps({ widthMbs: 80, heightMbs: 45, cropBottom: 0 }));
		expect(play(reader, [packet(3, larger)], 4999)).toEqual([undefined]);
		expect(play(reader, [packet(4, larger)], 5000)).toEqual([720]);
	});

	it('throws for no packet', () => {
		fc.assert(
			fc.property(fc.uint8Array({ minLength: 12, maxLength: 60 }), (bytes) => {
				new SizeReader(PAYLOAD_TYPE).read(Buffer.from(bytes), 0);
			}),
		);
	});
});
