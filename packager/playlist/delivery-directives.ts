/** Reads the `_HLS_…` query parameters of a playlist request (draft-pantos-hls-rfc8216bis §6.2.5). Pure. */
import { SpillwayError } from '../../core/errors/errors.ts';
import { PART_TARGET_SECONDS } from '../config/packager-config.ts';

export type DeliveryDirectives = {
	/** `_HLS_msn`: answer once this segment, or the part of it, exists. */
	mediaSequence: number | undefined;
	/** `_HLS_part`. */
	partIndex: number | undefined;
	/** `_HLS_skip`: a delta update is welcome. */
	isDeltaWelcome: boolean;
};

/** Segments that a client may request in advance; more is a mistake, or an attempt to hold connections. */
const ADVANCE_SEGMENT_LIMIT = 2;
/** §6.2.5.2: three divided by the Part Target Duration where that is below one second. */
const ADVANCE_PART_LIMIT = Math.ceil(3 / PART_TARGET_SECONDS);

const WHOLE_NUMBER = /^\d{1,15}$/;

/**
 * Ignores unknown parameters (§6.2.5), parameters without a value, and repetitions of the same value. Ignores a
 * `_HLS_skip` other than YES and v2, because the full playlist is always right. Throws DELIVERY_DIRECTIVE_INVALID.
 */
export function parseDeliveryDirectives(query: Readonly<Record<string, unknown>>): DeliveryDirectives {
	const mediaSequence = parseWholeNumber('_HLS_msn', query['_HLS_msn']);
	const partIndex = parseWholeNumber('_HLS_part', query['_HLS_part']);
	const skip = single(query['_HLS_skip']);
	if (partIndex !== undefined && mediaSequence === undefined) {
		// §6.2.5.2: "If the Client … includes _HLS_part without _HLS_msn, the Server MUST respond with … 400".
		throw new SpillwayError('DELIVERY_DIRECTIVE_INVALID', ['_HLS_part needs _HLS_msn']);
	}
	return { mediaSequence, partIndex, isDeltaWelcome: skip === 'YES' || skip === 'v2' };
}

/** Throws DELIVERY_DIRECTIVE_INVALID when the position lies too far ahead of `last`, the newest part listed. */
export function checkAdvanceLimit(
	directives: DeliveryDirectives,
	last: { mediaSequence: number; partIndex: number },
): void {
	const { mediaSequence, partIndex } = directives;
	if (mediaSequence === undefined) {
		return;
	}
	// §6.2.5.2: "If the Client requests a Media Sequence Number greater than the Media Sequence Number of the last Media
	// Segment in the current Playlist plus two, … the Server SHOULD … 400". We count the open segment as the last.
	if (mediaSequence > last.mediaSequence + ADVANCE_SEGMENT_LIMIT) {
		throw new SpillwayError('DELIVERY_DIRECTIVE_INVALID', [
			`_HLS_msn is ${mediaSequence}, but the newest segment is ${last.mediaSequence}`,
		]);
	}
	const partLimit = (mediaSequence > last.mediaSequence ? 0 : last.partIndex) + ADVANCE_PART_LIMIT;
	if (mediaSequence >= last.mediaSequence && partIndex !== undefined && partIndex > partLimit) {
		throw new SpillwayError('DELIVERY_DIRECTIVE_INVALID', [
			`_HLS_part is ${partIndex}, but at most ${partLimit} can be asked for`,
		]);
	}
}

/** The value of a parameter that may be repeated with the same value; "" counts as not given. */
function single(value: unknown): unknown {
	const only = Array.isArray(value) && new Set(value).size === 1 ? (value[0] as unknown) : value;
	return only === '' ? undefined : only;
}

function parseWholeNumber(name: string, given: unknown): number | undefined {
	const value = single(given);
	if (value === undefined) {
		return undefined;
	}
	if (typeof value !== 'string' || !WHOLE_NUMBER.test(value)) {
		throw new SpillwayError('DELIVERY_DIRECTIVE_INVALID', [`${name} must be a whole number`]);
	}
	return Number(value);
}
