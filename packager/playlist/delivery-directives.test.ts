/** Directives come from strangers: read right, refused with one error, never anything else. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SpillwayError } from '../../core/errors/errors.ts';
import { checkAdvanceLimit, parseDeliveryDirectives, type DeliveryDirectives } from './delivery-directives.ts';

function formatDeliveryDirectives(directives: DeliveryDirectives): string {
	const parameters = new URLSearchParams();
	if (directives.mediaSequence !== undefined) {
		parameters.set('_HLS_msn', String(directives.mediaSequence));
	}
	if (directives.partIndex !== undefined) {
		parameters.set('_HLS_part', String(directives.partIndex));
	}
	if (directives.isDeltaWelcome) {
		parameters.set('_HLS_skip', 'YES');
	}
	return parameters.toString();
}

describe('parseDeliveryDirectives', () => {
	it('reads what was formatted', () => {
		const directives: fc.Arbitrary<DeliveryDirectives> = fc.oneof(
			fc.record({
				mediaSequence: fc.nat(),
				partIndex: fc.option(fc.nat(), { nil: undefined }),
				isDeltaWelcome: fc.boolean(),
			}),
			fc.record({
				mediaSequence: fc.constant(undefined),
				partIndex: fc.constant(undefined),
				isDeltaWelcome: fc.boolean(),
			}),
		);
		fc.assert(
			fc.property(directives, (input) => {
				const query = Object.fromEntries(new URLSearchParams(formatDeliveryDirectives(input)));
				expect(parseDeliveryDirectives(query)).toEqual(input);
			}),
		);
	});

	it('throws nothing but DELIVERY_DIRECTIVE_INVALID, whatever comes', () => {
		const value = fc.oneof(
			fc.string(),
			fc.integer().map(String),
			fc.array(fc.string()),
			fc.constant(undefined),
			fc.object(),
		);
		fc.assert(
			fc.property(fc.record({ _HLS_msn: value, _HLS_part: value, _HLS_skip: value, other: value }), (query) => {
				try {
					const directives = parseDeliveryDirectives(query);
					checkAdvanceLimit(directives, { mediaSequence: 5, partIndex: 3 });
					expect(directives.mediaSequence === undefined || Number.isSafeInteger(directives.mediaSequence)).toBe(true);
				} catch (error) {
					expect(error).toBeInstanceOf(SpillwayError);
					expect((error as SpillwayError).code).toBe('DELIVERY_DIRECTIVE_INVALID');
				}
			}),
			{ numRuns: 500 },
		);
	});
});

describe('checkAdvanceLimit', () => {
	const last = { mediaSequence: 10, partIndex: 4 };
	it.each([
		[12, undefined, true],
		[13, undefined, false],
		[10, 19, true],
		[10, 20, false],
		[11, 15, true],
		[11, 16, false],
		[3, 99, true],
	])('for segment %s, part %s: %s', (mediaSequence, partIndex, isAllowed) => {
		const check = (): void => checkAdvanceLimit({ mediaSequence, partIndex, isDeltaWelcome: false }, last);
		if (isAllowed) {
			expect(check).not.toThrow();
		} else {
			expect(check).toThrow(SpillwayError);
		}
	});
});
