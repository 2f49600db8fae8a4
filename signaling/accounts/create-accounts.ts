/** Puts accounts together: stores, tokens, the service and its routes. */
import { hkdfSync } from 'node:crypto';
import type { FastifyPluginAsync } from 'fastify';
import type { Clock } from '../../core/clock.ts';
import { errorMessage } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { MessageBus } from '../bus/message-bus.ts';
import type { Database } from '../database/database.ts';
import { KnownNetworks } from '../database/known-networks.ts';
import { AccessTokens } from './access-token.ts';
import { createAccountRoutes } from './account-routes.ts';
import { AccountService, SESSION_ENDED_TOPIC } from './account-service.ts';
import { TokenAuthenticator } from './authenticator.ts';
import { PasswordHasher } from './password-hash.ts';
import { RefreshTokens } from './refresh-token.ts';
import { RequestOrigin } from './request-origin.ts';
import { SessionCookies } from './session-cookies.ts';
import { SessionStore } from './session-store.ts';
import { UserStore } from './user-store.ts';

/** What {@link createAccounts} needs. */
export type AccountsDependencies = {
	clock: Clock;
	logger: Logger;
	database: Database;
	bus: Pick<MessageBus, 'publish' | 'subscribe'>;
	/** At least 32 random bytes that outlive restarts; shared by servers that share a database. */
	serverSecret: Uint8Array;
	config: {
		/** True when people reach the server by TLS, its own or a proxy's. */
		isSecure: boolean;
		publicUrl: string | undefined;
		isSignUpOpen: boolean;
	};
};

/** Accounts, for the rest of the server. */
export type Accounts = {
	/** Also an `Authenticator` for sockets and chat. */
	authenticator: TokenAuthenticator;
	service: AccountService;
	users: UserStore;
	cookies: SessionCookies;
	/** For routes that change something. */
	origin: RequestOrigin;
	routes: FastifyPluginAsync;
	/** Calls back with the id of each log-in that ends, here or on another server. */
	onSessionEnded(listener: (sessionId: string) => void): void;
	close(): Promise<void>;
};

/** Subscribes to what other servers tell about sessions. */
export async function createAccounts(dependencies: AccountsDependencies): Promise<Accounts> {
	const { clock, database, bus, serverSecret, config } = dependencies;
	const logger = dependencies.logger.child({ part: 'accounts' });
	const hasher = new PasswordHasher();
	const homes = new KnownNetworks('account', { database, clock, logger, serverSecret });
	const users = new UserStore(database, clock);
	const sessions = new SessionStore(database, clock, new RefreshTokens(deriveKey(serverSecret, 'refresh-token')));
	const accessTokens = new AccessTokens(deriveKey(serverSecret, 'access-token'), clock);
	const authenticator = new TokenAuthenticator(accessTokens, clock);
	const cookies = new SessionCookies(config.isSecure);
	const origin = new RequestOrigin(config.publicUrl);
	const service = new AccountService({
		clock,
		logger,
		bus,
		users,
		sessions,
		hasher,
		homes,
		accessTokens,
		authenticator,
		isSignUpOpen: config.isSignUpOpen,
	});
	await Promise.all([hasher.prepareDecoy(), homes.load()]);
	let unsubscribe = (): void => undefined;
	const sessionEndListeners: Array<(sessionId: string) => void> = [];
	try {
		unsubscribe = await bus.subscribe(SESSION_ENDED_TOPIC, (message) => {
			if (typeof message === 'string' && message.length < 64) {
				authenticator.endSession(message);
				for (const listener of sessionEndListeners) {
					listener(message);
				}
			}
		});
	} catch (error) {
		logger.warn(
			{ reason: errorMessage(error) },
			'ends of sessions on other servers will take ten minutes to show here',
		);
	}
	return {
		authenticator,
		service,
		users,
		cookies,
		origin,
		routes: createAccountRoutes({ accounts: service, authenticator, cookies, origin }),
		onSessionEnded: (listener) => void sessionEndListeners.push(listener),
		close: async () => unsubscribe(),
	};
}

/** A key for one purpose (HKDF-SHA-256), so that nothing signed for one is good for another. */
export function deriveKey(serverSecret: Uint8Array, purpose: string): Uint8Array {
	return new Uint8Array(hkdfSync('sha256', serverSecret, '', `spillway ${purpose}`, 32));
}
