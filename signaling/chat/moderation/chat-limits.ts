/** How fast an author may write: token buckets, slow mode, repetitions. Pure but for the clock. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../../core/errors/errors.ts';
import { TokenBucket, type TokenRate } from '../../../core/limits/token-bucket.ts';
import { foldText } from './blocked-words.ts';
import type { ChatAuthor } from '../store/chat-author.ts';

const RATES = {
	/** People who talk; a second apart is faster than anybody types. */
	user: { burst: 5, perSecond: 1 },
	guest: { burst: 3, perSecond: 0.5 },
	/** All guests of one address together: a classroom may chat, a script with a hundred sockets may not. */
	address: { burst: 10, perSecond: 2 },
	/** Moderators and the like, and their bots. */
	staff: { burst: 20, perSecond: 5 },
} as const satisfies Record<string, TokenRate>;
/** The same text by the same author within this is a repetition. */
const REPETITION_MS = 30_000;
/** The same text by guests: so many within so long are one who pretends to be many. */
const GUEST_REPETITION_MS = 15_000;
const MAX_GUEST_REPETITIONS = 3;
const MAX_GUEST_TEXTS = 200;
/** Shorter texts ("gg", "lol") are said by many at once. */
const MIN_GUEST_TEXT_LENGTH = 12;
/** Authors that are remembered; the one who was silent longest goes first. */
const MAX_RECORDS = 10_000;

type AuthorRecord = { saidAtMs: number; text: string; textAtMs: number };

/** One per room. */
export class ChatLimits {
	readonly #clock: Clock;
	readonly #buckets = new Map<string, TokenBucket>();
	readonly #records = new Map<string, AuthorRecord>();
	#guestTexts: Array<{ text: string; atMs: number }> = [];

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/**
	 * Counts one attempt. Throws CHAT_TOO_FAST with the time to wait. Attempts that are refused for other reasons count
	 * too.
	 */
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

	/** Throws CHAT_SLOW_MODE or CHAT_DUPLICATE, with the time to wait; remembers nothing. */
	check(author: ChatAuthor, text: string, slowModeSeconds: number): void {
		if (author.canModerate) {
			return;
		}
		const nowMs = this.#clock.monotonicMs();
		const record = this.#records.get(author.author.id);
		const slowWaitMs = record === undefined ? 0 : record.saidAtMs + slowModeSeconds * 1000 - nowMs;
		if (slowWaitMs > 0) {
			throw refusal('CHAT_SLOW_MODE', slowWaitMs, slowModeSeconds);
		}
		const folded = foldText(text);
		if (record !== undefined && folded !== '' && record.text === folded) {
			const waitMs = record.textAtMs + REPETITION_MS - nowMs;
			if (waitMs > 0) {
				throw refusal('CHAT_DUPLICATE', waitMs);
			}
		}
		if (author.user === undefined && folded.length >= MIN_GUEST_TEXT_LENGTH) {
			const same = this.#guestTexts.filter((said) => said.text === folded && nowMs - said.atMs < GUEST_REPETITION_MS);
			if (same.length >= MAX_GUEST_REPETITIONS) {
				throw refusal('CHAT_DUPLICATE', same[0]!.atMs + GUEST_REPETITION_MS - nowMs);
			}
		}
	}

	/** To be called for every message of the room, whichever node it comes from, and at once for our own. */
	record(authorId: string, isGuest: boolean, text: string): void {
		const nowMs = this.#clock.monotonicMs();
		const folded = foldText(text);
		remember(this.#records, authorId, { saidAtMs: nowMs, text: folded, textAtMs: nowMs });
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
