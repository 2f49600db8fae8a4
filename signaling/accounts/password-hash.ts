/**
 * Hashes and checks passwords with argon2id, a few at a time, in fair order. Reads the scrypt hashes of the first
 * version, so that a log-in can replace them.
 */
import { hash, verify } from '@node-rs/argon2';
import { scrypt, timingSafeEqual, type ScryptOptions } from 'node:crypto';
import { promisify } from 'node:util';
import { SpillwayError } from '../../core/errors/errors.ts';
import { FairQueue } from '../../core/limits/fair-queue.ts';

/** OWASP's smallest recommended cost for argon2id: 19 MiB, two passes; about 30 ms of one core per guess. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
const HASH_START = `$argon2id$v=19$m=${COST.memoryCost},t=${COST.timeCost},p=${COST.parallelism}$`;
/** Each hash takes a core and 19 MiB; media needs the rest of the machine. */
const MAX_RUNNING = 2;
/** About a second of work. Beyond it users are asked to try again, which is better than a hung page. */
const MAX_WAITING = 32;
/** Share of the waiting places for one address group, which may be a school's. */
const WAITING_RATIO_OF_GROUP = 0.5;
/** Sign-ups that run at once: one place always remains for log-ins. */
const MAX_SIGN_UPS_RUNNING = 1;
const SCRYPT_MAX_MEMORY_BYTES = 128 * 1024 * 1024;

/** Decides the order of waiting hashes. @internal for tests */
export type HashTurn = {
	/** Each kind has its own queue, so that neither blocks the other. */
	kind: 'log-in' | 'sign-up';
	/** The address group; groups take turns. */
	group: string;
	/** Higher ranks run first. */
	rank: HashRank;
};

/** 0: unknown name; 1: existing account; 2: an address used before, or a valid cookie. */
type HashRank = 0 | 1 | 2;

/** For the server's own hashes. */
const OWN_TURN: HashTurn = { kind: 'log-in', group: '', rank: 2 };
const KINDS = ['log-in', 'sign-up'] as const;

type Waiter = { start: () => void; refuse: (error: SpillwayError) => void };

export class PasswordHasher {
	readonly #maxRunning: number;
	readonly #waiting: Readonly<Record<HashTurn['kind'], FairQueue<Waiter>>>;
	readonly #runningCounts = { 'log-in': 0, 'sign-up': 0 };
	#lastKind: HashTurn['kind'] = 'sign-up';
	#decoy: Promise<string> | undefined;

	constructor(
		limits: { maxRunning: number; maxWaiting: number } = { maxRunning: MAX_RUNNING, maxWaiting: MAX_WAITING },
	) {
		this.#maxRunning = limits.maxRunning;
		const maxPerGroup = Math.max(2, Math.ceil(limits.maxWaiting * WAITING_RATIO_OF_GROUP));
		const queueLimits = { maxEntries: limits.maxWaiting, maxPerGroup };
		this.#waiting = { 'log-in': new FairQueue(queueLimits), 'sign-up': new FairQueue(queueLimits) };
	}

	/** Returns algorithm, cost, salt and hash in one text. Throws ACCOUNTS_BUSY when too many wait. */
	hash(password: string, turn: HashTurn = OWN_TURN): Promise<string> {
		return this.#inTurn(turn, () => hash(prepare(password), COST));
	}

	/**
	 * True when the password matches. `stored` is undefined for an account that does not exist: the check takes as long
	 * and fails. Throws ACCOUNTS_BUSY when too many wait.
	 */
	async verify(password: string, stored: string | undefined, turn: HashTurn = OWN_TURN): Promise<boolean> {
		const against = stored ?? (await this.prepareDecoy());
		const isRight = await this.#inTurn(turn, () =>
			against.startsWith('scrypt$') ? verifyScrypt(password, against) : verifyArgon(password, against),
		);
		return isRight && stored !== undefined;
	}

	/** Makes the hash for attempts at unknown names. Call it at start: otherwise the first such attempt takes longer. */
	prepareDecoy(): Promise<string> {
		this.#decoy ??= hash(crypto.getRandomValues(new Uint8Array(32)), COST);
		return this.#decoy;
	}

	/** True when the hash has an older kind or cost; the next log-in replaces it. */
	needsRehash(stored: string): boolean {
		return !stored.startsWith(HASH_START);
	}

	async #inTurn<T>(turn: HashTurn, work: () => Promise<T>): Promise<T> {
		if (this.#hasPlace(turn.kind) && this.#waiting[turn.kind].size === 0) {
			this.#runningCounts[turn.kind]++;
			this.#lastKind = turn.kind;
		} else {
			await this.#wait(turn);
		}
		try {
			return await work();
		} finally {
			this.#runningCounts[turn.kind]--;
			this.#startNext();
		}
	}

	#wait({ kind, group, rank }: HashTurn): Promise<void> {
		return new Promise((start, refuse) => {
			const result = this.#waiting[kind].add({ start, refuse }, group, rank);
			const refused = result.isAdded ? result.displaced : { refuse };
			refused?.refuse(new SpillwayError('ACCOUNTS_BUSY', [], { retryAfterSeconds: 2 }));
		});
	}

	#hasPlace(kind: HashTurn['kind']): boolean {
		const { 'log-in': logIns, 'sign-up': signUps } = this.#runningCounts;
		return logIns + signUps < this.#maxRunning && (kind === 'log-in' || signUps < MAX_SIGN_UPS_RUNNING);
	}

	// The two kinds alternate. A waiter is counted as running before it starts, so that no newcomer takes its place.
	#startNext(): void {
		const kinds = this.#lastKind === 'log-in' ? KINDS.toReversed() : KINDS;
		for (const kind of kinds) {
			const waiter = this.#hasPlace(kind) ? this.#waiting[kind].next() : undefined;
			if (waiter !== undefined) {
				this.#runningCounts[kind]++;
				this.#lastKind = kind;
				waiter.start();
				return;
			}
		}
	}
}

// Keyboards encode equal letters differently; the password must match all the same.
function prepare(password: string): string {
	return password.normalize('NFC');
}

async function verifyArgon(password: string, stored: string): Promise<boolean> {
	try {
		return await verify(stored, prepare(password));
	} catch {
		// The stored text is no argon2 hash.
		return false;
	}
}

/** Checks `scrypt$N$r$p$salt$hash`, the format of the first version. */
async function verifyScrypt(password: string, stored: string): Promise<boolean> {
	const match = /^scrypt\$(\d{1,7})\$(\d{1,2})\$(\d{1,2})\$([\w-]+)\$([\w-]+)$/.exec(stored);
	if (match === null) {
		return false;
	}
	const [N, r, p] = [Number(match[1]), Number(match[2]), Number(match[3])];
	const [salt, expected] = [Buffer.from(match[4]!, 'base64url'), Buffer.from(match[5]!, 'base64url')];
	const options: ScryptOptions = { N, r, p, maxmem: SCRYPT_MAX_MEMORY_BYTES };
	const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt);
	return timingSafeEqual(await derive(prepare(password), salt, expected.length, options), expected);
}
