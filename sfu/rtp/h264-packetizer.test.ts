/** Tests of H.264 → RTP payloads → H.264: payloads keep their bounds, and decode to what was sent. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { H264Depacketizer, startsH264KeyFrame } from './h264-depacketizer.ts';
import { MAX_PAYLOAD_BYTES, packetizeH264 } from './h264-packetizer.ts';

const PARAMETER_SETS = { sps: [Uint8Array.of(0x67, 1, 2, 3)], pps: [Uint8Array.of(0x68, 4), Uint8Array.of(0x28, 5)] };

/** A NAL unit of this many bytes, header included, whose bytes show their place. */
function nalOf(size: number, header = 0x41): Uint8Array {
	const nal = Uint8Array.from({ length: size }, (_, index) => (index * 7) % 256);
	nal[0] = header;
	return nal;
}

function depacketize(payloads: readonly Uint8Array[]): Uint8Array[] | undefined {
	const depacketizer = new H264Depacketizer();
	for (const payload of payloads) {
		depacketizer.push(payload);
	}
	return depacketizer.take()?.map((nal) => new Uint8Array(nal));
}

describe('packetizeH264', () => {
	it('sends a small NAL unit as it is', () => {
		const nal = nalOf(MAX_PAYLOAD_BYTES);
		expect(packetizeH264([nal], undefined)).toEqual([Buffer.from(nal)]);
	});

	it('puts SPS and PPS into one STAP-A before a key frame, with the highest NRI', () => {
		const [first, second] = packetizeH264([nalOf(4, 0x65)], PARAMETER_SETS);
		expect(first).toEqual(Buffer.from('78 0004 67010203 0002 6804 0002 2805'.replaceAll(' ', ''), 'hex'));
		expect(second![0]).toBe(0x65);
		expect(startsH264KeyFrame(first!)).toBe(true);
	});

	it('sends parameter sets one by one when together they are too large, SPS first', () => {
		const sps = nalOf(900, 0x67);
		const pps = nalOf(600, 0x68);
		const payloads = packetizeH264([nalOf(4, 0x65)], { sps: [sps], pps: [pps] });
		expect(payloads.map((payload) => payload[0])).toEqual([0x67, 0x68, 0x65]);
		expect(startsH264KeyFrame(payloads[0]!)).toBe(true);
	});

	it('cuts a large NAL unit into fragments of equal size, marked at both ends', () => {
		const payloads = packetizeH264([nalOf(MAX_PAYLOAD_BYTES + 1, 0x65)], undefined);
		expect(payloads.map((payload) => [payload[0], payload[1]])).toEqual([
			[0x7c, 0x85],
			[0x7c, 0x45],
		]);
		expect(payloads.map((payload) => payload.length)).toEqual([592, 592]);
	});

	it('leaves empty NAL units out', () => {
		expect(packetizeH264([new Uint8Array(), nalOf(3)], undefined)).toHaveLength(1);
		expect(packetizeH264([], undefined)).toEqual([]);
	});

	it('is reversed by the depacketiser for NAL units of any sizes, in payloads within the bound, fragments of equal size', () => {
		const sizes = fc.array(
			fc.oneof(
				fc.integer({ min: 1, max: 40 }),
				fc.integer({ min: 1100, max: 1300 }),
				fc.integer({ min: 1, max: 30_000 }),
			),
			{ minLength: 1, maxLength: 6 },
		);
		fc.assert(
			fc.property(sizes, fc.boolean(), (each, isKeyFrame) => {
				const nals = each.map((size, index) => nalOf(size, isKeyFrame ? 0x65 : [0x41, 0x06, 0x01][index % 3]!));
				const payloads = packetizeH264(nals, isKeyFrame ? PARAMETER_SETS : undefined);
				expect(payloads.every((payload) => payload.length > 0 && payload.length <= MAX_PAYLOAD_BYTES)).toBe(true);
				const ahead = isKeyFrame ? [...PARAMETER_SETS.sps, ...PARAMETER_SETS.pps] : [];
				expect(depacketize(payloads)).toEqual([...ahead, ...nals]);
			}),
			{ numRuns: 60 },
		);
		fc.assert(
			fc.property(fc.integer({ min: MAX_PAYLOAD_BYTES + 1, max: 200_000 }), (size) => {
				const lengths = packetizeH264([nalOf(size)], undefined).map((payload) => payload.length);
				return (
					Math.max(...lengths.slice(0, -1)) === Math.min(...lengths.slice(0, -1)) &&
					lengths.at(-1)! > lengths[0]! - lengths.length - 2
				);
			}),
			{ numRuns: 40 },
		);
	});
});
