/** Creates the publishing part: stream keys, their authorizer, the journal of broadcasts, and the routes. */
import type { FastifyPluginAsync } from 'fastify';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import type { BroadcastRegistry } from '../../ingest/broadcast/broadcast-registry.ts';
import type { Channels } from '../channels/create-channels.ts';
import type { Database } from '../platform/database/database.ts';
import { KnownNetworks } from '../platform/database/known-networks.ts';
import { BroadcastJournal } from './broadcast-journal.ts';
import { createBroadcastRoutes, type BroadcastRoutesDependencies } from './broadcast-routes.ts';
import { PublishAuthorizer, type PublishAuthorizerOptions } from './publish-authorizer.ts';
import { createStreamKeyRoutes } from './stream-key-routes.ts';
import { StreamKeyStore } from './stream-key-store.ts';

type PublishingDependencies = Pick<
	BroadcastRoutesDependencies,
	'logger' | 'accounts' | 'viewerCount' | 'audience' | 'endpoints'
> & {
	clock: Clock;
	database: Database;
	serverSecret: Uint8Array;
	channels: Pick<Channels, 'access' | 'control'>;
	registry: Pick<BroadcastRegistry, 'find' | 'lastRefusal' | 'lastReport' | 'revokeStreamKey' | 'on'>;
};

/** @internal for tests */
export type Publishing = {
	streamKeys: StreamKeyStore;
	/** For WHIP and RTMP. */
	authorizer: PublishAuthorizer;
	routes: FastifyPluginAsync;
	/** Writes the waiting rows of the journal. Idempotent. */
	close(): Promise<void>;
};

/** Loads the valid keys and the known networks, and closes the broadcasts that a killed server left open. */
export async function createPublishing(
	deps: PublishingDependencies,
	options: PublishAuthorizerOptions,
): Promise<Publishing> {
	const { clock, database, serverSecret, registry } = deps;
	const { access, control } = deps.channels;
	const logger = deps.logger.child({ part: 'publishing' });
	const scope = new CloseScope<'server-shutdown'>(logger);
	const networks = new KnownNetworks({ database, clock, logger, serverSecret }, 'stream-key');
	const streamKeys = new StreamKeyStore({ ...deps, onMade: (id, hash) => authorizer.addKey(id, hash) });
	const authorizer = new PublishAuthorizer({ streamKeys, networks, clock, logger, serverSecret }, options);
	await Promise.all([networks.load(), authorizer.load()]);
	const journal = new BroadcastJournal({ database, registry, clock, logger });
	await journal.start();
	scope.onClose(() => journal.close());
	scope.onClose(control.on('permissionChanged', (channelId) => authorizer.evictChannel(channelId)));
	scope.onClose(
		control.on('streamKeyRevoked', (streamKeyId) => {
			authorizer.evictKey(streamKeyId);
			registry.revokeStreamKey(streamKeyId);
		}),
	);
	const common = { ...deps, logger, access, control };
	return {
		streamKeys,
		authorizer,
		routes: async (app) => {
			await app.register(createStreamKeyRoutes({ ...common, streamKeys }));
			await app.register(createBroadcastRoutes({ ...common, authorizer }));
		},
		close: () => scope.close('server-shutdown'),
	};
}
