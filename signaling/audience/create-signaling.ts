/** Puts signaling together: sockets, presence, tiers, the event log. `build-server.ts` calls it once. */
import { randomUUID } from 'node:crypto';
import type { FastifyPluginAsync } from 'fastify';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import { parseChannelName, type ChannelId, type ChannelName } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import type { AudienceReport } from '../../core/protocol/api/audience-report.ts';
import type { ChannelDescription } from '../../core/protocol/api/channel-description.ts';
import type { SignalingCloseReason } from '../../core/protocol/signaling/signaling-constants.ts';
import type { MessageBus } from '../platform/bus/message-bus.ts';
import type { Channel } from '../channels/channel-store.ts';
import type { ChatService } from '../chat/store/chat-service.ts';
import type { Database } from '../platform/database/database.ts';
import { createBeaconRoutes } from './presence/beacon-routes.ts';
import { ViewerTokens } from './presence/viewer-token.ts';
import { SignalingSockets, type RequestAuthenticator } from './socket/signaling-routes.ts';
import type { SocketAdmission } from '../platform/sockets/socket-admission.ts';
import type { SfuBudget, SfuLoad } from './tiers/tier-input.ts';
import { AudienceRooms, type ViewerCost } from './room/audience.ts';
import { ViewerEventLog } from './room/viewer-event-log.ts';

/** What signaling needs. */
export type SignalingDependencies = {
	clock: Clock;
	logger: Logger;
	/** Shared with other kinds of sockets. */
	admission: SocketAdmission;
	bus: MessageBus;
	database: Database;
	serverSecret: Uint8Array;
	channels: { findByName(text: string): Promise<Channel | undefined> };
	chat: Pick<ChatService, 'open'>;
	authenticator: RequestAuthenticator;
	sfu: { budget(): SfuBudget; load(): SfuLoad };
	describe(channel: Channel): ChannelDescription;
	costOf(channelName: ChannelName): ViewerCost;
	/** Other origins whose pages may open sockets; the origin of the public address belongs among them. */
	allowedOrigins: readonly string[];
};

/** Figures for metrics. */
export type SignalingFigures = {
	socketCount: number;
	roomCount: number;
	/** WebRTC transports of viewers. */
	transportCount: number;
	closedByReason: ReadonlyMap<SignalingCloseReason | 'viewer', number>;
	/** Chat lines and counts that slow viewers did not get. */
	droppedMessageCount: number;
	droppedEventCount: number;
};

/** A viewer's WebRTC transport; `viewerId` is what its WHEP request said. */
export type WhepSession = {
	channel: string;
	viewerId: string | undefined;
	transport: {
		readonly closed: boolean;
		stopPicture(): void;
		on(event: 'closed', listener: (reason: string) => void, options?: { once?: boolean }): unknown;
	};
};

/** Signaling, as the rest of the server sees it. */
export interface Signaling {
	/** The socket's address and the beacons'. registerWebSockets() comes before them. */
	readonly routes: FastifyPluginAsync;
	readonly audience: {
		/** Over all servers; null for what cannot be a channel. */
		viewerCount(channelName: string): number | null;
		distribution(channel: { id: ChannelId; name: ChannelName }): AudienceReport;
	};
	/** Whether a viewer with a socket has this id and watches the channel. */
	isViewer(viewerId: string, channel: string): boolean;
	/** To be told of every WHEP session that has connected; what `onConnected` of the WHEP routes gives fits. */
	addWhepSession(session: WhepSession): void;
	/** To be called when a channel's title, category or policy was changed. Never rejects. */
	channelChanged(channelName: ChannelName): Promise<void>;
	/** To be called when the SFU's load or budget changed much; small changes are seen within a second. */
	loadChanged(): void;
	/** The log-ins that sockets hang on. Whoever watches by one that ends comes again as a guest. */
	readonly sessions: { inUse(): Iterable<string>; end(sessionId: string): void };
	figures(): SignalingFigures;
	/** Tells viewers to come again, takes them out of the sum, writes the last events. */
	close(): Promise<void>;
}

/** Begins at once. */
export function createSignaling(dependencies: SignalingDependencies): Signaling {
	const { clock, database } = dependencies;
	const logger = dependencies.logger.child({ tier: 'signaling' });
	const scope = new CloseScope<'server-shutdown'>(logger);
	const events = new ViewerEventLog({ database, clock, logger });
	scope.onClose(() => events.close());
	const rooms = new AudienceRooms({
		...dependencies,
		logger,
		serverId: randomUUID(),
		events,
		tokens: new ViewerTokens({ serverSecret: dependencies.serverSecret, clock }),
	});
	rooms.start();
	scope.onClose(() => rooms.close());
	const sockets = new SignalingSockets({ ...dependencies, logger, rooms });
	scope.onClose(() => sockets.close());
	const beacons = createBeaconRoutes(rooms, clock);
	return {
		routes: async (app) => {
			await app.register(sockets.routes);
			await app.register(beacons);
		},
		audience: {
			viewerCount: (channelName) => {
				const name = parseChannelName(channelName);
				return name === undefined ? null : rooms.viewerCount(name);
			},
			distribution: (channel) => rooms.distribution(channel),
		},
		isViewer: (viewerId, channel) => {
			const channelName = parseChannelName(channel);
			return channelName !== undefined && rooms.hasViewer(viewerId, channelName);
		},
		addWhepSession: ({ channel, viewerId, transport }) => {
			const channelName = parseChannelName(channel);
			if (channelName !== undefined && !transport.closed) {
				const onClosed = (listener: (reason: string) => void): void =>
					void transport.on('closed', listener, { once: true });
				rooms.addTransport({ channelName, viewerId, onClosed, stopPicture: () => transport.stopPicture() });
			}
		},
		channelChanged: (channelName) => rooms.channelChanged(channelName),
		loadChanged: () => rooms.loadChanged(),
		sessions: { inUse: () => sockets.sessionIds, end: (sessionId) => sockets.endSocketsOf(sessionId) },
		figures: () => ({
			socketCount: sockets.count,
			roomCount: rooms.roomCount,
			transportCount: rooms.transportCount,
			closedByReason: sockets.closedByReason,
			droppedMessageCount: sockets.droppedCount,
			droppedEventCount: events.droppedCount,
		}),
		close: () => scope.close('server-shutdown'),
	};
}
