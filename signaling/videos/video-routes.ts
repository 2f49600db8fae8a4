/** The API's videos: one, those of a channel, changes by their owner; and the switch of a channel's recording. */
import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import { SpillwayError } from '../../core/errors/errors.ts';
import { channelParamsSchema, type ChannelParams } from '../../core/protocol/api/channel-description.ts';
import { PUBLIC_READ } from '../../core/protocol/api/cors.ts';
import {
	ownVideoSchema,
	recordingChangeSchema,
	recordingStatusSchema,
	videoChangeSchema,
	videoDeletionSchema,
	videoListQuerySchema,
	videoListSchema,
	videoParamsSchema,
	type OwnVideo,
	type RecordingChange,
	type RecordingStatus,
	type VideoChange,
	type VideoDeletion,
	type VideoList,
	type VideoListQuery,
	type VideoParams,
} from '../../core/protocol/api/video.ts';
import type { Accounts } from '../accounts/create-accounts.ts';
import { limitedRoutes, prepareApiRoutes, userRoutes } from '../accounts/route-options.ts';
import type { ChannelAccess } from '../channels/channel-access.ts';
import { isAllowed, type ChannelAction } from '../channels/channel-permissions.ts';
import { MAX_TITLE_LENGTH, normalizeText } from '../channels/channel-text.ts';
import type { Channel } from '../channels/channel-store.ts';
import { RATE_LIMITS } from '../platform/http/rate-limits.ts';
import { refusals } from '../platform/http/schema-validation.ts';
import type { UploadState } from '../platform/objects/write-behind-store.ts';
import type { RecordingLimits } from './recording-limits.ts';
import { isRecordingWanted, type Recordings } from './recordings.ts';
import type { SecretDirectory } from './path-secrets.ts';
import { describePictures } from './video-picture-routes.ts';
import type { VideoRecord } from './video-row.ts';
import type { VideoClips, VideoStore } from './video-store.ts';

export type VideoRoutesDependencies = {
	videos: VideoStore;
	recordings: Pick<Recordings, 'running'>;
	limits: RecordingLimits;
	directory: Pick<SecretDirectory<VideoRecord>, 'forget'>;
	accounts: Pick<Accounts, 'authenticator' | 'origin'>;
	access: ChannelAccess;
	clips: () => Pick<VideoClips, 'paths' | 'forget'>;
	/** How uploads to the store stand; undefined: there are none. */
	uploads: () => UploadState | undefined;
	config: { maxBytesPerOwner: number; retentionDays: number };
};

const DEFAULT_LIST_LENGTH = 24;

/** /api/v1/videos/{video}, /api/v1/channels/{channel}/videos and …/recording. */
export function createVideoRoutes(deps: VideoRoutesDependencies): FastifyPluginAsync {
	return async (app) => {
		await prepareApiRoutes(app, deps.accounts.origin);
		await app.register(createReadingRoutes(deps));
		await app.register(createChangingRoutes(deps));
		await app.register(createRecordingRoutes(deps));
	};
}

/** What stands before a video's playlists and its description. Throws VIDEO_NOT_FOUND. */
export async function authorizePlayback(
	{ accounts }: Pick<VideoRoutesDependencies, 'accounts'>,
	request: Pick<FastifyRequest, 'headers'>,
	video: VideoRecord,
): Promise<{ isOwner: boolean }> {
	const isOwner = await mayDo('see its private videos', accounts, request, video);
	if (video.visibility === 'private' && !isOwner) {
		throw new SpillwayError('VIDEO_NOT_FOUND');
	}
	return { isOwner };
}

function createReadingRoutes(deps: VideoRoutesDependencies): FastifyPluginAsync {
	const { videos, access, accounts } = deps;
	return async (app) => {
		app.get<{ Params: VideoParams }>(
			'/api/v1/videos/:video',
			{
				config: { cors: PUBLIC_READ, rateLimit: RATE_LIMITS.search },
				schema: {
					tags: ['videos'],
					summary: 'One video',
					params: videoParamsSchema,
					response: { 200: ownVideoSchema, ...refusals(404, 429, 503) },
				},
			},
			async (request): Promise<OwnVideo> => {
				const video = await findVideo(deps, request.params.video);
				const { isOwner } = await authorizePlayback(deps, request, video);
				return describe(deps, video, isOwner);
			},
		);
		app.get<{ Params: ChannelParams; Querystring: VideoListQuery }>(
			'/api/v1/channels/:channel/videos',
			{
				config: { cors: PUBLIC_READ, rateLimit: RATE_LIMITS.search },
				schema: {
					tags: ['videos'],
					summary: 'Videos of a channel, the newest first',
					params: channelParamsSchema,
					querystring: videoListQuerySchema,
					response: { 200: videoListSchema, ...refusals(400, 404, 429, 503) },
				},
			},
			async (request): Promise<VideoList> => {
				const channel = await access.find(request.params.channel);
				const isOwner = await mayDo('see its private videos', accounts, request, channel);
				const { before, limit: asked } = request.query;
				const limit = asked === undefined ? DEFAULT_LIST_LENGTH : Number(asked);
				const found = await videos.list(channel.id, { isOwner, before, limit: limit + 1 });
				const listed = found.slice(0, limit);
				return {
					videos: listed.map((video) => describe(deps, video, isOwner)),
					next: found.length > limit ? listed.at(-1)!.id : null,
				};
			},
		);
	};
}

