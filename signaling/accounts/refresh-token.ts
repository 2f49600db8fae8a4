/**
 * Refresh tokens as text. A keyed hash derives each from its predecessor, so that two refreshes at the same moment get
 * the same successor, and forged tokens are recognised. Only hashes are stored.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

const NONCE_BYTES = 16;
const TOKEN_PATTERN = /^([0-9a-z]{26})\.([\w-]{22})\.([\w-]{43})$/;

export class RefreshTokens {
	readonly #key: Uint8Array;

	/** `key`: derived from the server's secret for this purpose only. */
	constructor(key: Uint8Array) {
		this.#key = key;
	}

	/** The first token of a session: `{session id}.{random}.{signature}`. */
	createFirst(sessionId: string): string {
		return this.#sign(sessionId, randomBytes(NONCE_BYTES));
	}

	/** Returns the token that replaces this one; always the same. */
	successor(token: string): string {
		const [sessionId] = token.split('.') as [string];
		return this.#sign(sessionId, this.#mac(`next:${token}`).subarray(0, NONCE_BYTES));
	}

	/** Returns the session of a genuine token; undefined for any other text. */
	readSessionId(token: string): string | undefined {
		const match = TOKEN_PATTERN.exec(token);
		if (match === null) {
			return undefined;
		}
		// Compared as text: base64url can encode the same bytes in several ways, and only one of them was issued.
		const expected = Buffer.from(this.#mac(`sign:${match[1]}.${match[2]}`).toString('base64url'));
		return timingSafeEqual(Buffer.from(match[3]!), expected) ? match[1] : undefined;
	}

	/** Returns what is stored in place of the token. */
	hash(token: string): Uint8Array {
		return new Uint8Array(this.#mac(`hash:${token}`));
	}

	#sign(sessionId: string, nonce: Buffer): string {
		const body = `${sessionId}.${nonce.toString('base64url')}`;
		return `${body}.${this.#mac(`sign:${body}`).toString('base64url')}`;
	}

	#mac(text: string): Buffer {
		return createHmac('sha256', this.#key).update(text).digest();
	}
}
