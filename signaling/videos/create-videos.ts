/** Creates the videos part: recording, the playlists and media of recordings, and their routes. */
import { join } from 'node:path';
import type { FastifyPluginAsync } from 'fastify';
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { BroadcastId } from '../../core/ids.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import type { Logger } from '../../core/logger.ts';
import type { BroadcastRegistry } from '../../ingest/broadcast/broadcast-registry.ts';
import type { Cdn } from '../../packager/config/packager-config.ts';
import type { Packager } from '../../packager/create-packager.ts';
import type { PictureMaker } from '../../packager/pictures/picture-maker.ts';
import type { ObjectStore } from '../../packager/store/object-store.ts';
import type { Accounts } from '../accounts/create-accounts.ts';
import type { Channels } from '../channels/create-channels.ts';
import type { Database, Queryable } from '../platform/database/database.ts';
import type { Jobs } from '../platform/jobs/jobs.ts';
import { createCachePurges, type AddPurges, type CachePurgeConfig } from './cache-purges.ts';
import { SecretDirectory } from './path-secrets.ts';
import { RecordedPlaylists } from './recorded-playlists.ts';
import { RecordingLimits, type RecordingLimitsConfig } from './recording-limits.ts';
import { Recordings, type RecordingsConfig } from './recordings.ts';
import { defineStorageClassJob, type StorageClassConfig } from './storage-class-job.ts';
import { DELETE_MEDIA, defineVideoJobs } from './video-jobs.ts';
import { VideoPictures } from './video-pictures.ts';
import { authorizePlayback, createVideoRoutes, type VideoRoutesDependencies } from './video-routes.ts';
import type { VideoRecord } from './video-row.ts';
import { VideoStore, type VideoClips } from './video-store.ts';
import { createVodRoutes } from './vod-routes.ts';

type VideosDependencies = {
	clock: Clock;
	logger: Logger;
	database: Database;
	store: ObjectStore;
	/** How uploads to the store stand; undefined: there are none. */
	uploads: VideoRoutesDependencies['uploads'];
	jobs: Pick<Jobs, 'define' | 'every' | 'add'>;
	registry: Pick<BroadcastRegistry, 'on'>;
	packager: Pick<Packager, 'broadcast'>;
	pictures: PictureMaker;
	/** False while media needs the machine. */
	mayWork: () => boolean;
	accounts: Pick<Accounts, 'authenticator' | 'origin'>;
	channels: Pick<Channels, 'access'>;
	/** Is created after this part, and used when that has started. */
	clips: () => VideoClips;
};

/** Videos whose playlists are kept in memory. */
const MAX_KEPT_PLAYLISTS = 64;

export type VideosConfig = RecordingLimitsConfig &
	RecordingsConfig &
	StorageClassConfig & { mediaFolder: string; cdns: readonly Cdn[]; purge: CachePurgeConfig };

export type Videos = {
	routes: FastifyPluginAsync;
	readonly store: VideoStore;
	readonly recordings: Pick<Recordings, 'running'>;
	/** Adds the job that deletes what is left of a deleted video. */
	deleteMedia(handle: Queryable, videoId: string): Promise<unknown>;
	/** Adds the jobs that make caches forget all addresses that begin so. */
	readonly purge: AddPurges;
	/** Why nothing may be stored now, as part of a sentence; undefined: it may. */
	refusal(): Promise<string | undefined>;
	/** For everyone: false for a private video. True also while the database is unavailable. */
	mayExist(id: string): Promise<boolean>;
	/** Something of the broadcast can be played from its recording, which runs on this node. */
	isRecording(broadcastId: BroadcastId): boolean;
	/** Begins to record, and ends what a killed server left open. Call it when the jobs have started. */
	start(): Promise<void>;
	/** Ends the recordings. Call it when the broadcasts have ended. Idempotent. */
	close(): Promise<void>;
};

/** Defines its jobs, and records nothing before {@link Videos.start}. */
export function createVideos(deps: VideosDependencies, config: VideosConfig): Videos {
	const { clock, database, store, registry, packager, accounts, jobs } = deps;
	const { access } = deps.channels;
	const logger = deps.logger.child({ part: 'videos' });
	const scope = new CloseScope<'server-shutdown'>(logger);
	const deleteMedia = (handle: Queryable, videoId: string): Promise<unknown> =>
		jobs.add(handle, DELETE_MEDIA, { videoId });
	const refusal = async (): Promise<string | undefined> => {
		await limits.prepare(undefined);
		return limits.refusal(undefined);
	};
	const purge = createCachePurges({ jobs, clock, logger }, config.purge);
	const videos: VideoStore = new VideoStore({
		database,
		clock,
		deleteMedia,
		purge,
		makePictures: (handle, videoId, which) => pictures.add(handle, videoId, which),
		clips: deps.clips,
	});
	defineVideoJobs({ jobs, videos, clips: deps.clips, store, logger });
	defineStorageClassJob({ jobs, database, store, clock, logger }, config);
	const directory = new SecretDirectory<VideoRecord>({
		find: (secret) => videos.findBySecret(secret),
		clock,
		errors: { missing: 'VIDEO_NOT_FOUND', gone: 'VIDEO_GONE' },
	});
	const pictures = new VideoPictures({
		...deps,
		videos,
		directory,
		maker: deps.pictures,
		logger,
		refusal,
	});
	const runningBytes = (ownerId: string | undefined): number =>
		recordings.running
			.filter((running) => ownerId === undefined || running.ownerId === ownerId)
			.reduce((sum, { recorder }) => sum + recorder.storedBytes, 0);
	const limits = new RecordingLimits({ videos, folder: config.mediaFolder, runningBytes, clock, logger }, config);
	const recordings = new Recordings(
		{ videos, store, limits, folder: join(config.mediaFolder, 'journals'), registry, packager, clock, logger },
		config,
	);
	scope.onClose(() => recordings.close());
	const playlists = new RecordedPlaylists({ clock }, { maxKept: MAX_KEPT_PLAYLISTS });
	return {
		routes: async (app) => {
			await app.register(createVideoRoutes({ ...deps, videos, recordings, limits, directory, access, config }));
			await app.register(
				createVodRoutes({
					directory,
					videos,
					playlists,
					store,
					cdns: config.cdns,
					authorizePlayback: async (request, video) => void (await authorizePlayback({ accounts }, request, video)),
				}),
			);
		},
		store: videos,
		recordings,
		deleteMedia,
		refusal,
		purge,
		mayExist: (id) =>
			videos.find(id).then(
				(video) => video !== undefined && video.visibility !== 'private',
				() => true,
			),
		isRecording: (broadcastId) =>
			recordings.running.some((running) => running.broadcastId === broadcastId && running.isPlayable),
		start: () => recordings.start(),
		close: () => scope.close('server-shutdown'),
	};
}
