/** Signing up, logging in, staying logged in and logging out. Knows neither HTTP nor cookies. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import { addressKey } from '../../core/limits/address-key.ts';
import { AttemptLimiter, type Attempt } from '../../core/limits/attempt-limiter.ts';
import type { Logger } from '../../core/logger.ts';
import type { Announcements } from '../platform/cluster/announcements.ts';
import type { KnownNetworks } from '../platform/database/known-networks.ts';
import type { AccessTokens } from './access-token.ts';
import type { PasswordHasher } from './password-hash.ts';
import type { SessionEndReason, SessionStore } from './session-store.ts';
import type { UserAccount, UserRole } from '../../core/protocol/api/account.ts';
import { parseNewUserName, parseUserName, validateNewPassword, type User } from './user.ts';
import type { UserRecord, UserStore } from './user-store.ts';

/** A log-in: what goes into the cookies, and who it is. */
export type LogIn = { user: UserAccount; tokens: { access: string; refresh: string } };

type AccountServiceDependencies = {
	clock: Clock;
	logger: Logger;
	announcements: Pick<Announcements, 'announce'>;
	users: UserStore;
	sessions: SessionStore;
	hasher: PasswordHasher;
	/** Networks from which names logged in. */
	homes: KnownNetworks;
	accessTokens: AccessTokens;
};

/** Holds no connections, so it need not be closed. */
export class AccountService {
	readonly #deps: AccountServiceDependencies;
	readonly #options: { isSignUpOpen: boolean };
	readonly #byAddress: AttemptLimiter;
	readonly #byName: AttemptLimiter;

	/** `isSignUpOpen`: false, and nobody can sign up. */
	constructor(deps: AccountServiceDependencies, options: { isSignUpOpen: boolean }) {
		this.#deps = deps;
		this.#options = options;
		this.#byAddress = new AttemptLimiter(deps.clock);
		// Guesses at one name may come from many addresses at once.
		this.#byName = new AttemptLimiter(deps.clock, { maxUnderWay: 10 });
	}

	/** Makes an account and logs it in. Throws REQUEST_INVALID, NAME_TAKEN, FORBIDDEN, ACCOUNTS_BUSY. */
	async signUp(credentials: { name: string; password: string }, remoteAddress: string): Promise<LogIn> {
		const { users, hasher, logger } = this.#deps;
		if (!this.#options.isSignUpOpen) {
			throw new SpillwayError('FORBIDDEN', ['sign-up is closed on this server']);
		}
		const name = parseNewUserName(credentials.name);
		validateNewPassword(credentials.password, name);
		// Before the costly part; the insertion decides.
		if (await users.isNameTaken(name)) {
			throw new SpillwayError('NAME_TAKEN', [name]);
		}
		const turn = { kind: 'sign-up', group: addressKey(remoteAddress), rank: 0 } as const;
		const user = await users.create(name, await hasher.hash(credentials.password, turn));
		logger.info({ userId: user.id }, 'account created');
		await this.#deps.homes.remember(user.name, remoteAddress);
		return this.#begin(user);
	}

