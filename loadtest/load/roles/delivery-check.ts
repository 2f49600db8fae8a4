/** Whether each message of the load test's senders reached a receiver once and in order. Pure. */

/** Numbers remembered as missing per sender; older ones are lost for good. */
const MAX_MISSING = 1000;

/** What a receiver has seen go wrong. */
type DeliveryCounts = { lostCount: number; doubledCount: number; reorderedCount: number };

/** The load test's own messages: run, sender, number, and when it was due to be sent (epoch milliseconds). */
type TestMessage = { runId: string; sender: number; number: number; dueAtMs: number };

/** Text of a message. */
export function formatTestMessage({ runId, sender, number, dueAtMs }: TestMessage): string {
	return `lt ${runId} ${sender} ${number} ${dueAtMs.toFixed(1)}`;
}

/** Reads a text; undefined for anybody else's message. */
export function parseTestMessage(text: string): TestMessage | undefined {
	const match = /^lt (\w{1,40}) (\d{1,6}) (\d{1,9}) (\d{1,16}(?:\.\d{1,3})?)$/.exec(text);
	return match === null
		? undefined
		: { runId: match[1]!, sender: Number(match[2]), number: Number(match[3]), dueAtMs: Number(match[4]) };
}

/** One receiver's check. A sender's numbers must go up by one; the first one seen is where it begins. */
export class DeliveryCheck {
	readonly #senders = new Map<number, { next: number; missing: Set<number> }>();
	readonly counts: DeliveryCounts = { lostCount: 0, doubledCount: 0, reorderedCount: 0 };

	/** A message has come. */
	receive(sender: number, number: number): void {
		const state = this.#senders.get(sender);
		if (state === undefined) {
			this.#senders.set(sender, { next: number + 1, missing: new Set() });
			return;
		}
		if (number < state.next) {
			if (state.missing.delete(number)) {
				this.counts.lostCount--;
				this.counts.reorderedCount++;
			} else {
				this.counts.doubledCount++;
			}
			return;
		}
		for (let missing = state.next; missing < number; missing++) {
			this.counts.lostCount++;
			if (state.missing.size < MAX_MISSING) {
				state.missing.add(missing);
			}
		}
		state.next = number + 1;
	}

	/** The sender has sent up to this number: what has not come by now is lost. */
	finish(sender: number, lastNumber: number): void {
		const state = this.#senders.get(sender);
		if (state !== undefined && state.next <= lastNumber) {
			this.counts.lostCount += lastNumber - state.next + 1;
			state.next = lastNumber + 1;
		}
	}
}
