/** Whether each message of the load test's senders reaches a receiver once and in order. Pure. */

/** Missing numbers kept per sender; later ones count as lost even if they arrive. */
const MAX_MISSING = 1000;

type DeliveryCounts = { lostCount: number; doubledCount: number; reorderedCount: number };

/** A message of the load test. `dueAtMs`: when it is due to be sent, in epoch milliseconds. */
type TestMessage = { runId: string; sender: number; number: number; dueAtMs: number };

export function formatTestMessage({ runId, sender, number, dueAtMs }: TestMessage): string {
	return `lt ${runId} ${sender} ${number} ${dueAtMs.toFixed(1)}`;
}

/** Reads a text; undefined for other messages. */
export function parseTestMessage(text: string): TestMessage | undefined {
	const match = /^lt (\w{1,40}) (\d{1,6}) (\d{1,9}) (\d{1,16}(?:\.\d{1,3})?)$/.exec(text);
	return match === null
		? undefined
		: { runId: match[1]!, sender: Number(match[2]), number: Number(match[3]), dueAtMs: Number(match[4]) };
}

/** One receiver's check. A sender's numbers must increase by one, from any first number. */
export class DeliveryCheck {
	readonly #senders = new Map<number, { next: number; missing: Set<number> }>();
	readonly counts: DeliveryCounts = { lostCount: 0, doubledCount: 0, reorderedCount: 0 };

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

	/** The sender has sent up to this number: numbers that have not arrived are lost. */
	finish(sender: number, lastNumber: number): void {
		const state = this.#senders.get(sender);
		if (state !== undefined && state.next <= lastNumber) {
			this.counts.lostCount += lastNumber - state.next + 1;
			state.next = lastNumber + 1;
		}
	}
}
