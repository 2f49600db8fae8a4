/** Ids of chat messages: unique, sortable across nodes, and later than everything that their author has read. */
import type { Clock } from '../../../core/lifecycle/clock.ts';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const TIME_LENGTH = 10;
const COUNTER_LENGTH = 4;
const NODE_LENGTH = 8;
const MAX_COUNTER = 32 ** COUNTER_LENGTH - 1;
/** Ids from a node whose clock is further ahead do not advance ours. */
const MAX_LEAD_MS = 60_000;
const PATTERN = new RegExp(`^[${ALPHABET}]{${TIME_LENGTH + COUNTER_LENGTH + NODE_LENGTH}}$`);

/**
 * Makes ids of 22 characters: milliseconds, a counter within them, the node. A hybrid logical clock: an answer always
 * sorts after what it answers, despite differences between the nodes' clocks; concurrent messages sort by these clocks.
 */
export class ChatIds {
	readonly #clock: Clock;
	readonly #node: string;
	#ms = 0;
	#counter = 0;

	constructor(clock: Clock) {
		this.#clock = clock;
		this.#node = [...crypto.getRandomValues(new Uint8Array(NODE_LENGTH))].map((byte) => ALPHABET[byte % 32]!).join('');
	}

	next(): string {
		const nowMs = Math.floor(this.#clock.nowMs());
		if (nowMs > this.#ms) {
			this.#ms = nowMs;
			this.#counter = 0;
		} else if (this.#counter < MAX_COUNTER) {
			this.#counter++;
		} else {
			this.#ms++;
			this.#counter = 0;
		}
		return encode(this.#ms, TIME_LENGTH) + encode(this.#counter, COUNTER_LENGTH) + this.#node;
	}

	/** Makes the next id later than this one, of another node. */
	observe(id: string): void {
		if (!isChatId(id)) {
			return;
		}
		const ms = decode(id.slice(0, TIME_LENGTH));
		const counter = decode(id.slice(TIME_LENGTH, TIME_LENGTH + COUNTER_LENGTH));
		if (ms > this.#clock.nowMs() + MAX_LEAD_MS) {
			return;
		}
		if (ms > this.#ms || (ms === this.#ms && counter > this.#counter)) {
			this.#ms = ms;
			this.#counter = counter;
		}
	}
}

/** True for the form of an id. @internal for tests */
export function isChatId(text: string): boolean {
	return PATTERN.test(text);
}

/** When an id was made, as epoch ms by the clock of its node. */
export function chatIdMs(id: string): number {
	return decode(id.slice(0, TIME_LENGTH));
}

function encode(value: number, length: number): string {
	let rest = value;
	let text = '';
	for (let index = 0; index < length; index++) {
		text = ALPHABET[rest % 32]! + text;
		rest = Math.floor(rest / 32);
	}
	return text;
}

function decode(text: string): number {
	let value = 0;
	for (const character of text) {
		value = value * 32 + ALPHABET.indexOf(character);
	}
	return value;
}
