/** Puts chat together: rooms, IRC, and the routes of chat tokens. */
import type { FastifyPluginAsync } from 'fastify';
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { ChannelId } from '../../core/ids.ts';
import { AttemptLimiter } from '../../core/limits/attempt-limiter.ts';
import type { Logger } from '../../core/logger.ts';
import type { Accounts } from '../accounts/create-accounts.ts';
import { CredentialWatch } from '../accounts/credential-watch.ts';
import type { MessageBus } from '../platform/bus/message-bus.ts';
import type { Announcements } from '../platform/cluster/announcements.ts';
import type { Database } from '../platform/database/database.ts';
import type { SocketAdmission } from '../platform/sockets/socket-admission.ts';
import { ChatRooms } from './room/chat-rooms.ts';
import type { ChatService } from './store/chat-service.ts';
import { CHAT_TOKEN_PREFIX, ChatStore, type RestrictedAuthor } from './store/chat-store.ts';
import { createChatTokenRoutes } from './api/chat-token-routes.ts';
import { IrcConnections } from './irc/irc-routes.ts';

/** What chat needs of the server. */
export type ChatDependencies = {
	bus: MessageBus;
	announcements: Pick<Announcements, 'listen' | 'announce'>;
	database: Database;
	clock: Clock;
	logger: Logger;
	/** Shared by the nodes that share a database. */
	serverSecret: Uint8Array;
	accounts: Pick<Accounts, 'authenticator' | 'origin' | 'endWithSession'>;
	/** Shared with the viewers' sockets. */
	admission: SocketAdmission;
	/** As ChannelStore. */
	channels: { findByName(text: string): Promise<{ id: ChannelId; name: string } | undefined> };
};

/** Chat, for the rest of the server. */
export type Chat = {
	service: ChatService;
	/** Who may not write in a channel now, newest first. Throws DATABASE_UNAVAILABLE. */
	listRestricted(channelId: ChannelId): Promise<RestrictedAuthor[]>;
	/** IRC and chat tokens; @fastify/websocket must be registered before, and rewriteIrcUrl given to fastify. */
	routes: FastifyPluginAsync;
	/** For metrics. */
	counts(): { rooms: number; ircSessions: number };
	/** Ends IRC connections and rooms. Idempotent. */
	close(): Promise<void>;
};

/** Does nothing until rooms are opened or clients connect. */
export function createChat(dependencies: ChatDependencies): Chat {
	const { bus, announcements, database, clock, serverSecret, accounts, channels } = dependencies;
	const logger = dependencies.logger.child({ part: 'chat' });
	const store = new ChatStore({ database, clock });
	const rooms = new ChatRooms({ bus, store, clock, logger, serverSecret });
	const irc = new IrcConnections({
		clock,
		logger,
		chat: rooms,
		findChannel: (name) => channels.findByName(name),
		verifyToken: async (token) => {
			if (token.startsWith(`${CHAT_TOKEN_PREFIX}_`)) {
				const found = await store.findByToken(token);
				return found && { user: found.user, credential: { kind: 'chat-token', id: found.tokenId } };
			}
			const user = await accounts.authenticator.authenticateToken(token);
			const credential =
				user?.sessionId === undefined ? {} : { credential: { kind: 'session' as const, id: user.sessionId } };
			return user && { user, ...credential };
		},
		attempts: new AttemptLimiter(clock),
		admission: dependencies.admission,
	});
	const endToken = (id: string): void => irc.endSessionsOf({ kind: 'chat-token', id });
	accounts.endWithSession({
		inUse: () => irc.credentialIds('session'),
		end: (id) => irc.endSessionsOf({ kind: 'session', id }),
	});
	const tokenWatch = new CredentialWatch(
		{
			name: 'chat tokens',
			inUse: () => irc.credentialIds('chat-token'),
			findEnded: (ids) => store.findDeletedTokens(ids),
			onEnded: endToken,
		},
		{ clock, logger },
	);
	const tokenRoutes = createChatTokenRoutes({
		store,
		accounts,
		announceDeletion: (tokenId) => announcements.announce('chat-token-deleted', tokenId),
	});
	const unsubscribe = announcements.listen('chat-token-deleted', endToken);
	return {
		service: rooms,
		listRestricted: (channelId) => store.listRestricted(channelId),
		routes: async (app) => {
			await app.register(irc.routes);
			await app.register(tokenRoutes);
		},
		counts: () => ({ rooms: rooms.roomCount, ircSessions: irc.sessionCount }),
		close: async () => {
			(await unsubscribe)();
			await tokenWatch.close();
			await irc.close();
			await rooms.close();
		},
	};
}
