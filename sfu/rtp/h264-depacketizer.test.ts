/** Tests of RTP payloads → NAL units where packets are lost, damaged or malicious. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { H264Depacketizer } from './h264-depacketizer.ts';

const SLICE = Uint8Array.of(0x41, 9, 9);
const FU_START = Uint8Array.of(0x7c, 0x85, 1, 2);
const FU_MIDDLE = Uint8Array.of(0x7c, 0x05, 3);
const FU_END = Uint8Array.of(0x7c, 0x45, 4);

function depacketize(...payloads: readonly Uint8Array[]): number[][] | undefined {
	const depacketizer = new H264Depacketizer();
	for (const payload of payloads) {
		depacketizer.push(payload);
	}
	return depacketizer.take()?.map((nal) => [...nal]);
}

describe('H264Depacketizer', () => {
	it('joins single units, aggregates and fragments in one picture', () => {
		const aggregate = Uint8Array.of(0x78, 0, 2, 0x67, 1, 0, 1, 0x68);
		expect(depacketize(aggregate, FU_START, FU_MIDDLE, FU_END, SLICE)).toEqual([
			[0x67, 1],
			[0x68],
			[0x65, 1, 2, 3, 4],
			[...SLICE],
		]);
	});

	it('returns nothing for a picture without payload', () => {
		expect(depacketize()).toBeUndefined();
		expect(depacketize(new Uint8Array())).toBeUndefined();
	});

	it.each([
		['the end of a fragmented unit is missing', [FU_START, FU_MIDDLE]],
		['the start of a fragmented unit is missing', [SLICE, FU_MIDDLE, FU_END]],
		['a fragmented unit begins inside another', [FU_START, FU_START, FU_END]],
		['a fragment has no header', [Uint8Array.of(0x7c)]],
		['an aggregate runs past its end', [Uint8Array.of(0x78, 0, 9, 0x67)]],
		['an aggregate holds an empty unit', [Uint8Array.of(0x78, 0, 0, 0, 1, 0x67)]],
		['the type belongs to interleaved mode', [SLICE, Uint8Array.of(0x79, 0, 0, 0, 1, 0x41)]],
		['the type is undefined', [Uint8Array.of(0x40, 1)]],
	])('returns nothing when %s', (_reason, payloads) => {
		expect(depacketize(...payloads)).toBeUndefined();
	});

	it('returns nothing after a loss, and the whole next picture', () => {
		const depacketizer = new H264Depacketizer();
		depacketizer.markLoss();
		depacketizer.push(SLICE);
		expect(depacketizer.take()).toBeUndefined();
		depacketizer.push(SLICE);
		expect(depacketizer.take()).toEqual([SLICE]);
	});

	it('drops an unfinished fragment with its picture', () => {
		const depacketizer = new H264Depacketizer();
		depacketizer.push(FU_START);
		expect(depacketizer.take()).toBeUndefined();
		depacketizer.push(FU_END);
		expect(depacketizer.take()).toBeUndefined();
	});

	it('returns nothing for a picture above 8 MiB, and the next one', () => {
		const depacketizer = new H264Depacketizer();
		const megabyte = new Uint8Array(1024 * 1024).fill(0x41);
		for (let count = 0; count < 9; count++) {
			depacketizer.push(megabyte);
		}
		depacketizer.push(SLICE);
		expect(depacketizer.take()).toBeUndefined();
		depacketizer.push(SLICE);
		expect(depacketizer.take()).toEqual([SLICE]);
	});

	it('never throws, returns no more bytes than it got, and recovers', () => {
		const payload = fc.oneof(
			fc.uint8Array({ maxLength: 30 }),
			fc
				.tuple(fc.constantFrom(0x7c, 0x78, 0x5c, 0x38), fc.uint8Array({ maxLength: 30 }))
				.map(([head, rest]) => Uint8Array.of(head, ...rest)),
		);
		fc.assert(
			fc.property(
				fc.array(fc.oneof({ weight: 9, arbitrary: payload }, fc.constant('loss' as const)), { maxLength: 20 }),
				(steps) => {
					const depacketizer = new H264Depacketizer();
					let receivedBytes = 0;
					for (const step of steps) {
						if (step === 'loss') {
							depacketizer.markLoss();
						} else {
							receivedBytes += step.length;
							depacketizer.push(step);
						}
					}
					const nals = depacketizer.take() ?? [];
					expect(nals.reduce((sum, nal) => sum + nal.length, 0)).toBeLessThanOrEqual(receivedBytes);
					expect(nals.every((nal) => nal.length > 0)).toBe(true);
					depacketizer.push(SLICE);
					expect(depacketizer.take()).toEqual([SLICE]);
				},
			),
			{ numRuns: 1000 },
		);
	});
});
