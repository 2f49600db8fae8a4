/** Reads the refusal of an offer, for tests. */
import { SpillwayError } from '../../core/errors/errors.ts';

/** Code and message of what is thrown; fails when nothing is, or something else. */
export function refusalOf(negotiate: () => unknown): { code: string; message: string } {
	try {
		negotiate();
	} catch (error) {
		if (error instanceof SpillwayError) {
			return { code: error.code, message: error.message };
		}
		throw error;
	}
	throw new Error('The offer was accepted.');
}
