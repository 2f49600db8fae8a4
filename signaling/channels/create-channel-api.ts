/** Puts the channels' part of the API together: routes, access, and what makes changes take effect. */
import type { FastifyPluginAsync } from 'fastify';
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { ChannelId, ChannelName } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import type { AudienceReport } from '../../core/protocol/api/audience-report.ts';
import type { BroadcastRegistry } from '../../ingest/broadcast/broadcast-registry.ts';
import type { Accounts } from '../accounts/create-accounts.ts';
import type { Announcements } from '../platform/cluster/announcements.ts';
import type { Database } from '../platform/database/database.ts';
import { createBroadcastRoutes } from '../publishing/broadcast-routes.ts';
import { ChannelAccess } from './channel-access.ts';
import { ChannelControl } from './channel-control.ts';
import { createChannelRoutes } from './channel-routes.ts';
import type { ChannelStore } from './channel-store.ts';
import { createModeratorRoutes, type ModeratorRoutesDependencies } from '../chat/api/moderator-routes.ts';
import { ModeratorStore } from './moderator-store.ts';
import type { PublishAuthorizer } from '../publishing/publish-authorizer.ts';
import { createStreamKeyRoutes } from '../publishing/stream-key-routes.ts';

/** What {@link createChannelApi} needs. */
export type ChannelApiDependencies = {
	clock: Clock;
	logger: Logger;
	database: Database;
	announcements: Announcements;
	channels: ChannelStore;
	registry: Pick<BroadcastRegistry, 'find' | 'broadcasts' | 'lastRefusal' | 'lastReport' | 'revokeStreamKey'>;
	authorizer: PublishAuthorizer;
	accounts: Accounts;
	/** As createChat() makes it. */
	chat: ModeratorRoutesDependencies['chat'];
	/** Viewers of a channel; null when nobody counts. */
	viewerCount: (channelName: string) => number | null;
	/** Undefined: nobody has watched. */
	audience: (channel: { id: ChannelId; name: ChannelName }) => AudienceReport | undefined;
	/** Public addresses; asked only while the server listens. */
	endpoints: () => { httpUrl: string; rtmpUrl: string };
	config: { channelsPerUser: number; defaultGraceWindowSeconds: number };
};

/** The channels' part of the API. */
export type ChannelApi = {
	routes: FastifyPluginAsync;
	/** Tells when a channel or its chat was changed, on this server or another. */
	control: ChannelControl;
	moderators: ModeratorStore;
	close(): void;
};

/** Subscribes to what other servers tell about channels. */
export async function createChannelApi(dependencies: ChannelApiDependencies): Promise<ChannelApi> {
	const { clock, database, channels, accounts } = dependencies;
	const logger = dependencies.logger.child({ part: 'channels' });
	const moderators = new ModeratorStore(database, clock);
	const access = new ChannelAccess(channels, moderators, accounts.authenticator);
	const control = new ChannelControl({ ...dependencies, logger });
	await control.start();
	const common = { ...dependencies, logger, access, control, moderators };
	return {
		control,
		moderators,
		routes: async (app) => {
			await app.register(createChannelRoutes(common));
			await app.register(createStreamKeyRoutes(common));
			await app.register(createBroadcastRoutes(common));
			await app.register(createModeratorRoutes(common));
		},
		close: () => control.close(),
	};
}
