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
import type { SessionStore } from './session-store.ts';
import type { Credentials, UserAccount, UserRole } from '../../core/protocol/api/account.ts';
import { parseNewUserName, parseUserName, validateNewPassword, type User } from './user.ts';
import type { UserRecord, UserStore } from './user-store.ts';

/** The result of a log-in: the account and the tokens for the cookies. */
export type LogIn = { user: UserAccount; tokens: { access: string; refresh: string } };

type AccountServiceDependencies = {
	clock: Clock;
	logger: Logger;
	announcements: Pick<Announcements, 'announce'>;
	users: UserStore;
	sessions: SessionStore;
	hasher: PasswordHasher;
	/** Networks from which each name has logged in. */
	homes: KnownNetworks;
	accessTokens: AccessTokens;
};

export class AccountService {
	readonly #deps: AccountServiceDependencies;
	readonly #options: { isSignUpOpen: boolean };
	readonly #byAddress: AttemptLimiter;
	readonly #byName: AttemptLimiter;

	constructor(deps: AccountServiceDependencies, options: { isSignUpOpen: boolean }) {
		this.#deps = deps;
		this.#options = options;
		this.#byAddress = new AttemptLimiter(deps.clock);
		// Guesses at one name can come from many addresses at once.
		this.#byName = new AttemptLimiter(deps.clock, { maxUnderWay: 10 });
	}

	/** Makes an account and logs it in. Throws REQUEST_INVALID, NAME_TAKEN, FORBIDDEN, ACCOUNTS_BUSY. */
	async signUp(credentials: Credentials, remoteAddress: string): Promise<LogIn> {
		const { users, hasher, logger } = this.#deps;
		if (!this.#options.isSignUpOpen) {
			throw new SpillwayError('FORBIDDEN', ['sign-up is closed on this server']);
		}
		const name = parseNewUserName(credentials.name);
		validateNewPassword(credentials.password, name);
		// Checked before the expensive hash; the insertion below decides.
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
	 * Throws LOGIN_REFUSED, with the same answer and delay for unknown names and wrong passwords. Throws
	 * TOO_MANY_ATTEMPTS after several failures for one name or from one address, and ACCOUNTS_BUSY. `isSignedIn`: the
	 * browser sent a valid cookie.
	 */
	async logIn(credentials: Credentials, remoteAddress: string, isSignedIn: boolean): Promise<LogIn> {
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

	/** Replaces a refresh token. Throws REFRESH_REFUSED when it is not valid. */
	async refresh(refreshToken: string, remoteAddress: string): Promise<LogIn> {
		const { sessions, users, homes, logger } = this.#deps;
		const result = await sessions.refresh(refreshToken);
		if (result.outcome === 'reused') {
			logger.warn({ sessionId: result.sessionId }, 'a refresh token was used twice: its session was ended');
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

	/** Ends the sessions of a refresh token and of an access token, where they exist. */
	async logOut(refreshToken: string | undefined, user: User | undefined): Promise<void> {
		const { sessions } = this.#deps;
		const fromRefresh = refreshToken === undefined ? undefined : sessions.readSessionId(refreshToken);
		for (const sessionId of new Set([fromRefresh, user?.sessionId])) {
			if (sessionId !== undefined) {
				await sessions.end(sessionId, 'logged-out');
				await this.#announceEnd(sessionId);
			}
		}
	}

	/**
	 * Replaces the password and ends the account's other sessions. Throws LOGIN_REFUSED for a wrong current password,
	 * REQUEST_INVALID for a new one that is not allowed, TOO_MANY_ATTEMPTS, ACCOUNTS_BUSY.
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

	/** The current account of a user; undefined when it was deleted. */
	async describe(user: User): Promise<UserAccount | undefined> {
		const record = await this.#deps.users.findById(user.id);
		return record === undefined ? undefined : this.#toUserAccount(record);
	}

	/** Returns an access token with a new role for the user's session. */
	async reissueAccess(user: User, role: UserRole): Promise<string | undefined> {
		return user.sessionId === undefined ? undefined : this.#deps.accessTokens.issue({ ...user, role }, user.sessionId);
	}

	/** Returns the account when the password is right. Throws LOGIN_REFUSED, TOO_MANY_ATTEMPTS, ACCOUNTS_BUSY. */
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
			// Account names are public. Under load, attempts at existing accounts are checked first.
			const rank = isKnown ? 2 : user === undefined ? 0 : 1;
			const turn = { kind: 'log-in', group: addressKey(attempt.remoteAddress), rank } as const;
			isRight = await hasher.verify(password, user?.passwordHash, turn);
		} catch (error) {
			// An overloaded database or machine does not count as a wrong attempt.
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

	/** Throws TOO_MANY_ATTEMPTS after wrong attempts, RATE_LIMITED while too many are being checked. */
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

	// Attempts from a network that the name has used before count separately, so that guessers cannot lock the user out.
	async #beginByName(name: string, remoteAddress: string): Promise<Attempt> {
		const { homes } = this.#deps;
		const homeKey = `home ${name} ${addressKey(remoteAddress)}`;
		if (homes.has(name, remoteAddress)) {
			return this.#byName.beginOrThrow(homeKey);
		}
		try {
			return this.#byName.beginOrThrow(`name ${name}`);
		} catch (error) {
			// The user may have logged in at another server.
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

	// Nodes that miss the announcement find the end by CredentialWatch.
	#announceEnd(sessionId: string): Promise<void> {
		return this.#deps.announcements.announce('accounts/session-ended', sessionId);
	}
}
