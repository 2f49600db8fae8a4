/** `/api/v1/channels/{channel}/still.jpg` and `…/storyboard`: what a live channel shows now, and what it has shown. */
import { createHash } from 'node:crypto';
import type { FastifyPluginAsync } from 'fastify';
import type { BroadcastId } from '../../core/ids.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import { channelParamsSchema, type ChannelParams } from '../../core/protocol/api/channel-description.ts';
import { PUBLIC_READ } from '../../core/protocol/api/cors.ts';
import {
	livePictureParamsSchema,
	liveStoryboardSchema,
	type LivePictureParams,
	type LiveStoryboard,
} from '../../core/protocol/api/live-storyboard.ts';
import { CACHE_CONTROL } from '../../packager/origin/cache-policy.ts';
import { sendPicture } from '../../packager/origin/send-picture.ts';
import type { LiveStills } from '../../packager/pictures/live-stills.ts';
import type { ChannelLocator } from '../channels/channel-locator.ts';
import { validateWithTypeBox } from '../platform/http/schema-validation.ts';

export type StillRoutesDependencies = {
	stills: Pick<LiveStills, 'still' | 'strip'>;
	locator: Pick<ChannelLocator, 'find'>;
};

const config = { cors: PUBLIC_READ };
const tags = ['channels'];
const PICTURE = /^(\d{1,15})\.jpg$/;

/** Public, as the channel is. By the channel's name, and without the database while it is live. */
export function createStillRoutes({ stills, locator }: StillRoutesDependencies): FastifyPluginAsync {
	/** Undefined while it is starting. Throws for a channel that is not on air. */
	const findBroadcast = async (channel: string): Promise<BroadcastId | undefined> => {
		const located = await locator.find(channel);
		if (located.state === 'unknown') {
			throw new SpillwayError('CHANNEL_NOT_FOUND', [channel]);
		}
		if (located.state === 'offline') {
			throw new SpillwayError('CHANNEL_OFFLINE', [channel]);
		}
		return located.state === 'live' ? located.broadcastId : undefined;
	};
	return async (app) => {
		validateWithTypeBox(app);
		app.addHook('onError', async (_request, reply, error) => {
			const status = error instanceof SpillwayError ? error.httpStatus : 500;
			reply.header('cache-control', CACHE_CONTROL[status === 404 ? 'not-found' : 'unavailable']);
		});
		app.get<{ Params: ChannelParams }>(
			'/api/v1/channels/:channel/still.jpg',
			{
				config,
				schema: {
					tags,
					summary: 'What a live channel shows, as a JPEG',
					description: 'About ten seconds old, or more while the server is busy. 404 while there is none.',
					params: channelParamsSchema,
				},
			},
			async (request, reply) => {
				const { channel } = request.params;
				const broadcastId = await findBroadcast(channel);
				const still = broadcastId && stills.still(broadcastId);
				if (still === undefined) {
					throw new SpillwayError('STILL_NOT_FOUND', [channel]);
				}
				reply.header('cross-origin-resource-policy', 'cross-origin');
				return sendPicture(request, reply, { ...still, contentType: 'image/jpeg' }, 'still');
			},
		);
		app.get<{ Params: ChannelParams }>(
			'/api/v1/channels/:channel/storyboard',
			{
				config,
				schema: {
					tags,
					summary: 'Small pictures of what of a live channel can be rewound',
					description: 'One about every ten seconds, or fewer while the server is busy. Empty while there is none.',
					params: channelParamsSchema,
					response: { 200: liveStoryboardSchema },
				},
			},
			async (request, reply) => {
				const { channel } = request.params;
				const broadcastId = await findBroadcast(channel);
				const pictures = broadcastId === undefined ? [] : stills.strip(broadcastId);
				reply.header('cache-control', CACHE_CONTROL.still);
				return {
					pictureBase: `/api/v1/channels/${channel}/storyboard/`,
					capturedAtMs: pictures.map(({ capturedAtMs }) => capturedAtMs),
				} satisfies LiveStoryboard;
			},
		);
		app.get<{ Params: LivePictureParams }>(
			'/api/v1/channels/:channel/storyboard/:picture',
			{
				config,
				schema: {
					tags,
					summary: 'One of the small pictures, as a JPEG',
					description: 'It never changes. 404 once it cannot be rewound any more.',
					params: livePictureParamsSchema,
				},
			},
			async (request, reply) => {
				const { channel, picture } = request.params;
				const broadcastId = await findBroadcast(channel);
				const wantedMs = Number(PICTURE.exec(picture)?.[1]);
				const pictures = broadcastId === undefined ? [] : stills.strip(broadcastId);
				const found = pictures.find(({ capturedAtMs }) => capturedAtMs === wantedMs);
				if (found === undefined) {
					throw new SpillwayError('STILL_NOT_FOUND', [channel]);
				}
				const { bytes } = found;
				const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
				reply.header('cross-origin-resource-policy', 'cross-origin');
				return sendPicture(request, reply, { bytes, etag, contentType: 'image/jpeg' }, 'media');
			},
		);
	};
}
