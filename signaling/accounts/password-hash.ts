/** Passwords as hashes: argon2id, a few at a time. Reads the scrypt hashes of the first version, so that they can be replaced. */
import { hash, verify } from '@node-rs/argon2';
import { scrypt, timingSafeEqual, type ScryptOptions } from 'node:crypto';
import { SpillwayError } from '../../core/errors.ts';

/** OWASP's smallest recommended cost for argon2id: 19 MiB, two passes; some 30 ms of one core. A guess costs as much. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
const HASH_START = `$argon2id$v=19$m=${COST.memoryCost},t=${COST.timeCost},p=${COST.parallelism}$`;
/** Each one takes a core and 19 MiB; media needs the rest of the machine. */
const MAX_RUNNING = 2;
/** Beyond this many waiting (about a second of work) people are told to try again, which is better than a hung page. */
const MAX_WAITING = 32;
const SCRYPT_MAX_MEMORY_BYTES = 128 * 1024 * 1024;

/** Hashes and checks passwords. Holds no resources. */
export class PasswordHasher {
	readonly #maxRunning: number;
	readonly #maxWaiting: number;
	#runningCount = 0;
	readonly #waiting: (() => void)[] = [];
	#decoy: Promise<string> | undefined;

	constructor(
		limits: { maxRunning: number; maxWaiting: number } = { maxRunning: MAX_RUNNING, maxWaiting: MAX_WAITING },
	) {
		this.#maxRunning = limits.maxRunning;
		this.#maxWaiting = limits.maxWaiting;
	}

	/** Algorithm, cost, salt and hash in one text. Throws ACCOUNTS_BUSY when too many wait. */
	hash(password: string): Promise<string> {
		return this.#inTurn(() => hash(prepare(password), COST));
	}

	/**
	 * True when the password is the one that was hashed. With `undefined`, which stands for an account that does not exist,
	 * it takes as long and is false. Throws ACCOUNTS_BUSY when too many wait.
	 */
	async verify(password: string, stored: string | undefined): Promise<boolean> {
		// Made once, by whoever comes first; so that the first guess at a name is not told by its time, accounts make it at start.
		const against = stored ?? (await this.prepareDecoy());
		const isRight = await this.#inTurn(() =>
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

	async #inTurn<T>(work: () => Promise<T>): Promise<T> {
		if (this.#runningCount >= this.#maxRunning) {
			if (this.#waiting.length >= this.#maxWaiting) {
				throw new SpillwayError('ACCOUNTS_BUSY', [], { retryAfterSeconds: 2 });
			}
			// Whoever finishes hands its place on, so that the count stays.
			await new Promise<void>((resolve) => this.#waiting.push(resolve));
		} else {
			this.#runningCount++;
		}
		try {
			return await work();
		} finally {
			const next = this.#waiting.shift();
			if (next === undefined) {
				this.#runningCount--;
			} else {
				next();
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
