/** Creates the accounts part: stores, tokens, the service and its routes. */
import { hkdfSync } from 'node:crypto';
import type { FastifyPluginAsync } from 'fastify';
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { Announcements } from '../platform/cluster/announcements.ts';
import type { Database } from '../platform/database/database.ts';
import { KnownNetworks } from '../platform/database/known-networks.ts';
import { AccessTokens } from './access-token.ts';
import { createAccountRoutes } from './account-routes.ts';
import { AccountService } from './account-service.ts';
import { TokenAuthenticator } from './authenticator.ts';
import { CredentialWatch } from './credential-watch.ts';
import { PasswordHasher } from './password-hash.ts';
import { createPublishingRoutes } from './publishing-routes.ts';
import { RefreshTokens } from './refresh-token.ts';
import { RequestOrigin } from './request-origin.ts';
import { SessionCookies } from './session-cookies.ts';
import { SessionStore } from './session-store.ts';
import { UserStore } from './user-store.ts';

type AccountsDependencies = {
	clock: Clock;
	logger: Logger;
	database: Database;
	announcements: Announcements;
	/** At least 32 random bytes that survive restarts; shared by nodes that share a database. */
	serverSecret: Uint8Array;
};

export type AccountsOptions = {
	/** True when users reach the server by TLS, its own or a proxy's. */
	isSecure: boolean;
	publicUrl: string | undefined;
	isSignUpOpen: boolean;
};

export type Accounts = {
	authenticator: TokenAuthenticator;
	service: AccountService;
	users: UserStore;
	cookies: SessionCookies;
	/** Checks requests that change something. */
	origin: RequestOrigin;
	routes: FastifyPluginAsync;
	/**
	 * Registers connections that depend on log-ins. `inUse` lists the log-ins of open connections. `end` is called when
	 * one ends here, on another node or by expiry, possibly more than once.
	 */
	endWithSession(connections: { inUse(): Iterable<string>; end(sessionId: string): void }): void;
	close(): Promise<void>;
};

/** Subscribes to the session announcements of other nodes. */
export async function createAccounts(deps: AccountsDependencies, options: AccountsOptions): Promise<Accounts> {
	const { clock, database, announcements, serverSecret } = deps;
	const logger = deps.logger.child({ part: 'accounts' });
	const hasher = new PasswordHasher();
	const homes = new KnownNetworks({ database, clock, logger, serverSecret }, 'account');
	const users = new UserStore({ database, clock });
	const refreshTokens = new RefreshTokens(deriveKey(serverSecret, 'refresh-token'));
	const sessions = new SessionStore({ database, clock, tokens: refreshTokens });
	const accessTokens = new AccessTokens({ clock, key: deriveKey(serverSecret, 'access-token') });
	const cookies = new SessionCookies(options.isSecure);
	const authenticator = new TokenAuthenticator({ tokens: accessTokens, clock, cookies });
	const origin = new RequestOrigin({ cookies }, options);
	const holders: Array<Parameters<Accounts['endWithSession']>[0]> = [];
	const endSession = (sessionId: string): void => {
		authenticator.endSession(sessionId);
		holders.forEach((holder) => holder.end(sessionId));
	};
	const service = new AccountService(
		{ clock, logger, announcements, users, sessions, hasher, homes, accessTokens },
		options,
	);
	await Promise.all([hasher.prepareDecoy(), homes.load()]);
	// A restart must not make the access tokens of an ended log-in valid again.
	(await sessions.listRecentlyEnded()).forEach((sessionId) => authenticator.endSession(sessionId));
	const watch = new CredentialWatch(
		{ clock, logger },
		{
			name: 'log-ins',
			inUse: () => holders.flatMap((holder) => [...holder.inUse()]),
			findEnded: (ids) => sessions.findEnded(ids),
			onEnded: endSession,
		},
	);
	const unsubscribe = await announcements.listen('accounts/session-ended', endSession);
	return {
		authenticator,
		service,
		users,
		cookies,
		origin,
		routes: async (app) => {
			await app.register(createAccountRoutes({ accounts: service, authenticator, cookies, origin }));
			await app.register(createPublishingRoutes({ authenticator, origin, users, logger }));
		},
		endWithSession: (holder) => void holders.push(holder),
		close: async () => {
			unsubscribe();
			await watch.close();
		},
	};
}

/** A key for one purpose (HKDF-SHA-256): a signature for one is not valid for another. */
export function deriveKey(serverSecret: Uint8Array, purpose: string): Uint8Array {
	return new Uint8Array(hkdfSync('sha256', serverSecret, '', `spillway ${purpose}`, 32));
}
