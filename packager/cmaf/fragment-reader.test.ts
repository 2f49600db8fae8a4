/** The reader of fragments gives back what the writer was given, to the byte; any other bytes are harmless. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { damaged } from '../../core/testing/untrusted-bytes.ts';
import { concatBytes } from './box-writer.ts';
import { readFragments } from './fragment-reader.ts';
import { writeFragment, type FragmentSample } from './fragment-writer.ts';

const sample: fc.Arbitrary<FragmentSample> = fc.record({
	bytes: fc.uint8Array({ maxLength: 20 }),
	durationTicks: fc.nat(100_000),
	compositionOffsetTicks: fc.integer({ min: -20_000, max: 20_000 }),
	isSync: fc.boolean(),
});
const segment = fc.array(fc.tuple(fc.nat(2 ** 45), fc.array(sample, { maxLength: 8 })), { maxLength: 4 });

function write(parts: readonly (readonly [number, readonly FragmentSample[]])[]): Uint8Array {
	const fragments = parts.map(([baseMediaDecodeTimeTicks, samples]) =>
		writeFragment({ sequenceNumber: 1, baseMediaDecodeTimeTicks, captureTimeMs: 0, samples }),
	);
	return concatBytes(fragments);
}

describe('readFragments', () => {
	it('reads every sample of every fragment of a segment', () => {
		fc.assert(
			fc.property(segment, (parts) => {
				const bytes = write(parts);
				const read = [...readFragments(bytes)].map(({ startByte, endByte, ...entry }) => ({
					...entry,
					bytes: bytes.slice(startByte, endByte),
				}));
				const expected = parts.flatMap(([base, samples]) => {
					let decodeTimeTicks = base;
					return samples.map((written) => {
						const entry = { ...written, decodeTimeTicks };
						decodeTimeTicks += written.durationTicks;
						return entry;
					});
				});
				expect(read).toEqual(expected);
			}),
		);
	});

	it('reads the begin of a cut segment as it reads the whole', () => {
		fc.assert(
			fc.property(segment, fc.nat(1000), (parts, length) => {
				const bytes = write(parts);
				const some = [...readFragments(bytes.subarray(0, length))];
				expect(some).toEqual([...readFragments(bytes)].slice(0, some.length));
			}),
		);
	});

	it('never throws, and never finds what is before the fragment, whatever the bytes', () => {
		const long: FragmentSample = {
			bytes: new Uint8Array(9),
			durationTicks: 3000,
			compositionOffsetTicks: 1,
			isSync: true,
		};
		const good = write([
			[90_000, [long, { ...long, isSync: false }]],
			[96_000, [long]],
		]);
		fc.assert(
			fc.property(damaged(good), fc.nat(good.length), (bytes, length) => {
				for (const { startByte, endByte } of readFragments(bytes.subarray(0, length))) {
					expect(startByte).toBeGreaterThan(0);
					expect(endByte).toBeGreaterThanOrEqual(startByte);
				}
			}),
			{ numRuns: 2000 },
		);
		fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void [...readFragments(bytes)]));
	});
});
