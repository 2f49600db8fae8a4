/** Creates the channels part: store, access, control, and their routes. */
import type { FastifyPluginAsync } from 'fastify';
import type { Logger } from '../../core/logger.ts';
import type { BroadcastRegistry } from '../../ingest/broadcast/broadcast-registry.ts';
import type { Announcements } from '../platform/cluster/announcements.ts';
import type { Database } from '../platform/database/database.ts';
import { ChannelAccess } from './channel-access.ts';
import { ChannelControl } from './channel-control.ts';
import { ChannelLocator } from './channel-locator.ts';
import { createChannelRoutes, type ChannelRoutesDependencies } from './channel-routes.ts';
import { ChannelStore } from './channel-store.ts';
import { ModeratorStore } from './moderator-store.ts';

type ChannelsDependencies = Pick<ChannelRoutesDependencies, 'clock' | 'accounts' | 'viewerCount' | 'mediaFacts'> & {
	logger: Logger;
	database: Database;
	announcements: Pick<Announcements, 'listen' | 'announce'>;
	registry: Pick<BroadcastRegistry, 'find' | 'broadcasts' | 'on'>;
};

export type Channels = {
	store: ChannelStore;
	/** For viewers. */
	locator: ChannelLocator;
	access: ChannelAccess;
	/** Reports changes of channels, chats and stream keys on all nodes. */
	control: ChannelControl;
	moderators: ModeratorStore;
	routes: FastifyPluginAsync;
	close(): void;
};

/** Subscribes to the channel announcements of other nodes. */
export async function createChannels(
	deps: ChannelsDependencies,
	options: ChannelRoutesDependencies['config'],
): Promise<Channels> {
	const { clock, database, accounts, registry } = deps;
	const store = new ChannelStore({ database, clock });
	const moderators = new ModeratorStore({ database, clock });
	const access = new ChannelAccess({ channels: store, moderators, authenticator: accounts.authenticator });
	const control = new ChannelControl({ ...deps, logger: deps.logger.child({ part: 'channels' }) });
	await control.start();
	return {
		store,
		locator: new ChannelLocator({ store, registry }),
		access,
		control,
		moderators,
		routes: createChannelRoutes({ ...deps, channels: store, access, control, config: options }),
		close: () => control.close(),
	};
}
