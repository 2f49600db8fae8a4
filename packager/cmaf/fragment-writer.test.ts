/** Our fragments and init segments, read by mediabunny. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ntpToEpochMs } from '../../core/units.ts';
import { findBox, readMp4 } from '../testing/mp4-reader.ts';
import { SIMULATED_VIDEO, simulatedAudio } from '../testing/simulated-source.ts';
import { writeFragment } from './fragment-writer.ts';
import { writeInitSegment } from './init-segment.ts';

const sample = fc.record({
	bytes: fc.uint8Array({ minLength: 1, maxLength: 64 }),
	durationTicks: fc.integer({ min: 1, max: 2 ** 31 }),
	compositionOffsetTicks: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
	isSync: fc.boolean(),
});

const sampleInOrder = sample.map((fields) => ({ ...fields, compositionOffsetTicks: 0 }));

describe('writeFragment', () => {
	it('writes fragments that another reader reads back', async () => {
		const init = writeInitSegment(SIMULATED_VIDEO);
		await fc.assert(
			fc.asyncProperty(
				fc.oneof(
					fc.array(sample, { minLength: 1, maxLength: 20 }),
					fc.array(sampleInOrder, { minLength: 1, maxLength: 20 }),
				),
				fc.integer({ min: 0, max: 2 ** 50 }),
				fc.integer({ min: 0, max: 2 ** 40 }),
				async (samples, baseMediaDecodeTimeTicks, captureTimeMs) => {
					const written = writeFragment({ sequenceNumber: 7, baseMediaDecodeTimeTicks, captureTimeMs, samples });
					const { packets } = await readMp4(init, written);
					let decodeTicks = baseMediaDecodeTimeTicks;
					const expected = samples.map(({ bytes, durationTicks, compositionOffsetTicks, isSync }) => {
						const timestampTicks = decodeTicks + compositionOffsetTicks;
						decodeTicks += durationTicks;
						return { timestampTicks, durationTicks, isKey: isSync, bytes };
					});
					const shown = expected.toSorted((one, other) => one.timestampTicks - other.timestampTicks);
					fc.pre(new Set(shown.map(({ timestampTicks }) => timestampTicks)).size === shown.length);
					// mediabunny reports how long a picture is shown: until the next one. Without offsets that is its duration.
					shown.slice(1).forEach((next, index) => {
						shown[index]!.durationTicks = next.timestampTicks - shown[index]!.timestampTicks;
					});
					expect(packets).toEqual(expected);
					expect(findBox(written, 'moof/mfhd')!.readUInt32BE(4)).toBe(7);
					expect(Number(findBox(written, 'prft')!.readBigUInt64BE(16))).toBe(baseMediaDecodeTimeTicks);
				},
			),
			{ numRuns: 100 },
		);
	});

	it('writes decode times past 2^32 and a capture time to the microsecond', async () => {
		const written = writeFragment({
			sequenceNumber: 1,
			baseMediaDecodeTimeTicks: 2 ** 32 + 5,
			captureTimeMs: 1_767_225_600_123.25,
			samples: [{ bytes: Uint8Array.of(1), durationTicks: 1, compositionOffsetTicks: 0, isSync: true }],
		});
		const { packets } = await readMp4(writeInitSegment(SIMULATED_VIDEO), written);
		expect(packets[0]!.timestampTicks).toBe(2 ** 32 + 5);
		const reference = findBox(written, 'prft')!;
		expect(ntpToEpochMs(reference.readUInt32BE(8), reference.readUInt32BE(12))).toBeCloseTo(1_767_225_600_123.25, 3);
	});
});

describe('writeInitSegment', () => {
	it('writes both kinds so that another reader recognises them', async () => {
		const init = writeInitSegment(SIMULATED_VIDEO);
		const video = await readMp4(init);
		expect(video).toMatchObject({ trackId: 1, timescale: 90_000, kind: 'video', codec: 'avc1.4d400d' });
		expect(findBox(init, 'ftyp')!.toString('latin1')).toBe('cmfc\0\0\0\0iso6cmfc');
		expect([...video.decoderConfiguration.subarray(0, 8)]).toEqual([1, 0x4d, 0x40, 0x0d, 0xff, 0xe1, 0, 14]);
		expect(await readMp4(writeInitSegment(simulatedAudio(44_100)))).toMatchObject({
			trackId: 1,
			timescale: 44_100,
			kind: 'audio',
			codec: 'mp4a.40.2',
		});
	});
});
