/** How fast an author may write: token buckets, slow mode, repetitions. Pure but for the clock. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../../core/errors/errors.ts';
import { foldText } from './blocked-words.ts';
import type { ChatAuthor } from '../store/chat-author.ts';

/** How many messages at once, and how many a second after that. */
type Rate = { burst: number; perSecond: number };

/** People who talk; a second apart is faster than anybody types. */
const USER_RATE: Rate = { burst: 5, perSecond: 1 };
const GUEST_RATE: Rate = { burst: 3, perSecond: 0.5 };
/** All guests of one address together: a classroom may chat, a script with a hundred sockets may not. */
const ADDRESS_RATE: Rate = { burst: 10, perSecond: 2 };
/** Those who keep order, and their bots. */
const STAFF_RATE: Rate = { burst: 20, perSecond: 5 };
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

type Bucket = { tokens: number; atMs: number };
type AuthorRecord = { saidAtMs: number; text: string; textAtMs: number };

/** One per room. */
export class ChatLimits {
	readonly #clock: Clock;
	readonly #buckets = new Map<string, Bucket>();
	readonly #records = new Map<string, AuthorRecord>();
	#guestTexts: Array<{ text: string; atMs: number }> = [];

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** Takes one attempt. Throws CHAT_TOO_FAST with the time to wait. Attempts that are refused for other reasons count too. */
	takeAttempt(author: ChatAuthor): void {
		const isGuest = author.user === undefined;
		const rate = author.canModerate ? STAFF_RATE : isGuest ? GUEST_RATE : USER_RATE;
		const own = this.#refill(author.author.id, rate);
		const address =
			isGuest && author.sharedMark !== undefined ? this.#refill(author.sharedMark, ADDRESS_RATE) : undefined;
		const waitMs = Math.max(waitFor(own, rate), address === undefined ? 0 : waitFor(address, ADDRESS_RATE));
		if (waitMs > 0) {
			throw refusal('CHAT_TOO_FAST', waitMs);
		}
		own.tokens--;
		if (address !== undefined) {
			address.tokens--;
		}
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
	said(authorId: string, isGuest: boolean, text: string): void {
		const nowMs = this.#clock.monotonicMs();
		const folded = foldText(text);
		remember(this.#records, authorId, { saidAtMs: nowMs, text: folded, textAtMs: nowMs });
		if (isGuest && folded.length >= MIN_GUEST_TEXT_LENGTH) {
			this.#guestTexts.push({ text: folded, atMs: nowMs });
			this.#guestTexts.splice(0, this.#guestTexts.length - MAX_GUEST_TEXTS);
		}
	}

	#refill(key: string, rate: Rate): Bucket {
		const nowMs = this.#clock.monotonicMs();
		const bucket = this.#buckets.get(key) ?? { tokens: rate.burst, atMs: nowMs };
		bucket.tokens = Math.min(rate.burst, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * rate.perSecond);
		bucket.atMs = nowMs;
		remember(this.#buckets, key, bucket);
		return bucket;
	}
}

function waitFor(bucket: Bucket, rate: Rate): number {
	return bucket.tokens >= 1 ? 0 : ((1 - bucket.tokens) / rate.perSecond) * 1000;
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
