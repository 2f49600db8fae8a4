/** Directives are untrusted input: they are read correctly or refused with one error. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SpillwayError } from '../../core/errors/errors.ts';
import { checkAdvanceLimit, parseDeliveryDirectives, type DeliveryDirectives } from './delivery-directives.ts';

describe('parseDeliveryDirectives', () => {
	it('reads every combination of directives', () => {
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
				const { mediaSequence, partIndex, isDeltaWelcome } = input;
				const query = {
					_HLS_msn: mediaSequence?.toString(),
					_HLS_part: partIndex?.toString(),
					_HLS_skip: isDeltaWelcome ? 'YES' : undefined,
				};
				expect(parseDeliveryDirectives(query)).toEqual(input);
			}),
		);
	});

	it('throws only DELIVERY_DIRECTIVE_INVALID for any query', () => {
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
