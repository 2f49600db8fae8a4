/** Tests of RTP payloads → VP8 frames, in all forms of the descriptor and with untrusted input. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readVp8KeyFrame, Vp8Depacketizer } from './vp8-depacketizer.ts';

/** The first bytes of a key frame of 640 × 360 with scaling bits set, which do not belong to the size. */
const KEY_FRAME = [0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x42, 0x68, 0x81];

function depacketize(...payloads: readonly (readonly number[])[]): number[] | undefined {
	const depacketizer = new Vp8Depacketizer();
	for (const payload of payloads) {
		depacketizer.push(Uint8Array.from(payload));
	}
	const parts = depacketizer.take();
	expect(parts === undefined || parts.length === 1).toBe(true);
	return parts === undefined ? undefined : [...parts[0]!];
}

describe('Vp8Depacketizer', () => {
	it.each([
		['one byte', [0x10]],
		['a picture id of 7 bits', [0x90, 0x80, 0x05]],
		['a picture id of 15 bits', [0x90, 0x80, 0x81, 0x05]],
		['TL0PICIDX', [0x90, 0x40, 0x01]],
		['a temporal layer', [0x90, 0x20, 0x40]],
		['a key index', [0x90, 0x10, 0x03]],
		['everything', [0x90, 0xf0, 0x81, 0x05, 0x01, 0x43]],
		['an extension that announces nothing', [0x90, 0x00]],
	])('reads a frame behind a descriptor of %s', (_form, descriptor) => {
		expect(depacketize([...descriptor, 7, 8])).toEqual([7, 8]);
	});

	it('joins the packets of a frame, partitions or not', () => {
		expect(depacketize([0x10, 1, 2], [0x00, 3], [0x11, 4], [0x01, 5])).toEqual([1, 2, 3, 4, 5]);
	});

	it.each([
		['its first packet is missing', [[0x00, 3]]],
		['it begins with a later partition', [[0x11, 3]]],
		[
			'a packet has no payload behind its descriptor',
			[
				[0x10, 1],
				[0x90, 0x80, 0x81],
			],
		],
		['a descriptor ends early', [[0x10, 1], [0x90]]],
		['it is empty', [[]]],
	])('returns nothing when %s', (_reason, payloads) => {
		expect(depacketize(...payloads)).toBeUndefined();
	});

	it('returns nothing after a loss, even when an empty packet follows, and then the next frame', () => {
		const depacketizer = new Vp8Depacketizer();
		depacketizer.push(Uint8Array.of(0x10, 1));
		depacketizer.markLoss();
		depacketizer.push(new Uint8Array());
		depacketizer.push(Uint8Array.of(0x00, 2));
		expect(depacketizer.take()).toBeUndefined();
		depacketizer.push(Uint8Array.of(0x10, 1));
		expect(depacketizer.take()!.map((frame) => [...frame])).toEqual([[1]]);
	});

	it('returns nothing for a frame above 8 MiB', () => {
		const depacketizer = new Vp8Depacketizer();
		const megabyte = new Uint8Array(1024 * 1024);
		megabyte[0] = 0x10;
		for (let count = 0; count < 9; count++) {
			depacketizer.push(megabyte);
		}
		expect(depacketizer.take()).toBeUndefined();
	});

	it('never throws and returns no more bytes than it got', () => {
		fc.assert(
			fc.property(fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 10 }), (payloads) => {
				const depacketizer = new Vp8Depacketizer();
				for (const payload of payloads) {
					depacketizer.push(payload);
				}
				const frame = depacketizer.take()?.[0];
				return frame === undefined || frame.length <= payloads.reduce((sum, payload) => sum + payload.length, 0);
			}),
			{ numRuns: 1000 },
		);
	});
});

describe('readVp8KeyFrame', () => {
	it('reads the size without the scaling bits', () => {
		expect(readVp8KeyFrame(Uint8Array.from(KEY_FRAME))).toEqual({ widthPixels: 640, heightPixels: 360 });
	});

	it('reads nothing from an interframe, a wrong start code or a stub', () => {
		expect(readVp8KeyFrame(Uint8Array.from(KEY_FRAME.with(0, 0x11)))).toBeUndefined();
		expect(readVp8KeyFrame(Uint8Array.from(KEY_FRAME.with(4, 0x02)))).toBeUndefined();
		expect(readVp8KeyFrame(Uint8Array.from(KEY_FRAME.slice(0, 9)))).toBeUndefined();
	});

	it('never throws, and sizes stay within 14 bits', () => {
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 4 }), (tail) => {
				const size = readVp8KeyFrame(Uint8Array.from([...KEY_FRAME.slice(0, 6), ...tail]));
				return size === undefined || (size.widthPixels < 0x4000 && size.heightPixels < 0x4000);
			}),
		);
	});
});
