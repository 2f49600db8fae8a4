/**
 * Passwords as hashes: argon2id, a few at a time, by turns. Reads the scrypt hashes of the first version, so that they
 * can be replaced.
 */
import { hash, verify } from '@node-rs/argon2';
import { scrypt, timingSafeEqual, type ScryptOptions } from 'node:crypto';
import { SpillwayError } from '../../core/errors/errors.ts';
import { FairQueue } from '../../core/limits/fair-queue.ts';

/**
 * OWASP's smallest recommended cost for argon2id: 19 MiB, two passes; some 30 ms of one core. A guess costs as much.
 */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
const HASH_START = `$argon2id$v=19$m=${COST.memoryCost},t=${COST.timeCost},p=${COST.parallelism}$`;
/** Each one takes a core and 19 MiB; media needs the rest of the machine. */
const MAX_RUNNING = 2;
/** Beyond this many waiting (about a second of work) people are told to try again, which is better than a hung page. */
const MAX_WAITING = 32;
/** Of these, so many of one address group, which may be a school's. */
const WAITING_RATIO_OF_GROUP = 0.5;
/** Sign-ups that run at once: however many strangers sign up, one place is left for those who log in. */
const MAX_SIGN_UPS_RUNNING = 1;
const SCRYPT_MAX_MEMORY_BYTES = 128 * 1024 * 1024;

/** Whose turn a hash is. @internal for tests */
export type HashTurn = {
	/** Apart from one another, so that neither keeps the other out. */
	kind: 'log-in' | 'sign-up';
	/** The address group; groups take turns. */
	group: string;
	/** Higher ones come first. */
	rank: HashRank;
};

/** Somebody unknown; a name that has an account; somebody at an address they were at before, or with a valid cookie. */
type HashRank = 0 | 1 | 2;

/** For what the server itself does. */
const OWN_TURN: HashTurn = { kind: 'log-in', group: '', rank: 2 };
const KINDS = ['log-in', 'sign-up'] as const;

type Waiter = { start: () => void; refuse: (error: SpillwayError) => void };

/** Hashes and checks passwords. Holds no resources. */
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

	/** Algorithm, cost, salt and hash in one text. Throws ACCOUNTS_BUSY when too many wait. */
	hash(password: string, turn: HashTurn = OWN_TURN): Promise<string> {
		return this.#inTurn(turn, () => hash(prepare(password), COST));
	}

	/**
	 * True when the password is the one that was hashed. With `undefined`, which stands for an account that does not
	 * exist, it takes as long and is false. Throws ACCOUNTS_BUSY when too many wait.
	 */
	async verify(password: string, stored: string | undefined, turn: HashTurn = OWN_TURN): Promise<boolean> {
		// Made once, by whoever comes first; so that the first guess at a name is not told by its time, accounts make it at
		// start.
		const against = stored ?? (await this.prepareDecoy());
		const isRight = await this.#inTurn(turn, () =>
			against.startsWith('scrypt$') ? verifyScrypt(password, against) : verifyArgon(password, against),
		);
		return isRight && stored !== undefined;
	}

	/** The hash of nobody's password, against which attempts at unknown names are checked. */
	prepareDecoy(): Promise<string> {
		this.#decoy ??= hash(crypto.getRandomValues(new Uint8Array(32)), COST);
		return this.#decoy;
	}

	/** True when the hash is of an older kind or cost and should be made again at the next log-in. */
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

	// The two kinds alternate. Whoever is started is counted here already.
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

// Equal letters may be written in several ways; typed on another keyboard they must still be the same password.
function prepare(password: string): string {
	return password.normalize('NFC');
}

async function verifyArgon(password: string, stored: string): Promise<boolean> {
	try {
		return await verify(stored, prepare(password));
	} catch {
		// Not a hash of ours: nobody's password.
		return false;
	}
}

/** `scrypt$N$r$p$salt$hash`, as the first version wrote it. */
async function verifyScrypt(password: string, stored: string): Promise<boolean> {
	const match = /^scrypt\$(\d{1,7})\$(\d{1,2})\$(\d{1,2})\$([\w-]+)\$([\w-]+)$/.exec(stored);
	if (match === null) {
		return false;
	}
	const expected = Buffer.from(match[5]!, 'base64url');
	const options: ScryptOptions = {
		N: Number(match[1]),
		r: Number(match[2]),
		p: Number(match[3]),
		maxmem: SCRYPT_MAX_MEMORY_BYTES,
	};
	const derived = await new Promise<Buffer>((resolve, reject) => {
		scrypt(prepare(password), Buffer.from(match[4]!, 'base64url'), expected.length, options, (error, key) => {
			if (error === null) {
				resolve(key);
			} else {
				reject(error);
			}
		});
	});
	return timingSafeEqual(derived, expected);
}
