/** Passwords as hashes: scrypt, with its parameters in the text, so that they can grow without breaking old ones. */
import { randomBytes, scrypt, timingSafeEqual, type ScryptOptions } from 'node:crypto';

/** 2^15 blocks of 8 × 128 bytes take 32 MB and some 0.1 s; a guess costs an attacker as much. */
const COST = { N: 2 ** 15, r: 8, p: 1 } as const;
const MAX_MEMORY_BYTES = 128 * 1024 * 1024;
const HASH_BYTES = 32;
const SALT_BYTES = 16;

/** `scrypt$N$r$p$salt$hash`, the last two in base64url. */
export async function hashPassword(password: string): Promise<string> {
	const salt = randomBytes(SALT_BYTES);
	const hash = await derive(password, salt, COST);
	return ['scrypt', COST.N, COST.r, COST.p, salt.toString('base64url'), hash.toString('base64url')].join('$');
}

/** True when the password is the one that was hashed. False for a text that is not a hash of ours. */
export async function verifyPassword(password: string, stored: string): Promise<boolean> {
	const match = /^scrypt\$(\d{1,7})\$(\d{1,2})\$(\d{1,2})\$([\w-]+)\$([\w-]+)$/.exec(stored);
	if (match === null) {
		return false;
	}
	const cost = { N: Number(match[1]), r: Number(match[2]), p: Number(match[3]) };
	const expected = Buffer.from(match[5]!, 'base64url');
	const hash = await derive(password, Buffer.from(match[4]!, 'base64url'), cost);
	return expected.length === hash.length && timingSafeEqual(hash, expected);
}

function derive(password: string, salt: Buffer, cost: { N: number; r: number; p: number }): Promise<Buffer> {
	const options: ScryptOptions = { ...cost, maxmem: MAX_MEMORY_BYTES };
	return new Promise((resolve, reject) => {
		// Equal letters may be written in several ways; typed on another keyboard they must still be the same password.
		scrypt(password.normalize('NFC'), salt, HASH_BYTES, options, (error, hash) => {
			if (error === null) {
				resolve(hash);
			} else {
				reject(error);
			}
		});
	});
}
