/** Limits how fast an author may write: token buckets, slow mode, repetitions. Pure except for the clock. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../../core/errors/errors.ts';
import { TokenBucket, type TokenRate } from '../../../core/limits/token-bucket.ts';
import { foldText } from './blocked-words.ts';
import type { ChatAuthor } from '../store/chat-author.ts';

const RATES = {
	/** One message per second is faster than people type. */
	user: { burst: 5, perSecond: 1 },
	guest: { burst: 3, perSecond: 0.5 },
	/** All guests of one address together: enough for a classroom, not for a script with a hundred sockets. */
	address: { burst: 10, perSecond: 2 },
	/** Authors who may moderate, and their bots. */
	staff: { burst: 20, perSecond: 5 },
} as const satisfies Record<string, TokenRate>;
/** An author may not send the same text within this time. */
const REPETITION_MS = 30_000;
/** Guests together may send a text three times within this: more copies come from one user who poses as many. */
const GUEST_REPETITION_MS = 15_000;
const MAX_GUEST_REPETITIONS = 3;
const MAX_GUEST_TEXTS = 200;
/** Many users send shorter texts ("gg", "lol") at once. */
const MIN_GUEST_TEXT_LENGTH = 12;
/** Authors and buckets in memory; beyond it the least recent one is evicted. */
const MAX_RECORDS = 10_000;

type AuthorRecord = { text: string; sentAtMs: number };

/** One instance per room. */
export class ChatLimits {
	readonly #clock: Clock;
	readonly #buckets = new Map<string, TokenBucket>();
	readonly #records = new Map<string, AuthorRecord>();
	#guestTexts: Array<{ text: string; atMs: number }> = [];

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** Counts one attempt, even if it is refused for another reason later. Throws CHAT_TOO_FAST with the time to wait. */
	admit(author: ChatAuthor): void {
		const isGuest = author.user === undefined;
		const kind = author.canModerate ? 'staff' : isGuest ? 'guest' : 'user';
		const buckets = [this.#bucket(kind, author.author.id)];
		if (isGuest && author.sharedMark !== undefined) {
			buckets.push(this.#bucket('address', author.sharedMark));
		}
		const waitMs = Math.max(...buckets.map((bucket) => bucket.waitMs));
		if (waitMs > 0) {
			throw refusal('CHAT_TOO_FAST', waitMs);
		}
		buckets.forEach((bucket) => bucket.take());
	}

	/** Throws CHAT_SLOW_MODE or CHAT_DUPLICATE, with the time to wait. Changes nothing. */
	check(author: ChatAuthor, text: string, slowModeSeconds: number): void {
		if (author.canModerate) {
			return;
		}
		const nowMs = this.#clock.monotonicMs();
		const record = this.#records.get(author.author.id);
		const slowWaitMs = record === undefined ? 0 : record.sentAtMs + slowModeSeconds * 1000 - nowMs;
		if (slowWaitMs > 0) {
			throw refusal('CHAT_SLOW_MODE', slowWaitMs, slowModeSeconds);
		}
		const folded = foldText(text);
		if (record !== undefined && folded !== '' && record.text === folded) {
			const waitMs = record.sentAtMs + REPETITION_MS - nowMs;
			if (waitMs > 0) {
				throw refusal('CHAT_DUPLICATE', waitMs);
			}
		}
		if (author.user === undefined && folded.length >= MIN_GUEST_TEXT_LENGTH) {
			const same = this.#guestTexts.filter((sent) => sent.text === folded && nowMs - sent.atMs < GUEST_REPETITION_MS);
			if (same.length >= MAX_GUEST_REPETITIONS) {
				throw refusal('CHAT_DUPLICATE', same[0]!.atMs + GUEST_REPETITION_MS - nowMs);
			}
		}
	}

	/** Call it for every message of the room, from any node, and at once for our own. */
	record(authorId: string, isGuest: boolean, text: string): void {
		const nowMs = this.#clock.monotonicMs();
		const folded = foldText(text);
		remember(this.#records, authorId, { text: folded, sentAtMs: nowMs });
		if (isGuest && folded.length >= MIN_GUEST_TEXT_LENGTH) {
			this.#guestTexts.push({ text: folded, atMs: nowMs });
			this.#guestTexts.splice(0, this.#guestTexts.length - MAX_GUEST_TEXTS);
		}
	}

	#bucket(kind: keyof typeof RATES, id: string): TokenBucket {
		const key = `${kind} ${id}`;
		const bucket = this.#buckets.get(key) ?? new TokenBucket(this.#clock, RATES[kind]);
		remember(this.#buckets, key, bucket);
		return bucket;
	}
}

function refusal(
	code: 'CHAT_TOO_FAST' | 'CHAT_SLOW_MODE' | 'CHAT_DUPLICATE',
	waitMs: number,
	...details: number[]
): SpillwayError {
	const retryAfterSeconds = Math.ceil(waitMs / 100) / 10;
	return new SpillwayError(code, [...details, retryAfterSeconds], { retryAfterSeconds });
}

function remember<T>(map: Map<string, T>, key: string, value: T): void {
	map.delete(key);
	map.set(key, value);
	if (map.size > MAX_RECORDS) {
		map.delete(map.keys().next().value!);
	}
}
