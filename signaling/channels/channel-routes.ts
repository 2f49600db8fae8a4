/** The API's view of channels: lists, one by name, and the server's time. */
import type { FastifyPluginAsync } from 'fastify';
import { SpillwayError } from '../../core/errors.ts';
import type { Clock } from '../../core/clock.ts';
import { parseChannelName } from '../../core/ids.ts';
import type { ChannelDescription, ChannelList, ServerTime } from '../../core/protocol/channel-description.ts';
import { refuseOtherMethods } from '../http/error-handler.ts';
import type { BroadcastRegistry } from '../../ingest/broadcast-registry.ts';
import type { Broadcast } from '../../ingest/broadcast.ts';
import type { Channel, ChannelStore } from './channel-store.ts';

/** What the routes need. */
export type ChannelRoutesDependencies = { clock: Clock; channels: ChannelStore; registry: BroadcastRegistry };

/** GET /api/v1/channels, /api/v1/channels/{name}, /api/v1/time. */
export function createChannelRoutes({ clock, channels, registry }: ChannelRoutesDependencies): FastifyPluginAsync {
	return async (app) => {
		app.addHook('onRequest', async (_request, reply) => {
			reply.header('access-control-allow-origin', '*').header('cache-control', 'no-store');
		});
		app.get<{ Querystring: { state?: 'live' } }>(
			'/api/v1/channels',
			{
				schema: {
					querystring: { type: 'object', properties: { state: { enum: ['live'] } }, additionalProperties: false },
				},
			},
			async (request): Promise<ChannelList> => {
				const all = await channels.list();
				const described = all.map((channel) => describeChannel(channel, registry.find(channel.name)));
				return {
					channels:
						request.query.state === 'live' ? described.filter((channel) => channel.state !== 'offline') : described,
				};
			},
		);
		app.get<{ Params: { name: string } }>('/api/v1/channels/:name', async (request): Promise<ChannelDescription> => {
			const name = parseChannelName(request.params.name);
			const channel = name === undefined ? undefined : await channels.findByName(name);
			if (channel === undefined) {
				throw new SpillwayError('CHANNEL_NOT_FOUND', [request.params.name.slice(0, 40)]);
			}
			return describeChannel(channel, registry.find(channel.name));
		});
		app.get('/api/v1/time', async (): Promise<ServerTime> => ({ nowMs: clock.nowMs() }));
		for (const path of ['/api/v1/channels', '/api/v1/channels/:name', '/api/v1/time']) {
			refuseOtherMethods(app, path, ['GET']);
		}
	};
}

/** A channel with what its broadcast, if there is one, is doing. */
export function describeChannel(channel: Channel, broadcast: Broadcast | undefined): ChannelDescription {
	const state = broadcast === undefined || broadcast.state === 'ended' ? 'offline' : broadcast.state;
	const source = state === 'offline' ? undefined : broadcast?.source;
	return {
		id: channel.id,
		name: channel.name,
		title: channel.title,
		category: channel.category ?? null,
		state,
		startedAt: state === 'offline' ? null : new Date(broadcast!.startedAt).toISOString(),
		viewerCount: null,
		video:
			source === undefined
				? null
				: {
						codec: source.codec,
						widthPixels: source.widthPixels,
						heightPixels: source.heightPixels,
						frameRate: Math.round((broadcast?.health?.frameRate ?? 0) * 100) / 100,
					},
		legs: state === 'offline' ? [] : [...(broadcast?.plan?.legs ?? [])],
		whepUrl: `/whep/${channel.name}`,
		hlsUrl: `/hls/${channel.name}/index.m3u8`,
	};
}
