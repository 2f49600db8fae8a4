/** The API's clips: making one, reading, changing, deleting and reporting it, and those of a channel. */
import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import { createId } from '../../core/ids.ts';
import { channelParamsSchema, type ChannelParams } from '../../core/protocol/api/channel-description.ts';
import {
	clipChangeSchema,
	clipCreationSchema,
	clipDeletionSchema,
	clipListQuerySchema,
	clipListSchema,
	clipParamsSchema,
	clipReportSchema,
	createdClipSchema,
	ownClipSchema,
	type ClipChange,
	type ClipCreation,
	type ClipDeletion,
	type ClipList,
	type ClipListQuery,
	type ClipParams,
	type ClipReport,
	type CreatedClip,
	type OwnClip,
} from '../../core/protocol/api/clip.ts';
import { PUBLIC_READ } from '../../core/protocol/api/cors.ts';
import type { BroadcastRegistry } from '../../ingest/broadcast/broadcast-registry.ts';
import type { Accounts } from '../accounts/create-accounts.ts';
import { limitedRoutes, prepareApiRoutes, userRoutes } from '../accounts/route-options.ts';
import type { ChannelAccess } from '../channels/channel-access.ts';
import { MAX_TITLE_LENGTH, normalizeText } from '../channels/channel-text.ts';
import { RATE_LIMITS } from '../platform/http/rate-limits.ts';
import { refusals } from '../platform/http/schema-validation.ts';
import type { SecretDirectory } from '../videos/path-secrets.ts';
import type { Recordings } from '../videos/recordings.ts';
import type { VideoRecord } from '../videos/video-row.ts';
import type { VideoStore } from '../videos/video-store.ts';
import { describeClip, type ClipRights } from './clip-description.ts';
import type { ClipPlaylists } from './clip-playlists.ts';
import type { ClipExports } from './clip-exports.ts';
import { clipPath, type ClipRecord } from './clip-row.ts';
import type { ClipPart, ClipStore } from './clip-store.ts';
import type { ClipTiming } from './clip-timing.ts';
import type { ClipAccess } from './clip-access.ts';

type ClipRoutesDependencies = {
	clips: ClipStore;
	timing: Pick<ClipTiming, 'place' | 'trim'>;
	playlists: Pick<ClipPlaylists, 'settled'>;
	exports: Pick<ClipExports, 'request'>;
	directory: Pick<SecretDirectory<ClipPart>, 'forget'>;
	access: ClipAccess;
	channels: Pick<ChannelAccess, 'find'>;
	videos: Pick<VideoStore, 'find' | 'findUnfinished'>;
	recordings: Pick<Recordings, 'running'>;
	registry: Pick<BroadcastRegistry, 'find'>;
	accounts: Pick<Accounts, 'authenticator' | 'origin'>;
	clock: Clock;
	config: { maxPerDay: number };
};

const DEFAULT_LIST_LENGTH = 24;
const MAX_REASON_LENGTH = 500;
/** Until the segment of a moment that is on the screen is recorded. */
const UNFINISHED_SECONDS = 3;

/** /api/v1/clips, /api/v1/clips/{clip} and below, and /api/v1/channels/{channel}/clips. */
export function createClipRoutes(deps: ClipRoutesDependencies): FastifyPluginAsync {
	return async (app) => {
		await prepareApiRoutes(app, deps.accounts.origin);
		await app.register(createMakingRoutes(deps));
		await app.register(createReadingRoutes(deps));
		await app.register(createChangingRoutes(deps));
	};
}

function createMakingRoutes(deps: ClipRoutesDependencies): FastifyPluginAsync {
	const { clips, timing, accounts, clock, config } = deps;
	return async (app) => {
		app.post<{ Body: ClipCreation }>(
			'/api/v1/clips',
			{
				onRequest: accounts.authenticator.requireUser,
				...limitedRoutes('clips')('clip', {
					summary: 'Make a clip of what is on the screen',
					description:
						'Of the last 60 s up to the picture that the viewer sees. It can be watched at once, and trimmed afterwards.',
					body: clipCreationSchema,
					response: { 201: createdClipSchema, ...refusals(400, 401, 403, 404, 409, 429, 503) },
				}),
			},
			async (request, reply): Promise<CreatedClip> => {
				const user = await accounts.authenticator.userOf(request);
				const { title, captured_at_ms: capturedAtMs, tier = 'll-hls' } = request.body;
				const normalized = title === undefined ? '' : normalizeText(title, 'a title', MAX_TITLE_LENGTH);
				const video = await findClipped(deps, request);
				// No picture of the future was on a screen; a client's clock may be ahead.
				const askedMs = Math.min(capturedAtMs ?? Infinity, clock.nowMs());
				const askedClock = tier === 'webrtc' ? 'picture' : 'date';
				const times = await timing.place(
					{ id: video.id, isGrowing: video.endedAt === undefined },
					{ askedMs, askedClock },
				);
				const id = createId<string>(clock.nowMs());
				await clips.create(
					{
						...times,
						id,
						channelId: video.channelId,
						videoId: video.id,
						creatorId: user.id,
						title: normalized === '' ? video.title : normalized,
						category: video.category,
						askedMs,
						askedClock,
					},
					config,
				);
				reply.code(201);
				return { clip_id: id, url: `/clips/${id}` };
			},
		);
	};
}

