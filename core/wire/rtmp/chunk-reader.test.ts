/** Tests of reading and writing RTMP chunks. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { damaged, expectOnlyError } from '../../testing/untrusted-bytes.ts';
import { ChunkReader, DEFAULT_CHUNK_READER_LIMITS, type ChunkReaderLimits } from './chunk-reader.ts';
import { ChunkWriter } from './chunk-writer.ts';
import { setChunkSizeMessage, type RtmpMessage } from './rtmp-messages.ts';
import { FFMPEG_SESSION, OBS_SESSION } from './testing/captured-sessions.ts';
import { concat, hex } from './testing/encoder-double.ts';

function readAll(bytes: Uint8Array, pieceBytes = bytes.length, limits?: ChunkReaderLimits): RtmpMessage[] {
	const messages: RtmpMessage[] = [];
	const reader = new ChunkReader((message) => messages.push(message), limits);
	for (let offset = 0; offset < bytes.length; offset += pieceBytes) {
		reader.push(bytes.subarray(offset, offset + pieceBytes));
	}
	expect(reader.bufferedBytes).toBeGreaterThanOrEqual(0);
	return messages;
}

const summary = (messages: RtmpMessage[]): unknown[] =>
	messages.map(({ typeId, timestampMs, messageStreamId, payload }) => [
		typeId,
		timestampMs,
		messageStreamId,
		Buffer.from(payload).toString('hex'),
	]);
const times = (bytes: Uint8Array): number[] => readAll(bytes).map((message) => message.timestampMs);

describe('ChunkReader', () => {
	it('R-4 reads chunk stream ids in one, two and three bytes', () => {
		const header = '000005 000001 09 01000000 aa';
		const oneByte = hex(`3f ${header}`);
		const twoBytes = hex(`00 00 ${header} 00 ff ${header}`);
		const threeBytes = hex(`01 00 01 ${header} 01 ff ff ${header}`);
		// The same stream as 64 in two bytes and in three.
		const again = hex('c1 00 00 bb');
		expect(summary(readAll(concat(oneByte, twoBytes, threeBytes, again)))).toEqual([
			...Array<unknown>(5).fill([9, 5, 1, 'aa']),
			[9, 10, 1, 'bb'],
		]);
	});

	it('R-9 reads the message stream id as little-endian', () => {
		expect(readAll(hex('04 000000 000000 09 01020304'))[0]!.messageStreamId).toBe(0x04030201);
	});

	it('R-12 uses the time of a format 0 as the delta of a following format 3', () => {
		expect(times(hex('04 000064 000001 08 01000000 aa  c4 aa  84 000005 aa  c4 aa  44 000001 000001 08 aa'))).toEqual([
			100, 200, 205, 210, 211,
		]);
	});

	it('R-3 applies Set Chunk Size at once, also within another message', () => {
		const head = hex('04 000000 000100 09 01000000');
		const payload = new Uint8Array(256).map((_, index) => index);
		const bytes = concat(
			head,
			payload.subarray(0, 128),
			hex('02 000000 000004 01 00000000 00000040'),
			hex('c4'),
			payload.subarray(128, 192),
			hex('c4'),
			payload.subarray(192),
		);
		expect(readAll(bytes).map((message) => message.payload)).toEqual([payload]);
	});

	it.each([
		['0', '00000000'],
		['a top bit', '80000080'],
	])('R-3 refuses a chunk size with %s', (_name, size) => {
		expect(() => readAll(hex(`02 000000 000004 01 00000000 ${size}`))).toThrow(/chunk size/);
	});

	it('R-3 accepts the largest chunk size without allocating for it', () => {
		const reader = new ChunkReader(() => undefined);
		reader.push(hex('02 000000 000004 01 00000000 7fffffff'));
		reader.push(hex('04 000000 7fffff 09 01000000 aabb'));
		expect(reader.bufferedBytes).toBeLessThanOrEqual(4096);
	});

	it('R-6 joins messages whose chunks interleave, and drops an aborted one', () => {
		const rest = (id: string): Uint8Array => hex(`${id} 0102`);
		const start = (id: string, byte: string): Uint8Array => hex(`${id} 000000 000082 09 01000000 ${byte.repeat(128)}`);
		const abort5 = hex('02 000000 000004 02 00000000 00000005');
		const both = readAll(concat(start('04', 'aa'), start('05', 'bb'), rest('c4'), rest('c5')));
		expect(both.map((message) => message.payload[0])).toEqual([0xaa, 0xbb]);
		const one = readAll(
			concat(start('04', 'aa'), start('05', 'bb'), abort5, rest('c4'), start('05', 'cc'), rest('c5')),
		);
		expect(one.map((message) => message.payload[0])).toEqual([0xaa, 0xcc]);
		// Aborting a stream that does not exist does nothing.
		expect(readAll(hex('02 000000 000004 02 00000000 00000009'))).toEqual([]);
	});

	it('reads an empty message', () => {
		expect(summary(readAll(hex('04 000000 000000 08 01000000 c4 c4')))).toEqual(Array<unknown>(3).fill([8, 0, 1, '']));
	});

	it('accepts a first header of format 1, as librtmp sends on the control stream', () => {
		expect(summary(readAll(hex('42 000000 000004 03 00000001')))).toEqual([[3, 0, 0, '00000001']]);
	});

	it.each([
		['a format 2 first', '84 000000', /begins with a header of format 2/],
		['a format 3 first', 'c4', /begins with a header of format 3/],
		[
			'a message inside another',
			`04 000000 0000ff 09 01000000 ${'00'.repeat(128)} 04 000000 000001 09 01000000`,
			/inside another/,
		],
		['a short Set Chunk Size', '02 000000 000002 01 00000000 0000', /Set Chunk Size/],
		['a short Abort', '02 000000 000001 02 00000000 00', /Abort/],
		['R-5 a message of 16 MB', '04 000000 ffffff 09 01000000', /16777215 bytes/],
	])('refuses %s', (_name, bytes, message) => {
		expect(() => readAll(hex(bytes))).toThrow(message);
	});

	it('RX-4 refuses a sixty-fifth chunk stream', () => {
		const stream = (id: number): Uint8Array => concat(Uint8Array.of(0, id), hex('000000 000000 09 01000000'));
		const streams = Array.from({ length: 65 }, (_, id) => stream(id));
		expect(() => readAll(concat(...streams.slice(0, 64)))).not.toThrow();
		expect(() => readAll(concat(...streams))).toThrow(/more than 64 chunk streams/);
	});

	it('RX-4 allocates memory for received bytes, not for announced lengths', () => {
		const reader = new ChunkReader(() => undefined);
		for (let id = 2; id < 64; id++) {
			reader.push(concat(Uint8Array.of(id), hex('000000 9fffff 09 01000000'), new Uint8Array(128)));
		}
		expect(reader.bufferedBytes).toBeLessThanOrEqual(62 * 4096);
	});

	it('RX-4 refuses incomplete messages beyond the total limit', () => {
		const limits = { ...DEFAULT_CHUNK_READER_LIMITS, maxMessageBytes: 1_000_000, maxBufferedBytes: 1_500_000 };
		const reader = new ChunkReader(() => undefined, limits);
		reader.push(hex('02 000000 000004 01 00000000 000f0000'));
		reader.push(concat(hex('04 000000 0f4240 09 01000000'), new Uint8Array(0xf_0000)));
		const second = concat(hex('05 000000 0f4240 09 01000000'), new Uint8Array(0xf_0000));
		expect(() => reader.push(second)).toThrow(/incomplete messages/);
	});

	it('releases the memory of complete and aborted messages', () => {
		const reader = new ChunkReader(() => undefined);
		reader.push(concat(hex('04 000000 000082 09 01000000'), new Uint8Array(128)));
		expect(reader.bufferedBytes).toBe(0x82);
		reader.push(hex('c4 0000'));
		expect(reader.bufferedBytes).toBe(0);
		reader.push(
			concat(hex('04 000000 000082 09 01000000'), new Uint8Array(128), hex('02 000000 000004 02 00000000 00000004')),
		);
		expect(reader.bufferedBytes).toBe(0);
	});
});

describe('extended timestamps (R-10, R-11)', () => {
	const payload = new Uint8Array(300).map((_, index) => index & 0xff);
	const chunks = (extended: string): Uint8Array =>
		concat(
			hex(`04 ffffff 00012c 09 01000000 01000000`),
			payload.subarray(0, 128),
			hex(`c4 ${extended}`),
			payload.subarray(128, 256),
			hex(`c4 ${extended}`),
			payload.subarray(256),
		);

	it.each([
		['repeated in continuations, as the specification requires', '01000000'],
		['omitted in continuations, as OBS before 30.1 does', ''],
	])('are read when %s', (_name, extended) => {
		for (const pieceBytes of [1, 2, 3, 5, 1000]) {
			const [message, ...others] = readAll(chunks(extended), pieceBytes);
			expect(others).toEqual([]);
			expect(message!.timestampMs).toBe(0x0100_0000);
			expect(message!.payload).toEqual(payload);
		}
	});

	it('are distinguished from a payload with the same first bytes', () => {
		const tricky = payload.slice();
		tricky.set([1, 0, 0, 9], 128);
		const bytes = concat(
			hex('04 ffffff 00012c 09 01000000 01000000'),
			tricky.subarray(0, 128),
			hex('c4'),
			tricky.subarray(128, 256),
			hex('c4'),
			tricky.subarray(256),
		);
		for (const pieceBytes of [1, 3, 1000]) {
			expect(readAll(bytes, pieceBytes)[0]!.payload).toEqual(tricky);
		}
	});

	it('do not delay a message whose last chunk is shorter than the field', () => {
		const [short, header] = [payload.subarray(0, 130), hex('04 ffffff 000082 09 01000000 01000000')];
		const messages = readAll(concat(header, short.subarray(0, 128), hex('c4'), short.subarray(128)));
		expect(messages.map((message) => message.payload)).toEqual([short]);
	});

	it('may be a delta, repeated as delta or as absolute time', () => {
		const start = hex('04 000064 000001 09 01000000 aa');
		const second = (extended: string): Uint8Array =>
			concat(start, hex('44 ffffff 000082 09 01000001'), payload.subarray(0, 128), hex(`c4 ${extended} 0102`));
		for (const extended of ['01000001', '01000065']) {
			const messages = readAll(second(extended));
			expect(messages.map((message) => message.timestampMs)).toEqual([0x64, 0x0100_0065]);
			expect(messages[1]!.payload).toHaveLength(0x82);
		}
	});

	it('keep the time when a format 3 starts a message, with or without the field', () => {
		const first = hex('04 ffffff 000001 08 01000000 01000000 aa');
		expect(times(concat(first, hex('c4 01000000 bb')))).toEqual([0x0100_0000, 0x0100_0000]);
		expect(times(concat(first, hex('c4 bb')))).toEqual([0x0100_0000, 0x0100_0000]);
	});

	it('end where times are short again', () => {
		expect(
			times(hex('04 ffffff 000001 08 01000000 00ffffff aa  84 000017 aa  c4 aa  04 000005 000001 08 01000000 aa')),
		).toEqual([0xff_ffff, 0x100_0016, 0x100_002d, 5]);
	});

	it('wrap past 2^32, forwards and, as librtmp writes it, backwards', () => {
		expect(times(hex('04 ffffff 000001 08 01000000 ffffffe0 aa  84 000040 aa'))).toEqual([0xffff_ffe0, 0x20]);
		expect(times(hex('04 000020 000001 08 01000000 aa  84 ffffff fffffff0 aa'))).toEqual([0x20, 0x10]);
	});
});

describe('ChunkReader with captured and invalid bytes', () => {
	it.each([
		['OBS', OBS_SESSION],
		['FFmpeg', FFMPEG_SESSION],
	])('reads the session of %s equally from any two pieces', (_name, bytes) => {
		const whole = summary(readAll(bytes));
		expect(whole.length).toBeGreaterThanOrEqual(8);
		for (let cut = 1; cut < bytes.length; cut++) {
			const messages: RtmpMessage[] = [];
			const reader = new ChunkReader((message) => messages.push(message));
			reader.push(bytes.subarray(0, cut));
			reader.push(bytes.subarray(cut));
			expect(summary(messages)).toEqual(whole);
		}
		expect(summary(readAll(bytes, 1))).toEqual(whole);
	});

	it('throws only RTMP_PROTOCOL_ERROR and stays within its memory for any and for damaged bytes', () => {
		const limits = { maxMessageBytes: 100_000, maxBufferedBytes: 50_000, maxChunkStreamCount: 8 };
		fc.assert(
			fc.property(
				fc.oneof(fc.uint8Array({ maxLength: 2000 }), damaged(OBS_SESSION, FFMPEG_SESSION)),
				fc.integer({ min: 1, max: 500 }),
				(bytes, pieceBytes) => {
					const reader = new ChunkReader(() => undefined, limits);
					expectOnlyError('RTMP_PROTOCOL_ERROR', () => {
						for (let offset = 0; offset < bytes.length; offset += pieceBytes) {
							reader.push(bytes.subarray(offset, offset + pieceBytes));
						}
					});
					expect(reader.bufferedBytes).toBeLessThanOrEqual(limits.maxBufferedBytes);
					expect(reader.bufferedBytes).toBeGreaterThanOrEqual(0);
				},
			),
			{ numRuns: 2000 },
		);
	});
});

describe('ChunkWriter', () => {
	it('writes messages that ChunkReader reads, with changes of the chunk size and long times', () => {
		const message = fc.record({
			typeId: fc.constantFrom(8, 9, 18, 20, 255),
			timestampMs: fc.oneof(fc.nat(0xffff_ffff), fc.constantFrom(0, 0xff_fffe, 0xff_ffff, 0x100_0000, 0xffff_ffff)),
			messageStreamId: fc.nat(0xffff_ffff),
			payload: fc.uint8Array({ maxLength: 700 }),
		});
		const chunkSize = fc.integer({ min: 1, max: 5000 }).map(setChunkSizeMessage);
		fc.assert(
			fc.property(
				fc.array(fc.oneof(message, chunkSize), { maxLength: 8 }),
				fc.integer({ min: 1, max: 400 }),
				(sent, pieceBytes) => {
					const writer = new ChunkWriter();
					const bytes = concat(...sent.map((entry) => writer.write(entry)));
					expect(summary(readAll(bytes, pieceBytes))).toEqual(summary(sent.filter((entry) => entry.typeId !== 1)));
				},
			),
		);
	});
});
