/** Access tokens: prove for ten minutes who is signed in, without the database. A JWT (RFC 7519, RFC 9068). */
import { errors, jwtVerify, SignJWT } from 'jose';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { USER_ROLES, type UserRole } from '../../core/protocol/api/account.ts';
import { parseUserName, type User } from './user.ts';

/** A longer life keeps a withdrawn role valid for longer; a shorter one makes players refresh more often. */
export const ACCESS_TOKEN_LIFE_SECONDS = 600;
const ISSUER = 'spillway';
// Tokens for another purpose need another audience and type, so that none is accepted in place of another.
const AUDIENCE = 'spillway-api';
const TYPE = 'at+jwt';
const ALGORITHM = 'HS256';
/** Allowed difference between the clocks of several servers. */
const CLOCK_TOLERANCE_SECONDS = 5;
/** Our tokens have about 350 characters; a longer text is rejected unchecked. */
const MAX_TOKEN_LENGTH = 1024;

export class AccessTokens {
	readonly #deps: { clock: Clock; key: Uint8Array };

	/** `key`: derived from the server's secret, for this purpose only. */
	constructor(deps: { clock: Clock; key: Uint8Array }) {
		this.#deps = deps;
	}

	/** Returns a token for the user of a session. */
	async issue(user: User, sessionId: string): Promise<string> {
		const nowSeconds = Math.floor(this.#deps.clock.nowMs() / 1000);
		return new SignJWT({ name: user.name, role: user.role, sid: sessionId })
			.setProtectedHeader({ alg: ALGORITHM, typ: TYPE })
			.setIssuer(ISSUER)
			.setAudience(AUDIENCE)
			.setSubject(user.id)
			.setIssuedAt(nowSeconds)
			.setExpirationTime(nowSeconds + ACCESS_TOKEN_LIFE_SECONDS)
			.sign(this.#deps.key);
	}

	/** Returns the user of a token; undefined for a forged, foreign or expired one. Never throws. */
	async read(token: string): Promise<(User & { sessionId: string }) | undefined> {
		if (token.length > MAX_TOKEN_LENGTH) {
			return undefined;
		}
		try {
			// The algorithm is fixed: the token's own header must not choose it.
			const { payload } = await jwtVerify(token, this.#deps.key, {
				algorithms: [ALGORITHM],
				issuer: ISSUER,
				audience: AUDIENCE,
				typ: TYPE,
				requiredClaims: ['sub', 'exp', 'iat', 'sid', 'name', 'role'],
				clockTolerance: CLOCK_TOLERANCE_SECONDS,
				currentDate: new Date(this.#deps.clock.nowMs()),
			});
			const { sub, name, role, sid } = payload as Record<string, unknown>;
			const isComplete =
				typeof sub === 'string' &&
				typeof name === 'string' &&
				parseUserName(name) === name &&
				USER_ROLES.includes(role as UserRole) &&
				typeof sid === 'string';
			return isComplete ? { id: sub, name, role: role as UserRole, sessionId: sid } : undefined;
		} catch (error) {
			if (error instanceof errors.JOSEError || error instanceof TypeError) {
				return undefined;
			}
			throw error;
		}
	}
}
