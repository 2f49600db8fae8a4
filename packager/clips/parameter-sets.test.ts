/** Knows when one list of parameter sets serves all pictures; any other bytes are harmless. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { damaged } from '../../core/testing/untrusted-bytes.ts';
import { SIMULATED_VIDEO } from '../testing/simulated-source.ts';
import { ParameterSets } from './parameter-sets.ts';

const [sps, pps] = [SIMULATED_VIDEO.sps[0]!, SIMULATED_VIDEO.pps[0]!];
/** Of the same picture parameter set, with another number: `1` is ue(0), `010` is ue(1). */
const OTHER_PPS = Uint8Array.of(0x68, 0b0101_1011, 0xe3, 0x80);
const SLICE = Uint8Array.of(0x65, 0x88, 0x80);

function collect(...nals: readonly Uint8Array[]): ParameterSets {
	const sets = new ParameterSets();
	sets.add(nals);
	return sets;
}

describe('ParameterSets', () => {
	it('serves all pictures with sets that are repeated, and with new numbers', () => {
		const sets = collect(sps, pps, SLICE, sps, OTHER_PPS, pps);
		expect(sets.isOneConfiguration).toBe(true);
		expect(sets.complete(SIMULATED_VIDEO)).toEqual({ ...SIMULATED_VIDEO, pps: [pps, OTHER_PPS] });
		expect(sets.freeId).toBe(31);
	});

	it('does not serve pictures whose set has the number of another one', () => {
		const changed = pps.slice();
		changed[2] = 0x3c;
		expect(collect(sps, pps, changed).isOneConfiguration).toBe(false);
	});

	it('does not serve pictures whose set cannot be read', () => {
		expect(collect(sps, Uint8Array.of(0x67, 0x4d)).isOneConfiguration).toBe(false);
		expect(collect(sps, Uint8Array.of(0x68)).isOneConfiguration).toBe(false);
	});

	it('never throws, whatever the bytes', () => {
		fc.assert(
			fc.property(fc.array(fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 30 }), damaged(sps, pps))), (nals) => {
				const sets = collect(...nals);
				expect(sets.complete(SIMULATED_VIDEO).sps[0]).toEqual(sps);
			}),
			{ numRuns: 500 },
		);
	});
});
