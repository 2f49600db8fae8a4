/** `/api/v1/channels/{channel}/still.jpg`: what a live channel shows now. */
import type { FastifyPluginAsync } from 'fastify';
import { SpillwayError } from '../../core/errors/errors.ts';
import { channelParamsSchema, type ChannelParams } from '../../core/protocol/api/channel-description.ts';
import { PUBLIC_READ } from '../../core/protocol/api/cors.ts';
import { CACHE_CONTROL } from '../../packager/origin/cache-policy.ts';
import { sendPicture } from '../../packager/origin/send-picture.ts';
import type { LiveStills } from '../../packager/pictures/live-stills.ts';
import type { ChannelLocator } from '../channels/channel-locator.ts';
import { validateWithTypeBox } from '../platform/http/schema-validation.ts';

export type StillRoutesDependencies = {
	stills: Pick<LiveStills, 'still'>;
	locator: Pick<ChannelLocator, 'find'>;
};

/** Public, as the channel is. By the channel's name, and without the database while it is live. */
export function createStillRoutes({ stills, locator }: StillRoutesDependencies): FastifyPluginAsync {
	return async (app) => {
		validateWithTypeBox(app);
		app.addHook('onError', async (_request, reply, error) => {
			const status = error instanceof SpillwayError ? error.httpStatus : 500;
			reply.header('cache-control', CACHE_CONTROL[status === 404 ? 'not-found' : 'unavailable']);
		});
		app.get<{ Params: ChannelParams }>(
			'/api/v1/channels/:channel/still.jpg',
			{
				config: { cors: PUBLIC_READ },
				schema: {
					tags: ['channels'],
					summary: 'What a live channel shows, as a JPEG',
					description: 'About ten seconds old, or more while the server is busy. 404 while there is none.',
					params: channelParamsSchema,
				},
			},
			async (request, reply) => {
				const { channel } = request.params;
				const located = await locator.find(channel);
				if (located.state === 'unknown') {
					throw new SpillwayError('CHANNEL_NOT_FOUND', [channel]);
				}
				if (located.state === 'offline') {
					throw new SpillwayError('CHANNEL_OFFLINE', [channel]);
				}
				const still = located.state === 'live' ? stills.still(located.broadcastId) : undefined;
				if (still === undefined) {
					throw new SpillwayError('STILL_NOT_FOUND', [channel]);
				}
				reply.header('cross-origin-resource-policy', 'cross-origin');
				return sendPicture(request, reply, { ...still, contentType: 'image/jpeg' }, 'still');
			},
		);
	};
}