function createChangingRoutes(deps: VideoRoutesDependencies): FastifyPluginAsync {
	const { videos, accounts } = deps;
	const options = userRoutes('videos', accounts.authenticator);
	return async (app) => {
		app.patch<{ Params: VideoParams; Body: VideoChange }>(
			'/api/v1/videos/:video',
			options({
				summary: 'Change a video',
				description: 'Absent fields stay. Another visibility gives its media new addresses; the old ones answer 410.',
				params: videoParamsSchema,
				body: videoChangeSchema,
				response: { 200: ownVideoSchema, ...refusals(400, 401, 403, 404, 429, 503) },
			}),
			async (request): Promise<OwnVideo> => {
				const before = await requireOwn(deps, request, 'change its videos');
				const { title, ...rest } = request.body;
				const change =
					title === undefined ? rest : { ...rest, title: normalizeText(title, 'a title', MAX_TITLE_LENGTH) };
				const changed = await videos.change(before.id, change);
				if (changed === undefined) {
					throw new SpillwayError('VIDEO_NOT_FOUND');
				}
				deps.directory.forget(before.pathSecret);
				const isMoved = changed.pathSecret !== before.pathSecret;
				deps.clips().forget();
				return { ...describe(deps, changed, true), ...(isMoved ? { purgePaths: await purgePaths(deps, before) } : {}) };
			},
		);
		app.delete<{ Params: VideoParams }>(
			'/api/v1/videos/:video',
			options({
				summary: 'Delete a video',
				description: 'For good, and its clips with it. One that is being recorded stops being recorded.',
				params: videoParamsSchema,
				response: { 200: videoDeletionSchema, ...refusals(401, 403, 404, 429, 503) },
			}),
			async (request): Promise<VideoDeletion> => {
				const video = await requireOwn(deps, request, 'delete its videos');
				const paths = await purgePaths(deps, video);
				if (!(await videos.delete(video.id, 'wanted'))) {
					throw new SpillwayError('VIDEO_NOT_FOUND');
				}
				deps.directory.forget(video.pathSecret);
				deps.clips().forget();
				return { purgePaths: paths };
			},
		);
	};
}

function createRecordingRoutes(deps: VideoRoutesDependencies): FastifyPluginAsync {
	const { videos, access, accounts } = deps;
	const options = userRoutes('videos', accounts.authenticator);
	const path = '/api/v1/channels/:channel/recording';
	return async (app) => {
		app.get<{ Params: ChannelParams }>(
			path,
			{
				onRequest: accounts.authenticator.requireUser,
				...limitedRoutes('videos')('search', {
					summary: "Whether a channel's broadcasts are recorded, and how it stands",
					params: channelParamsSchema,
					response: { 200: recordingStatusSchema, ...refusals(401, 403, 404, 429, 503) },
				}),
			},
			async (request): Promise<RecordingStatus> => {
				const { channel } = await access.require(request, 'choose whether it is recorded');
				return describeRecording(deps, channel);
			},
		);
		app.put<{ Params: ChannelParams; Body: RecordingChange }>(
			path,
			options({
				summary: "Choose whether a channel's broadcasts are recorded",
				description: 'Takes effect with the next broadcast.',
				params: channelParamsSchema,
				body: recordingChangeSchema,
				response: { 200: recordingStatusSchema, ...refusals(400, 401, 403, 404, 429, 503) },
			}),
			async (request): Promise<RecordingStatus> => {
				const { channel } = await access.require(request, 'choose whether it is recorded');
				await videos.chooseRecording(channel.id, request.body.choice ?? undefined);
				return describeRecording(deps, channel);
			},
		);
	};
}