function createReadingRoutes(deps: ClipRoutesDependencies): FastifyPluginAsync {
	const { clips, access, channels } = deps;
	return async (app) => {
		app.get<{ Params: ClipParams }>(
			'/api/v1/clips/:clip',
			{
				config: { cors: PUBLIC_READ, rateLimit: RATE_LIMITS.search },
				schema: {
					tags: ['clips'],
					summary: 'One clip',
					params: clipParamsSchema,
					response: { 200: ownClipSchema, ...refusals(404, 429, 503) },
				},
			},
			async (request): Promise<OwnClip> => {
				const { clip, rights } = await access.find(request, request.params.clip);
				return describe(deps, await deps.playlists.settled(clip), rights);
			},
		);
		app.get<{ Params: ChannelParams; Querystring: ClipListQuery }>(
			'/api/v1/channels/:channel/clips',
			{
				config: { cors: PUBLIC_READ, rateLimit: RATE_LIMITS.search },
				schema: {
					tags: ['clips'],
					summary: 'Clips of a channel, the newest first',
					params: channelParamsSchema,
					querystring: clipListQuerySchema,
					response: { 200: clipListSchema, ...refusals(400, 404, 429, 503) },
				},
			},
			async (request): Promise<ClipList> => {
				const channel = await channels.find(request.params.channel);
				const { before, limit: asked } = request.query;
				const limit = asked === undefined ? DEFAULT_LIST_LENGTH : Number(asked);
				const seesAll = await access.seesAll(request, channel);
				const found = await clips.list(channel.id, { seesAll, before, limit: limit + 1 });
				const listed = await Promise.all(
					found.slice(0, limit).map(async (clip) => ({ clip, rights: await access.rights(request, clip) })),
				);
				const reported = listed.filter(({ rights }) => rights.seesReports).map(({ clip }) => clip.id);
				const reports = reported.length === 0 ? new Map() : await clips.reports(reported);
				return {
					clips: listed.map(({ clip, rights }) => describeClip(clip, rights, reports.get(clip.id))),
					next: found.length > limit ? listed.at(-1)!.clip.id : null,
				};
			},
		);
	};
}

