/** Joins the packets of successive publishers into one stream: pure arithmetic on sequence numbers and timestamps. */
import { unwrap } from '../../../core/units.ts';

/** The first number of a stream: random (RFC 3550 §5.1), in the lower half, so that it does not wrap soon. */
export function randomSequence(): number {
	return crypto.getRandomValues(new Uint16Array(1))[0]! & 0x7fff;
}

/** Within a splice the offsets are constant, so that a packet sent again takes its place, however late. */
export class SequenceSplicer {
	#highest: number;
	#offset = 0;
	#inReference = 0;
	#firstInSplice = 0;
	#isOpen = false;

	/** `first`: the first number of the output (0–65535). */
	constructor(first: number) {
		this.#highest = first - 1;
	}

	/** The highest number of the output so far, unwrapped. */
	get highest(): number {
		return this.#highest;
	}

	/** `leavesGap` skips one number, which shows receivers that the last picture before the splice is not complete. */
	begin(sequenceNumber: number, leavesGap: boolean): void {
		this.#inReference = sequenceNumber;
		this.#firstInSplice = this.#highest + (leavesGap ? 2 : 1);
		this.#offset = this.#firstInSplice - sequenceNumber;
		// So that next() leaves the gap as well.
		this.#highest = this.#firstInSplice - 1;
		this.#isOpen = true;
	}

	/** Output number (unwrapped) for a publisher's number; undefined for one from before the splice. */
	map(sequenceNumber: number): number | undefined {
		if (!this.#isOpen) {
			return undefined;
		}
		const unwrapped = unwrap(sequenceNumber, this.#inReference, 16);
		this.#inReference = Math.max(this.#inReference, unwrapped);
		const out = unwrapped + this.#offset;
		if (out < this.#firstInSplice) {
			return undefined;
		}
		this.#highest = Math.max(this.#highest, out);
		return out;
	}

	/** The next number, for our own packets. */
	next(): number {
		return ++this.#highest;
	}
}