async function describeRecording(deps: VideoRoutesDependencies, channel: Channel): Promise<RecordingStatus> {
	const { videos, recordings, limits, config } = deps;
	const setting = await videos.recordingSetting(channel.id);
	if (setting === undefined) {
		throw new SpillwayError('CHANNEL_NOT_FOUND', [channel.name]);
	}
	await limits.prepare(setting.ownerId);
	const running = recordings.running.find(({ channelId }) => channelId === channel.id);
	const isWanted = isRecordingWanted(setting);
	const refusal = running?.recorder.stopReason ?? (isWanted ? limits.refusal(setting.ownerId) : undefined);
	const stopped = refusal === undefined ? [] : [`Nothing is recorded: ${refusal}. The live stream continues.`];
	return {
		choice: setting.choice ?? null,
		isWanted,
		state:
			running !== undefined
				? running.recorder.stopReason === undefined
					? 'recording'
					: 'stopped'
				: !isWanted
					? 'off'
					: refusal === undefined
						? 'idle'
						: 'stopped',
		notices: [...stopped, ...uploadNotices(deps.uploads()), ...limits.notices(setting.ownerId)],
		usedBytes: limits.ownerBytes(setting.ownerId),
		maxBytes: config.maxBytesPerOwner,
		retentionDays: config.retentionDays,
	};
}

function uploadNotices(state: UploadState | undefined): string[] {
	if (state?.lastError === undefined || state.waitingCount === 0) {
		return [];
	}
	const megabytes = Math.ceil(state.waitingBytes / 1e6);
	return [
		`The store of recordings cannot be used now: ${state.lastError} ${megabytes} MB wait on the server's disk, and nothing is lost.`,
	];
}

async function findVideo({ videos }: Pick<VideoRoutesDependencies, 'videos'>, id: string): Promise<VideoRecord> {
	const video = /^[0-9a-z]{26}$/.test(id) ? await videos.find(id) : undefined;
	if (video === undefined) {
		throw new SpillwayError('VIDEO_NOT_FOUND');
	}
	return video;
}

/** Throws SIGN_IN_REQUIRED, VIDEO_NOT_FOUND (also for the private video of somebody else), then FORBIDDEN. */
async function requireOwn(
	deps: VideoRoutesDependencies,
	request: FastifyRequest,
	action: ChannelAction,
): Promise<VideoRecord> {
	await deps.accounts.authenticator.userOf(request);
	const video = await findVideo(deps, (request.params as VideoParams).video);
	await authorizePlayback(deps, request, video);
	if (!(await mayDo(action, deps.accounts, request, video))) {
		throw new SpillwayError('FORBIDDEN', [`you cannot ${action}`]);
	}
	return video;
}

async function mayDo(
	action: ChannelAction,
	{ authenticator }: Pick<Accounts, 'authenticator'>,
	request: Pick<FastifyRequest, 'headers'>,
	{ ownerId }: { ownerId: string | undefined },
): Promise<boolean> {
	const user = await authenticator.authenticate(request);
	return user !== undefined && isAllowed(action, user.id === ownerId ? 'owner' : 'other', user.role);
}

function describe({ recordings }: VideoRoutesDependencies, video: VideoRecord, isOwner: boolean): OwnVideo {
	const running = recordings.running.find(({ videoId }) => videoId === video.id);
	const recorder = running?.recorder;
	const durationSeconds = recorder?.recordedSeconds ?? video.durationSeconds;
	const isPlayable = running?.isPlayable ?? video.endedAt !== undefined;
	return {
		id: video.id,
		channelId: video.channelId,
		channelName: video.channelName,
		title: video.title,
		category: video.category ?? null,
		state: video.endedAt === undefined ? 'recording' : 'ready',
		visibility: video.visibility,
		startedAt: video.startedAt.toISOString(),
		durationSeconds,
		playlistUrl: isPlayable ? `${vodPath(video)}index.m3u8` : null,
		...describePictures(video),
		...(isOwner
			? {
					sizeBytes: recorder?.storedBytes ?? video.sizeBytes,
					expiresAt: video.isKept ? null : (video.expiresAt?.toISOString() ?? null),
					isKept: video.isKept,
					missingSeconds: recorder?.missingSeconds ?? video.missingSeconds,
				}
			: {}),
	};
}

function vodPath({ pathSecret }: VideoRecord): string {
	return `/vod/${pathSecret}/`;
}

/** Of the video and its clips. */
async function purgePaths({ clips }: VideoRoutesDependencies, video: VideoRecord): Promise<string[]> {
	return [vodPath(video), ...(await clips().paths(video.id))];
}
