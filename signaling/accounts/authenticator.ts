/** Identifies the user of a request by their access token. Does not query the database, so that viewers cost none. */
import type { FastifyRequest } from 'fastify';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import { KnownGroups } from '../../core/limits/known-groups.ts';
import { ACCESS_TOKEN_LIFE_SECONDS, type AccessTokens } from './access-token.ts';
import type { SessionCookies } from './session-cookies.ts';
import type { User } from './user.ts';

/** Recently ended sessions whose access tokens have not expired; beyond this many the oldest is evicted. */
const MAX_ENDED_SESSIONS = 100_000;
const ENDED_MEMORY_MS = (ACCESS_TOKEN_LIFE_SECONDS + 10) * 1000;

type TokenAuthenticatorDependencies = {
	tokens: AccessTokens;
	clock: Clock;
	cookies: Pick<SessionCookies, 'readAccess'>;
};

/** Rejects the tokens of sessions that are known to have ended. */
export class TokenAuthenticator {
	readonly #deps: TokenAuthenticatorDependencies;
	readonly #endedSessions: KnownGroups;
	/** One check per request, shared by all callers. */
	readonly #answers = new WeakMap<object, Promise<User | undefined>>();

	constructor(deps: TokenAuthenticatorDependencies) {
		this.#deps = deps;
		this.#endedSessions = new KnownGroups(deps.clock, { memoryMs: ENDED_MEMORY_MS, maxGroups: MAX_ENDED_SESSIONS });
	}

	/** The user of `Authorization: Bearer` or the cookie; undefined for an anonymous request. */
	authenticate(request: Pick<FastifyRequest, 'headers'>): Promise<User | undefined> {
		let answer = this.#answers.get(request);
		if (answer === undefined) {
			const token =
				/^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? this.#deps.cookies.readAccess(request);
			answer = token === undefined ? Promise.resolve(undefined) : this.authenticateToken(token);
			this.#answers.set(request, answer);
		}
		return answer;
	}

	/** The user of an access token from another place, such as IRC's PASS. */
	async authenticateToken(token: string): Promise<User | undefined> {
		const user = await this.#deps.tokens.read(token);
		return user === undefined || this.#endedSessions.has(user.sessionId) ? undefined : user;
	}

	/** fastify `onRequest` hook: throws SIGN_IN_REQUIRED. */
	readonly requireUser = async (request: FastifyRequest): Promise<void> => {
		await this.userOf(request);
	};

	/** Throws SIGN_IN_REQUIRED. */
	async userOf(request: FastifyRequest): Promise<User> {
		const user = await this.authenticate(request);
		if (user === undefined) {
			throw new SpillwayError('SIGN_IN_REQUIRED');
		}
		return user;
	}

	/** Rejects the session's access tokens on this server. */
	endSession(sessionId: string): void {
		this.#endedSessions.remember(sessionId);
	}
}
