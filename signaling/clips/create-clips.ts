/** Creates the clips part: short pieces of recordings, their playlists and media, and their routes. */
import type { FastifyPluginAsync } from 'fastify';
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { BroadcastRegistry } from '../../ingest/broadcast/broadcast-registry.ts';
import type { PictureMaker } from '../../packager/pictures/picture-maker.ts';
import type { ObjectStore } from '../../packager/store/object-store.ts';
import type { Accounts } from '../accounts/create-accounts.ts';
import type { Channels } from '../channels/create-channels.ts';
import type { Database } from '../platform/database/database.ts';
import type { Jobs } from '../platform/jobs/jobs.ts';
import type { Videos } from '../videos/create-videos.ts';
import { SecretDirectory } from '../videos/path-secrets.ts';
import type { VideoClips } from '../videos/video-store.ts';
import { ClipAccess } from './clip-access.ts';
import { ClipJobs } from './clip-jobs.ts';
import { ClipExports } from './clip-exports.ts';
import { createClipMediaRoutes } from './clip-media-routes.ts';
import { ClipPlaylists } from './clip-playlists.ts';
import { createClipRoutes } from './clip-routes.ts';
import { ClipStore, type ClipPart } from './clip-store.ts';
import { ClipTiming } from './clip-timing.ts';

type ClipsDependencies = {
	clock: Clock;
	logger: Logger;
	database: Database;
	store: ObjectStore;
	jobs: Pick<Jobs, 'define' | 'add'>;
	registry: Pick<BroadcastRegistry, 'find'>;
	pictures: PictureMaker;
	/** False while media needs the machine. */
	mayWork: () => boolean;
	accounts: Pick<Accounts, 'authenticator' | 'origin'>;
	channels: Pick<Channels, 'access' | 'moderators'>;
	videos: Pick<Videos, 'store' | 'recordings' | 'deleteMedia' | 'refusal'>;
};

type ClipsConfig = {
	/** For files on their way. */
	temporaryFolder: string;
	/** Most clips that one account makes in a day. */
	maxPerDay: number;
};

type Clips = {
	routes: FastifyPluginAsync;
	/** For the videos part. */
	readonly ofVideos: VideoClips;
	/** For everyone: false for a clip of a private video. True also while the database is unavailable. */
	mayExist(id: string): Promise<boolean>;
};

/** Defines its jobs. */
export function createClips(deps: ClipsDependencies, config: ClipsConfig): Clips {
	const { clock, database, store, jobs, accounts, channels } = deps;
	const { store: videos, recordings, deleteMedia, refusal } = deps.videos;
	const logger = deps.logger.child({ part: 'clips' });
	const directory = new SecretDirectory<ClipPart>({
		find: (secret) => clips.findBySecret(secret),
		clock,
		errors: { missing: 'CLIP_NOT_FOUND', gone: 'CLIP_GONE' },
	});
	const work = new ClipJobs({
		...deps,
		jobs,
		clips: () => clips,
		playlists: () => playlists,
		directory,
		videos,
		refusal,
		logger,
	});
	const exports = new ClipExports({
		...deps,
		clips: () => clips,
		directory,
		videos,
		refusal,
		temporaryFolder: config.temporaryFolder,
		logger,
	});
	const clips: ClipStore = new ClipStore({
		database,
		clock,
		tidyClip: (handle, clipId) => work.tidy(handle, clipId),
		tidyVideo: deleteMedia,
		prepare: (handle, clipId) => work.prepare(handle, clipId),
	});
	const timing = new ClipTiming({ videos, store, clock });
	const playlists: ClipPlaylists = new ClipPlaylists({ clips, timing, directory, videos, clock });
	const access = new ClipAccess({ ...channels, clips, authenticator: accounts.authenticator });
	return {
		routes: async (app) => {
			await app.register(
				createClipRoutes({
					...deps,
					clips,
					timing,
					playlists,
					exports,
					directory,
					access,
					channels: channels.access,
					videos,
					recordings,
					config,
				}),
			);
			await app.register(
				createClipMediaRoutes({
					directory,
					playlists,
					store,
					authorize: (request, clip) => access.authorize(request, clip),
				}),
			);
		},
		ofVideos: {
			deleteAll: (handle, videoId) => clips.deleteAll(handle, videoId),
			windows: (videoId) => clips.windows(videoId),
			paths: (videoId) => clips.paths(videoId),
			forget: () => directory.forget(),
		},
		mayExist: (id) =>
			clips.find(id).then(
				(clip) => clip !== undefined && clip.visibility !== 'private',
				() => true,
			),
	};
}