function createChangingRoutes(deps: ClipRoutesDependencies): FastifyPluginAsync {
	const { clips, access, accounts, timing } = deps;
	const options = userRoutes('clips', accounts.authenticator);
	return async (app) => {
		app.patch<{ Params: ClipParams; Body: ClipChange }>(
			'/api/v1/clips/:clip',
			options({
				summary: 'Change a clip: its title, or where it begins and ends',
				description:
					'A trim is moved to borders of pictures, and gives its media new addresses; the old ones answer 410.',
				params: clipParamsSchema,
				body: clipChangeSchema,
				response: { 200: ownClipSchema, ...refusals(400, 401, 403, 404, 409, 429, 503) },
			}),
			async (request): Promise<OwnClip> => {
				const { clip: found, rights } = await access.require(request, request.params.clip, 'change');
				const { title, trim } = request.body;
				const newTitle = title === undefined ? undefined : normalizeText(title, 'a title', MAX_TITLE_LENGTH);
				if (newTitle === '') {
					throw new SpillwayError('REQUEST_INVALID', ['a title has at least one character']);
				}
				let clip: ClipRecord | undefined = await deps.playlists.settled(found);
				if (trim !== undefined) {
					requireSettled(clip);
					const { sourceOriginSeconds } = clip;
					const times = await timing.trim(clip, {
						startSeconds: sourceOriginSeconds + trim.startSeconds,
						endSeconds: sourceOriginSeconds + trim.endSeconds,
					});
					clip = await clips.trim(clip.id, times);
				}
				if (newTitle !== undefined) {
					clip = await clips.rename(found.id, newTitle);
				}
				forget(deps, found);
				if (clip === undefined) {
					throw new SpillwayError('CLIP_NOT_FOUND');
				}
				const isMoved = clip.pathSecret !== found.pathSecret;
				const purgePaths = isMoved ? { purgePaths: [clipPath(found.pathSecret)] } : {};
				return { ...(await describe(deps, clip, rights)), ...purgePaths };
			},
		);
		app.delete<{ Params: ClipParams }>(
			'/api/v1/clips/:clip',
			options({
				summary: 'Delete a clip',
				params: clipParamsSchema,
				response: { 200: clipDeletionSchema, ...refusals(401, 403, 404, 429, 503) },
			}),
			async (request): Promise<ClipDeletion> => {
				const { clip } = await access.require(request, request.params.clip, 'delete');
				if (!(await clips.delete(clip.id))) {
					throw new SpillwayError('CLIP_NOT_FOUND');
				}
				forget(deps, clip);
				return { purgePaths: [clipPath(clip.pathSecret), clipPath(clip.sourceSecret)] };
			},
		);
		app.post<{ Params: ClipParams }>(
			'/api/v1/clips/:clip/export',
			options({
				summary: 'Have a file of a clip made',
				description: 'An MP4 file, exact to the picture. `exportState` says when it is there, at `exportUrl`.',
				params: clipParamsSchema,
				response: { 202: ownClipSchema, ...refusals(401, 404, 409, 429, 503, 507) },
			}),
			async (request, reply): Promise<OwnClip> => {
				const { clip: found, rights } = await access.find(request, request.params.clip);
				const clip = await deps.playlists.settled(found);
				requireSettled(clip);
				await deps.exports.request(clip);
				forget(deps, clip);
				const { clip: asked } = await access.find(request, request.params.clip);
				reply.code(202);
				return describe(deps, asked, rights);
			},
		);
		app.post<{ Params: ClipParams; Body: ClipReport }>(
			'/api/v1/clips/:clip/reports',
			options({
				summary: 'Report a clip to the owner of its channel and to administrators',
				description: 'The first report of each user counts.',
				params: clipParamsSchema,
				body: clipReportSchema,
				response: { 204: { type: 'null' }, ...refusals(400, 401, 404, 429, 503) },
			}),
			async (request, reply) => {
				const user = await accounts.authenticator.userOf(request);
				const { clip } = await access.find(request, request.params.clip);
				const reason = normalizeText(request.body.reason, 'a reason', MAX_REASON_LENGTH);
				if (reason === '') {
					throw new SpillwayError('REQUEST_INVALID', ['a reason has at least one character']);
				}
				await clips.report(clip.id, user.id, reason);
				return reply.code(204).send();
			},
		);
	};
}

/** Throws CLIP_UNFINISHED. */
function requireSettled({ isSettled }: ClipRecord): void {
	if (!isSettled) {
		throw new SpillwayError('CLIP_UNFINISHED', [], { retryAfterSeconds: UNFINISHED_SECONDS });
	}
}

async function describe({ clips }: ClipRoutesDependencies, clip: ClipRecord, rights: ClipRights): Promise<OwnClip> {
	const reports = rights.seesReports ? await clips.reports([clip.id]) : undefined;
	return describeClip(clip, rights, reports?.get(clip.id));
}

function forget({ directory }: ClipRoutesDependencies, { pathSecret, sourceSecret }: ClipRecord): void {
	directory.forget(pathSecret);
	directory.forget(sourceSecret);
}

/**
 * The recording that a clip is asked of. Throws REQUEST_INVALID, CHANNEL_NOT_FOUND, NOTHING_PUBLISHED,
 * CLIP_NOT_RECORDED, and VIDEO_NOT_FOUND also for who may not see it.
 */
async function findClipped(deps: ClipRoutesDependencies, request: FastifyRequest): Promise<VideoRecord> {
	const { videos, recordings, registry, channels, access } = deps;
	const { channel_id: channelId, video_id: videoId } = request.body as ClipCreation;
	if ((channelId === undefined) === (videoId === undefined)) {
		throw new SpillwayError('REQUEST_INVALID', ['body must have either channel_id or video_id']);
	}
	if (videoId !== undefined) {
		const video = /^[0-9a-z]{26}$/.test(videoId) ? await videos.find(videoId) : undefined;
		if (video === undefined || !(await access.sees(request, video))) {
			throw new SpillwayError('VIDEO_NOT_FOUND');
		}
		await flush(deps, video.id);
		return video;
	}
	const channel = await channels.find(channelId!);
	const running = recordings.running.find((recording) => recording.channelId === channel.id);
	const video = await (running === undefined ? videos.findUnfinished(channel.id) : videos.find(running.videoId));
	if (video === undefined && registry.find(channel.name)?.state !== 'live') {
		throw new SpillwayError('NOTHING_PUBLISHED', [channel.name]);
	}
	// A recording that only its owner may see is as none.
	if (video === undefined || !(await access.sees(request, video))) {
		throw new SpillwayError('CLIP_NOT_RECORDED', [channel.name]);
	}
	await flush(deps, video.id);
	return video;
}

/** What this node has recorded by now is in the database. */
async function flush({ recordings }: ClipRoutesDependencies, videoId: string): Promise<void> {
	await recordings.running.find((recording) => recording.videoId === videoId)?.flush();
}
