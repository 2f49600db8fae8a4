/** Creates the videos part: recording, the playlists and media of recordings, and their routes. */
import { join } from 'node:path';
import type { FastifyPluginAsync } from 'fastify';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import type { Logger } from '../../core/logger.ts';
import type { BroadcastRegistry } from '../../ingest/broadcast/broadcast-registry.ts';
import type { Packager } from '../../packager/create-packager.ts';
import type { ObjectStore } from '../../packager/store/object-store.ts';
import type { Accounts } from '../accounts/create-accounts.ts';
import type { Channels } from '../channels/create-channels.ts';
import type { Database } from '../platform/database/database.ts';
import { RecordingLimits, type RecordingLimitsConfig } from './recording-limits.ts';
import { Recordings, type RecordingsConfig } from './recordings.ts';
import { VideoPlaylists } from './video-playlists.ts';
import { authorizePlayback, createVideoRoutes } from './video-routes.ts';
import { VideoStore } from './video-store.ts';
import { createVodRoutes } from './vod-routes.ts';

type VideosDependencies = {
	clock: Clock;
	logger: Logger;
	database: Database;
	store: ObjectStore;
	registry: Pick<BroadcastRegistry, 'on'>;
	packager: Pick<Packager, 'broadcast'>;
	accounts: Pick<Accounts, 'authenticator' | 'origin'>;
	channels: Pick<Channels, 'access'>;
};

export type VideosConfig = RecordingLimitsConfig & RecordingsConfig & { mediaFolder: string };

export type Videos = {
	routes: FastifyPluginAsync;
	/** For everyone: false for a private video. True also while the database is unavailable. */
	mayExist(id: string): Promise<boolean>;
	/** Ends the recordings. Call it when the broadcasts have ended. Idempotent. */
	close(): Promise<void>;
};

/** Begins to record at once, and ends in the background what a killed server left open. */
export async function createVideos(deps: VideosDependencies, config: VideosConfig): Promise<Videos> {
	const { clock, database, store, registry, packager, accounts } = deps;
	const { access } = deps.channels;
	const logger = deps.logger.child({ part: 'videos' });
	const scope = new CloseScope<'server-shutdown'>(logger);
	const videos = new VideoStore({ database, clock });
	const runningBytes = (ownerId: string | undefined): number =>
		recordings.running
			.filter((running) => ownerId === undefined || running.ownerId === ownerId)
			.reduce((sum, { recorder }) => sum + recorder.storedBytes, 0);
	const limits = new RecordingLimits({ videos, folder: config.mediaFolder, runningBytes, clock, logger }, config);
	scope.onClose(() => limits.close());
	const recordings = new Recordings(
		{ videos, store, limits, folder: join(config.mediaFolder, 'journals'), registry, packager, clock, logger },
		config,
	);
	scope.onClose(() => recordings.close());
	await recordings.start();
	const playlists = new VideoPlaylists({ videos, clock });
	return {
		routes: async (app) => {
			await app.register(createVideoRoutes({ videos, recordings, limits, accounts, access, config }));
			await app.register(
				createVodRoutes({
					videos,
					playlists,
					store,
					clock,
					authorizePlayback: async (request, video) => void (await authorizePlayback({ accounts }, request, video)),
				}),
			);
		},
		mayExist: (id) =>
			videos.find(id).then(
				(video) => video !== undefined && video.visibility !== 'private',
				() => true,
			),
		close: () => scope.close('server-shutdown'),
	};
}