	/**
	 * Throws LOGIN_REFUSED, the same and after the same time for unknown names and wrong passwords; TOO_MANY_ATTEMPTS
	 * after several failures for one name or from one address; ACCOUNTS_BUSY. `isSignedIn`: the browser brought a valid
	 * cookie.
	 */
	async logIn(
		credentials: { name: string; password: string },
		remoteAddress: string,
		isSignedIn = false,
	): Promise<LogIn> {
		const { users, hasher, homes, logger } = this.#deps;
		const name = parseUserName(credentials.name);
		const user = await this.#checkPassword(credentials.password, {
			name: name ?? credentials.name.toLowerCase(),
			remoteAddress,
			isSignedIn,
			find: async () => (name === undefined ? undefined : users.findByName(name)),
		});
		await homes.remember(user.name, remoteAddress);
		if (hasher.needsRehash(user.passwordHash)) {
			await users.replacePasswordHash(user.id, user.passwordHash, await hasher.hash(credentials.password));
			logger.info({ userId: user.id }, 'password hash renewed');
		}
		return this.#begin(user);
	}

	/** Replaces a refresh token. Throws REFRESH_REFUSED when it is worth nothing (any more). */
	async refresh(refreshToken: string, remoteAddress: string): Promise<LogIn> {
		const { sessions, users, homes, logger } = this.#deps;
		const result = await sessions.refresh(refreshToken);
		if (result.outcome === 'reused') {
			logger.warn({ sessionId: result.sessionId }, 'a refresh token came twice: its session was ended');
			await this.#announceEnd(result.sessionId);
		}
		if (result.outcome !== 'refreshed') {
			throw new SpillwayError('REFRESH_REFUSED');
		}
		const user = await users.findById(result.userId);
		if (user === undefined) {
			throw new SpillwayError('REFRESH_REFUSED');
		}
		await homes.remember(user.name, remoteAddress);
		return this.#toLogIn(user, result.sessionId, result.token);
	}

	/** Ends the session of a refresh token, of an access token, or of neither. */
	async logOut(refreshToken: string | undefined, user: User | undefined): Promise<void> {
		const { sessions } = this.#deps;
		const fromRefresh = refreshToken === undefined ? undefined : sessions.readSessionId(refreshToken);
		for (const sessionId of new Set([fromRefresh, user?.sessionId])) {
			if (sessionId !== undefined) {
				await this.#end(sessionId, 'logged-out');
			}
		}
	}

	/**
	 * Replaces the password and ends the account's other sessions. Throws LOGIN_REFUSED when the present one is wrong,
	 * REQUEST_INVALID when the new one must not be, TOO_MANY_ATTEMPTS, ACCOUNTS_BUSY.
	 */
	async changePassword(user: User, passwords: { current: string; next: string }, remoteAddress: string): Promise<void> {
		const { users, sessions, hasher, logger } = this.#deps;
		validateNewPassword(passwords.next, user.name);
		const record = await this.#checkPassword(passwords.current, {
			name: user.name,
			remoteAddress,
			isSignedIn: true,
			find: () => users.findById(user.id),
		});
		await users.replacePasswordHash(user.id, record.passwordHash, await hasher.hash(passwords.next));
		for (const id of await sessions.endOthers(user.id, user.sessionId, 'password-changed')) {
			await this.#announceEnd(id);
		}
		logger.info({ userId: user.id }, 'password changed');
	}

	/** The account behind an access token as it is now; undefined when it is gone. */
	async describe(user: User): Promise<UserAccount | undefined> {
		const record = await this.#deps.users.findById(user.id);
		return record === undefined ? undefined : this.#toUserAccount(record);
	}

	/** A new access token with the account's present role. */
	async reissueAccess(user: User, role: UserRole): Promise<string | undefined> {
		return user.sessionId === undefined ? undefined : this.#deps.accessTokens.issue({ ...user, role }, user.sessionId);
	}

	/** The account whose password it is. Throws LOGIN_REFUSED, TOO_MANY_ATTEMPTS, ACCOUNTS_BUSY. */
	async #checkPassword(
		password: string,
		attempt: {
			name: string;
			remoteAddress: string;
			isSignedIn: boolean;
			find: () => Promise<UserRecord | undefined>;
		},
	): Promise<UserRecord> {
		const { hasher, homes, logger } = this.#deps;
		const underWay = await this.#beginAttempt(attempt.name, attempt.remoteAddress);
		let user: UserRecord | undefined;
		let isRight: boolean;
		try {
			user = await attempt.find();
			const isKnown = attempt.isSignedIn || homes.has(attempt.name, attempt.remoteAddress);
			// Names are no secret here; when many come at once, accounts that exist go before those that do not.
			const rank = isKnown ? 2 : user === undefined ? 0 : 1;
			const turn = { kind: 'log-in', group: addressKey(attempt.remoteAddress), rank } as const;
			isRight = await hasher.verify(password, user?.passwordHash, turn);
		} catch (error) {
			// A database or a machine that is too busy is not the fault of whoever tries.
			underWay.end();
			throw error;
		}
		if (user === undefined || !isRight) {
			underWay.fail();
			logger.info({ remoteAddress: attempt.remoteAddress }, 'a password was refused');
			throw new SpillwayError('LOGIN_REFUSED');
		}
		underWay.end();
		return user;
	}

	/** Throws TOO_MANY_ATTEMPTS after wrong ones, RATE_LIMITED while too many are being checked. */
	async #beginAttempt(name: string, remoteAddress: string): Promise<Pick<Attempt, 'fail' | 'end'>> {
		const byAddress = this.#byAddress.beginOrThrow(addressKey(remoteAddress));
		let byName: Attempt;
		try {
			byName = await this.#beginByName(name.slice(0, 32), remoteAddress);
		} catch (error) {
			byAddress.end();
			throw error;
		}
		return {
			fail: () => [byName, byAddress].forEach((attempt) => attempt.fail()),
			end: () => [byName, byAddress].forEach((attempt) => attempt.end()),
		};
	}

	// Who was here before is counted apart, so that guessers elsewhere cannot keep them out.
	async #beginByName(name: string, remoteAddress: string): Promise<Attempt> {
		const { homes } = this.#deps;
		const homeKey = `home ${name} ${addressKey(remoteAddress)}`;
		if (homes.has(name, remoteAddress)) {
			return this.#byName.beginOrThrow(homeKey);
		}
		try {
			return this.#byName.beginOrThrow(`name ${name}`);
		} catch (error) {
			// Perhaps they were at another server.
			if (await homes.isKnown(name, remoteAddress)) {
				return this.#byName.beginOrThrow(homeKey);
			}
			throw error;
		}
	}

	async #begin(user: UserRecord): Promise<LogIn> {
		const { sessionId, token, endedSessionIds } = await this.#deps.sessions.begin(user.id);
		for (const id of endedSessionIds) {
			await this.#announceEnd(id);
		}
		return this.#toLogIn(user, sessionId, token);
	}

	async #toLogIn(user: UserRecord, sessionId: string, refresh: string): Promise<LogIn> {
		const access = await this.#deps.accessTokens.issue(user, sessionId);
		return { user: await this.#toUserAccount(user), tokens: { access, refresh } };
	}

	async #toUserAccount(user: UserRecord): Promise<UserAccount> {
		const channels = await this.#deps.users.listChannels(user.id);
		return { id: user.id, name: user.name, role: user.role, channels };
	}

	async #end(sessionId: string, reason: SessionEndReason): Promise<void> {
		await this.#deps.sessions.end(sessionId, reason);
		await this.#announceEnd(sessionId);
	}

	// Nodes that do not hear it find out when they look after the log-ins that their connections hang on.
	#announceEnd(sessionId: string): Promise<void> {
		return this.#deps.announcements.announce('accounts/session-ended', sessionId);
	}
}
