/** Creates the audience: sockets, presence, tiers, the event log. */
import type { FastifyPluginAsync } from 'fastify';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import { parseChannelName, type ChannelName } from '../../core/ids.ts';
import type { AudienceReport } from '../../core/protocol/api/audience-report.ts';
import type { DeliveryTier } from '../../core/protocol/tiers.ts';
import type { SignalingCloseReason } from '../../core/protocol/signaling/signaling-constants.ts';
import type { WhepSession } from '../../sfu/whep/whep-routes.ts';
import type { Database } from '../platform/database/database.ts';
import { createBeaconRoutes } from './presence/beacon-routes.ts';
import { ViewerTokens } from './presence/viewer-token.ts';
import { SignalingSockets, type RequestAuthenticator } from './socket/signaling-routes.ts';
import type { SocketAdmission } from '../platform/sockets/socket-admission.ts';
import { AudienceRooms, type RoomsDependencies } from './room/audience.ts';
import { ViewerEventLog } from './room/viewer-event-log.ts';

/** @internal for tests */
export type AudienceDependencies = Omit<RoomsDependencies, 'events' | 'tokens'> & {
	/** Shared with other kinds of sockets. */
	admission: SocketAdmission;
	database: Database;
	serverSecret: Uint8Array;
	authenticator: RequestAuthenticator;
	/** Other origins whose pages may open sockets; includes the origin of the public address. */
	allowedOrigins: readonly string[];
};

type AudienceFigures = {
	socketCount: number;
	closedByReason: ReadonlyMap<SignalingCloseReason | 'viewer', number>;
	/** Chat lines and counts that slow viewers did not get. */
	droppedMessageCount: number;
};

export interface Audience {
	/** The routes of sockets and beacons. registerWebSockets() must have run before. */
	readonly routes: FastifyPluginAsync;
	/** Over all nodes; null for a text that is no channel name. */
	viewerCount(channelName: string): number | null;
	distribution(channel: { name: ChannelName }): AudienceReport;
	/** This node's viewers of these broadcasts together. */
	viewersByTier(broadcasts: Iterable<{ channelName: ChannelName }>): Record<DeliveryTier, number>;
	/** The same by the picture that plays, where that is known; one row for each broadcast. */
	viewersByRung(broadcasts: Iterable<{ channelName: ChannelName }>): AudienceReport['rungs'];
	/** Whether a viewer with a socket has this id and watches the channel. */
	isViewer(viewerId: string, channel: string): boolean;
	/** Call it for every WHEP session that has connected; it fits `onConnected` of the WHEP routes. */
	addWhepSession(session: WhepSession): void;
	/** Call it when a channel's title, category or policy has changed. Never rejects. */
	channelChanged(channelName: ChannelName): Promise<void>;
	/** Call it when the SFU's load or budget changed much; small changes are seen within a second. */
	loadChanged(): void;
	/** The log-ins that open sockets belong to. When one ends, its viewers reconnect as guests. */
	readonly sessions: { inUse(): Iterable<string>; end(sessionId: string): void };
	figures(): AudienceFigures;
	/** Asks viewers to reconnect, takes them out of the sum, writes the last events. */
	close(): Promise<void>;
}

/** Starts at once. */
export function createAudience(deps: AudienceDependencies): Audience {
	const { clock, database, serverSecret } = deps;
	const logger = deps.logger.child({ part: 'audience' });
	const scope = new CloseScope<'server-shutdown'>(logger);
	const events = new ViewerEventLog({ database, clock, logger });
	scope.onClose(() => events.close());
	const rooms = new AudienceRooms({
		...deps,
		logger,
		events,
		tokens: new ViewerTokens({ clock }, { serverSecret }),
	});
	rooms.start();
	scope.onClose(() => rooms.close());
	const sockets = new SignalingSockets({ ...deps, logger, rooms });
	scope.onClose(() => sockets.close());
	const beacons = createBeaconRoutes(rooms, clock);
	return {
		routes: async (app) => {
			await app.register(sockets.routes);
			await app.register(beacons);
		},
		viewerCount: (channelName) => {
			const name = parseChannelName(channelName);
			return name === undefined ? null : rooms.viewerCount(name);
		},
		distribution: ({ name }) => rooms.distribution(name),
		viewersByTier: (broadcasts) => rooms.viewersByTier(broadcasts),
		viewersByRung: (broadcasts) => rooms.viewersByRung(broadcasts),
		isViewer: (viewerId, channel) => {
			const channelName = parseChannelName(channel);
			return channelName !== undefined && rooms.hasViewer(viewerId, channelName);
		},
		addWhepSession: ({ channel, viewerId, transport }) => {
			const channelName = parseChannelName(channel);
			if (channelName !== undefined && !transport.closed) {
				const onClosed = (listener: (reason: string) => void): void =>
					void transport.on('closed', listener, { once: true });
				rooms.addTransport({
					channelName,
					viewerId,
					onClosed,
					stopPicture: () => transport.stopPicture(),
					wish: (wish) => transport.wish(wish),
					expectPoorLine: () => transport.expectPoorLine(),
					limitBySeats: (name) => transport.limitBySeats(name),
					onPicture: (listener) => void transport.on('pictureChanged', () => listener(transport.picture!)),
					onLineTooPoor: (listener) => void transport.on('lineTooPoor', listener),
				});
			}
		},
		channelChanged: (channelName) => rooms.channelChanged(channelName),
		loadChanged: () => rooms.loadChanged(),
		sessions: { inUse: () => sockets.sessionIds, end: (sessionId) => sockets.endSocketsOf(sessionId) },
		figures: () => ({
			socketCount: sockets.count,
			closedByReason: sockets.closedByReason,
			droppedMessageCount: sockets.droppedCount,
		}),
		close: () => scope.close('server-shutdown'),
	};
}
