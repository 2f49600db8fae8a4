/** The reader against our own writer, and against bytes that make no sense. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SIMULATED_VIDEO, simulatedAudio } from '../testing/simulated-source.ts';
import { findBox, readBoxes, readFragments, readInitSegment } from './box-reader.ts';
import { box, concatBytes, u32 } from './box-writer.ts';
import { NON_SYNC_SAMPLE_FLAGS, SYNC_SAMPLE_FLAGS, writeFragment } from './fragment-writer.ts';
import { writeInitSegment } from './init-segment.ts';

const sample = fc.record({
	bytes: fc.uint8Array({ minLength: 1, maxLength: 64 }),
	durationTicks: fc.integer({ min: 1, max: 2 ** 31 }),
	compositionOffsetTicks: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
	isSync: fc.boolean(),
});

describe('readFragments', () => {
	it('reads what writeFragment wrote', () => {
		fc.assert(
			fc.property(
				fc.array(sample, { minLength: 1, maxLength: 20 }),
				fc.integer({ min: 0, max: 2 ** 50 }),
				fc.integer({ min: 0, max: 2 ** 40 }),
				(samples, baseMediaDecodeTimeTicks, captureTimeMs) => {
					const written = writeFragment({ sequenceNumber: 7, baseMediaDecodeTimeTicks, captureTimeMs, samples });
					const [fragment, ...others] = readFragments(concatBytes([written]))!;
					expect(others).toEqual([]);
					expect(fragment).toMatchObject({ sequenceNumber: 7, trackId: 1, baseMediaDecodeTimeTicks });
					expect(fragment!.producerReference!.mediaTimeTicks).toBe(baseMediaDecodeTimeTicks);
					expect(
						fragment!.samples.map(({ bytes, durationTicks, compositionOffsetTicks, flags }) => ({
							bytes,
							durationTicks,
							compositionOffsetTicks,
							isSync: flags === SYNC_SAMPLE_FLAGS,
						})),
					).toEqual(samples);
					expect(
						fragment!.samples.every(({ flags }) => [SYNC_SAMPLE_FLAGS, NON_SYNC_SAMPLE_FLAGS].includes(flags)),
					).toBe(true);
				},
			),
			{ numRuns: 100 },
		);
	});

	it('reads decode times past 2^32 and a capture time to the microsecond', () => {
		const samples = [{ bytes: Uint8Array.of(1), durationTicks: 1, compositionOffsetTicks: 0, isSync: true }];
		const [fragment] = readFragments(
			writeFragment({
				sequenceNumber: 1,
				baseMediaDecodeTimeTicks: 2 ** 32 + 5,
				captureTimeMs: 1_767_225_600_123.25,
				samples,
			}),
		)!;
		expect(fragment!.samples[0]!.decodeTimeTicks).toBe(2 ** 32 + 5);
		expect(fragment!.producerReference!.captureTimeMs).toBeCloseTo(1_767_225_600_123.25, 3);
	});

	it('returns undefined for sample data outside the file', () => {
		const whole = writeFragment({
			sequenceNumber: 1,
			baseMediaDecodeTimeTicks: 0,
			captureTimeMs: 0,
			samples: [{ bytes: new Uint8Array(100), durationTicks: 1, compositionOffsetTicks: 0, isSync: true }],
		});
		const shortened = Buffer.concat([whole.subarray(0, whole.length - 108), box('mdat', new Uint8Array(50))]);
		expect(readFragments(shortened)).toBeUndefined();
	});
});

describe('readInitSegment', () => {
	it('reads both kinds as written', () => {
		const video = readInitSegment(writeInitSegment(SIMULATED_VIDEO))!;
		expect(video).toMatchObject({
			trackId: 1,
			timescale: 90_000,
			kind: 'video',
			sampleEntry: 'avc1',
			brands: ['cmfc', 'iso6', 'cmfc'],
		});
		expect([...video.decoderConfiguration!.subarray(0, 8)]).toEqual([1, 0x4d, 0x40, 0x0d, 0xff, 0xe1, 0, 14]);
		const audio = readInitSegment(writeInitSegment(simulatedAudio(44_100)))!;
		expect(audio).toMatchObject({ trackId: 1, timescale: 44_100, kind: 'audio', sampleEntry: 'mp4a' });
	});
});

describe('the box reader', () => {
	const seeds = [
		writeInitSegment(SIMULATED_VIDEO, 3000),
		writeInitSegment(simulatedAudio(48_000)),
		new Uint8Array(
			writeFragment({
				sequenceNumber: 1,
				baseMediaDecodeTimeTicks: 90_000,
				captureTimeMs: 1,
				samples: [
					{ bytes: new Uint8Array(20), durationTicks: 3000, compositionOffsetTicks: 10, isSync: true },
					{ bytes: new Uint8Array(10), durationTicks: 3000, compositionOffsetTicks: -10, isSync: false },
				],
			}),
		),
	];

	it('never throws on any bytes', () => {
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
				readBoxes(bytes);
				readFragments(bytes);
				readInitSegment(bytes);
				findBox(bytes, 'moov/trak/mdia');
			}),
			{ numRuns: 500 },
		);
	});

	it('never throws on damaged files', () => {
		const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 8 });
		fc.assert(
			fc.property(fc.constantFrom(...seeds), damage, fc.nat(), (seed, changes, cut) => {
				const bytes = seed.slice(0, seed.length - (cut % 3 === 0 ? cut % seed.length : 0));
				for (const [at, value] of changes) {
					bytes[at % bytes.length] = value;
				}
				readFragments(bytes);
				readInitSegment(bytes);
			}),
			{ numRuns: 1000 },
		);
	});

	it('refuses sizes that do not fit, and understands 64-bit ones and "to the end"', () => {
		expect(readBoxes(concatBytes([u32(7), Buffer.from('free')]))).toBeUndefined();
		expect(readBoxes(concatBytes([u32(9), Buffer.from('free')]))).toBeUndefined();
		expect(readBoxes(concatBytes([u32(1), Buffer.from('free'), u32(0, 17), Uint8Array.of(5)]))).toMatchObject([
			{ contents: Uint8Array.of(5) },
		]);
		expect(readBoxes(concatBytes([u32(0), Buffer.from('free'), Uint8Array.of(5)]))).toMatchObject([
			{ contents: Uint8Array.of(5) },
		]);
	});
});
