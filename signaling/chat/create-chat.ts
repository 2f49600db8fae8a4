/** Creates the chat part: rooms, IRC, and the routes of moderators and chat tokens. */
import type { FastifyPluginAsync } from 'fastify';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { AttemptLimiter } from '../../core/limits/attempt-limiter.ts';
import type { Logger } from '../../core/logger.ts';
import type { Accounts } from '../accounts/create-accounts.ts';
import { CredentialWatch } from '../accounts/credential-watch.ts';
import type { ChannelStore } from '../channels/channel-store.ts';
import type { Channels } from '../channels/create-channels.ts';
import type { MessageBus } from '../platform/bus/message-bus.ts';
import type { Announcements } from '../platform/cluster/announcements.ts';
import type { NodeIdentity } from '../platform/cluster/node-identity.ts';
import type { Database } from '../platform/database/database.ts';
import type { SocketAdmission } from '../platform/sockets/socket-admission.ts';
import { ChatRooms } from './room/chat-rooms.ts';
import type { ChatService } from './store/chat-service.ts';
import { CHAT_TOKEN_PREFIX, ChatStore } from './store/chat-store.ts';
import { createModeratorRoutes } from './api/moderator-routes.ts';
import { createChatTokenRoutes } from './api/chat-token-routes.ts';
import { IrcConnections } from './irc/irc-routes.ts';

/** @internal for tests */
export type ChatDependencies = NodeIdentity & {
	bus: MessageBus;
	announcements: Pick<Announcements, 'listen' | 'announce'>;
	database: Database;
	clock: Clock;
	logger: Logger;
	/** Shared by the nodes that share a database. */
	serverSecret: Uint8Array;
	accounts: Pick<Accounts, 'authenticator' | 'origin' | 'users' | 'endWithSession'>;
	/** Shared with the viewers' sockets. */
	admission: SocketAdmission;
	channels: Pick<Channels, 'access' | 'control' | 'moderators'> & { store: Pick<ChannelStore, 'findByName'> };
};

/** @internal for tests */
export type Chat = {
	service: ChatService;
	/** They need @fastify/websocket, and rewriteIrcUrl as fastify's `rewriteUrl`. */
	routes: FastifyPluginAsync;
	/** For metrics. */
	counts(): { rooms: number; ircSessions: number };
	/** Ends IRC connections and rooms. Idempotent. */
	close(): Promise<void>;
};

export function createChat(deps: ChatDependencies): Chat {
	const { announcements, database, clock, accounts, channels, admission } = deps;
	const logger = deps.logger.child({ part: 'chat' });
	const store = new ChatStore({ database, clock });
	const rooms = new ChatRooms({ ...deps, store, logger });
	const irc = new IrcConnections({
		clock,
		logger,
		chat: rooms,
		findChannel: (name) => channels.store.findByName(name),
		verifyToken: async (token) => {
			if (token.startsWith(`${CHAT_TOKEN_PREFIX}_`)) {
				const found = await store.findByToken(token);
				return found && { user: found.user, credential: { kind: 'chat-token', id: found.tokenId } };
			}
			const user = await accounts.authenticator.authenticateToken(token);
			const { sessionId } = user ?? {};
			return user && { user, credential: sessionId === undefined ? undefined : { kind: 'session', id: sessionId } };
		},
		attempts: new AttemptLimiter(clock),
		admission,
	});
	const endToken = (id: string): void => irc.endSessionsOf({ kind: 'chat-token', id });
	accounts.endWithSession({
		inUse: () => irc.credentialIds('session'),
		end: (id) => irc.endSessionsOf({ kind: 'session', id }),
	});
	const tokenWatch = new CredentialWatch(
		{ clock, logger },
		{
			name: 'chat tokens',
			inUse: () => irc.credentialIds('chat-token'),
			findEnded: (ids) => store.findDeletedTokens(ids),
			onEnded: endToken,
		},
	);
	const tokenRoutes = createChatTokenRoutes({
		store,
		accounts,
		announceDeletion: (tokenId) => announcements.announce('chat-token-deleted', tokenId),
	});
	const moderatorRoutes = createModeratorRoutes({ ...channels, logger, accounts, store, service: rooms });
	const stopListening = channels.control.on('chatChanged', (channelId) => rooms.settingsChanged(channelId));
	const unsubscribe = announcements.listen('chat-token-deleted', endToken);
	return {
		service: rooms,
		routes: async (app) => {
			await app.register(irc.routes);
			await app.register(tokenRoutes);
			await app.register(moderatorRoutes);
		},
		counts: () => ({ rooms: rooms.roomCount, ircSessions: irc.sessionCount }),
		close: async () => {
			stopListening();
			(await unsubscribe)();
			await tokenWatch.close();
			await irc.close();
			await rooms.close();
		},
	};
}
