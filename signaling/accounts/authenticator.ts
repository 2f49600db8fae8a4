/** Tells who a request comes from. Asks no database, so that a crowd of viewers costs none. */
import type { FastifyRequest } from 'fastify';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import { ACCESS_TOKEN_LIFE_SECONDS, type AccessTokens } from './access-token.ts';
import type { SessionCookies } from './session-cookies.ts';
import type { AuthenticatedUser } from './user.ts';

/** For everybody who must know who asks: routes, the signaling socket, chat. */
export interface Authenticator {
	/** From the cookie or `Authorization: Bearer`; undefined for nobody. Throws only DATABASE_UNAVAILABLE. */
	authenticate(request: Pick<FastifyRequest, 'headers'>): Promise<AuthenticatedUser | undefined>;
	/** From an access token that came by another way, such as IRC's PASS. */
	authenticateToken(token: string): Promise<AuthenticatedUser | undefined>;
}

/** Sessions that ended lately and whose access tokens have not run out; beyond this many the oldest is forgotten. */
const MAX_ENDED_SESSIONS = 100_000;
const FORGET_AFTER_MS = (ACCESS_TOKEN_LIFE_SECONDS + 10) * 1000;

/** Reads access tokens, and refuses those of sessions that are known to have ended. */
export class TokenAuthenticator implements Authenticator {
	readonly #tokens: AccessTokens;
	readonly #clock: Clock;
	readonly #cookies: Pick<SessionCookies, 'readAccess'>;
	/** Session → when it may be forgotten, monotonic ms; oldest first. */
	readonly #ended = new Map<string, number>();
	/** One check for a request, however many ask. */
	readonly #answers = new WeakMap<object, Promise<AuthenticatedUser | undefined>>();

	constructor(tokens: AccessTokens, clock: Clock, cookies: Pick<SessionCookies, 'readAccess'>) {
		this.#tokens = tokens;
		this.#clock = clock;
		this.#cookies = cookies;
	}

	authenticate(request: Pick<FastifyRequest, 'headers'>): Promise<AuthenticatedUser | undefined> {
		let answer = this.#answers.get(request);
		if (answer === undefined) {
			const token =
				/^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? this.#cookies.readAccess(request);
			answer = token === undefined ? Promise.resolve(undefined) : this.authenticateToken(token);
			this.#answers.set(request, answer);
		}
		return answer;
	}

	async authenticateToken(token: string): Promise<AuthenticatedUser | undefined> {
		const user = await this.#tokens.read(token);
		return user === undefined || this.#hasEnded(user.sessionId) ? undefined : user;
	}

	/** fastify `onRequest` hook: throws SIGN_IN_REQUIRED for requests of nobody. */
	readonly requireUser = async (request: FastifyRequest): Promise<void> => {
		await this.userOf(request);
	};

	/** Who a request comes from; throws SIGN_IN_REQUIRED. */
	async userOf(request: FastifyRequest): Promise<AuthenticatedUser> {
		const user = await this.authenticate(request);
		if (user === undefined) {
			throw new SpillwayError('SIGN_IN_REQUIRED');
		}
		return user;
	}

	/** From now on no access token of the session counts on this server. */
	endSession(sessionId: string): void {
		const nowMs = this.#clock.monotonicMs();
		for (const [id, forgetAtMs] of this.#ended) {
			if (forgetAtMs > nowMs && this.#ended.size < MAX_ENDED_SESSIONS) {
				break;
			}
			this.#ended.delete(id);
		}
		this.#ended.delete(sessionId);
		this.#ended.set(sessionId, nowMs + FORGET_AFTER_MS);
	}

	#hasEnded(sessionId: string): boolean {
		return (this.#ended.get(sessionId) ?? -Infinity) > this.#clock.monotonicMs();
	}
}
