/** Routes for streamers: where to publish, the health of a broadcast, and its end. */
import type { FastifyPluginAsync } from 'fastify';
import { Type } from 'typebox';
import type { AudienceReport } from '../../core/protocol/api/audience-report.ts';
import { channelParamsSchema, type ChannelParams } from '../../core/protocol/api/channel-description.ts';
import { channelHealthSchema, type ChannelHealth } from '../../core/protocol/api/channel-health.ts';
import {
	ingestAddressesSchema,
	ingestAnswerSchema,
	ingestQuestionSchema,
	type IngestAddresses,
	type IngestAnswer,
	type IngestQuestion,
} from '../../core/protocol/api/ingest-address.ts';
import type { PublishReportDescription } from '../../core/protocol/api/publish-report.ts';
import type { ChannelId, ChannelName } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import type { BroadcastRegistry } from '../../ingest/broadcast/broadcast-registry.ts';
import type { PublishReport } from '../../ingest/broadcast/publish-report.ts';
import { limitedRoutes, prepareApiRoutes, userRoutes } from '../accounts/route-options.ts';
import type { Accounts } from '../accounts/create-accounts.ts';
import { refusals } from '../platform/http/schema-validation.ts';
import type { ChannelAccess } from '../channels/channel-access.ts';
import type { ChannelControl } from '../channels/channel-control.ts';
import { describeChannel } from '../channels/channel-description.ts';
import type { PublishAuthorizer } from './publish-authorizer.ts';

/** Above it many viewers' connections fail, and one WebRTC viewer costs as much as four at 1080p. */
const HIGH_BITRATE_BPS = 12_000_000;
/** Below it a picture of 720p and more falls apart. */
const LOW_BITRATE_BPS = 500_000;

export type BroadcastRoutesDependencies = {
	logger: Logger;
	registry: Pick<BroadcastRegistry, 'find' | 'lastRefusal' | 'lastReport'>;
	accounts: Pick<Accounts, 'authenticator' | 'origin'>;
	access: ChannelAccess;
	control: ChannelControl;
	authorizer: PublishAuthorizer;
	viewerCount: (channelName: string) => number | null;
	/** Undefined: there were no viewers. */
	audience: (channel: { id: ChannelId; name: ChannelName }) => AudienceReport | undefined;
	/** Public addresses; known once the server listens. */
	endpoints: () => { httpUrl: string; rtmpUrl: string };
};

/** /api/v1/channels/{channel}/health, …/end, and /api/v1/streams/ingest. */
export function createBroadcastRoutes(dependencies: BroadcastRoutesDependencies): FastifyPluginAsync {
	const { accounts, access, control, logger } = dependencies;
	return async (app) => {
		await prepareApiRoutes(app, accounts.origin);
		app.get<{ Params: ChannelParams }>(
			'/api/v1/channels/:channel/health',
			{
				onRequest: accounts.authenticator.requireUser,
				schema: {
					tags: ['broadcasts'],
					summary: 'How the broadcast is doing',
					params: channelParamsSchema,
					response: { 200: channelHealthSchema, ...refusals(401, 403, 404, 503) },
				},
			},
			async (request): Promise<ChannelHealth> => {
				const { channel } = await access.require(request, 'see its health');
				return describeHealth(dependencies, channel);
			},
		);
		app.post<{ Params: ChannelParams }>(
			'/api/v1/channels/:channel/end',
			userRoutes(
				'broadcasts',
				accounts.authenticator,
			)({
				summary: 'End the broadcast',
				description: 'The publisher is let go. Nothing happens when the channel is offline.',
				params: channelParamsSchema,
				response: { 204: Type.Null(), ...refusals(401, 403, 404, 429, 503) },
			}),
			async (request, reply) => {
				const { channel, user } = await access.require(request, 'end its broadcast');
				logger.info({ channelId: channel.id, userId: user.id }, 'broadcast ended by hand');
				await control.endBroadcast(channel.name);
				return reply.code(204).send();
			},
		);
		const addresses = (): IngestAddresses => {
			const { httpUrl, rtmpUrl } = dependencies.endpoints();
			return { whip_url: `${httpUrl}/whip`, rtmp_url: rtmpUrl };
		};
		app.get(
			'/api/v1/streams/ingest',
			{
				schema: {
					tags: ['broadcasts'],
					summary: 'Where encoders publish to',
					response: { 200: ingestAddressesSchema },
				},
			},
			addresses,
		);
		app.post<{ Body: IngestQuestion }>(
			'/api/v1/streams/ingest',
			limitedRoutes('broadcasts')('change', {
				summary: 'Where to publish with a stream key',
				body: ingestQuestionSchema,
				response: { 200: ingestAnswerSchema, ...refusals(400, 401, 429, 503) },
			}),
			async (request): Promise<IngestAnswer> => {
				const { stream_key: streamKey, codec, bitrate } = request.body;
				const { channelId, channelName } = await dependencies.authorizer.authorize(streamKey, request.ip);
				const { httpUrl } = dependencies.endpoints();
				const { isCodecAccepted, advice } = adviseEncoder(codec, bitrate);
				return {
					channel_id: channelId,
					channel_name: channelName,
					...addresses(),
					watch_url: `${httpUrl}/${channelName}`,
					is_codec_accepted: isCodecAccepted,
					advice,
				};
			},
		);
	};
}

function describeHealth(
	{ registry, viewerCount, audience }: BroadcastRoutesDependencies,
	channel: Parameters<typeof describeChannel>[0],
): ChannelHealth {
	const broadcast = registry.find(channel.name);
	const { state, startedAt, legs, video, ladder } = describeChannel(channel, broadcast);
	const publisher = state === 'offline' ? undefined : broadcast?.publisher;
	const health = state === 'offline' ? undefined : broadcast?.health;
	const encoder = state === 'offline' ? undefined : broadcast?.pictureEncoder?.inUse;
	const refusal = registry.lastRefusal(channel.name);
	return {
		state,
		startedAt,
		publisher:
			publisher === undefined
				? null
				: {
						protocol: publisher.protocol,
						encoderName: publisher.encoderName ?? null,
						remoteAddress: publisher.remoteAddress,
					},
		health: health === undefined ? null : { ...health, gopDurationMs: health.gopDurationMs ?? null },
		problems: state === 'offline' ? [] : [...(broadcast?.problems ?? [])],
		lastPublisher: describeReport(registry.lastReport(channel.name)),
		legs,
		video,
		encoder: encoder === undefined ? null : { name: encoder.name, reason: encoder.reason },
		ladder,
		audience: audience(channel) ?? NO_AUDIENCE,
		viewerCount: viewerCount(channel.name),
		refusal:
			refusal === undefined
				? null
				: { at: new Date(refusal.atMs).toISOString(), code: refusal.code, message: refusal.message },
	};
}

function describeReport(report: PublishReport | undefined): PublishReportDescription | null {
	if (report === undefined) {
		return null;
	}
	const { atEpochMs, encoderName, problems, ...rest } = report;
	return {
		...rest,
		at: new Date(atEpochMs).toISOString(),
		encoderName: encoderName ?? null,
		problems: [...problems],
	};
}

/** Advises streamers on the codec and bitrate that they plan to send, in whole sentences. @internal for tests */
export function adviseEncoder(
	codec: string | undefined,
	bitrateBps: number | undefined,
): { isCodecAccepted: boolean; advice: string[] } {
	const name = (codec ?? 'h264').toLowerCase().replace(/[^a-z0-9]/g, '');
	const advice = ['Set the key-frame interval to 1–2 s and B-frames to 0, so that nothing needs re-encoding.'];
	const isH264 = name === 'h264' || name === 'avc' || name.startsWith('avc1') || name === 'x264';
	const isVp8 = name === 'vp8';
	if (isVp8) {
		advice.push('VP8 comes in by WHIP only and is re-encoded for both tiers; H.264 goes through as it is.');
	} else if (!isH264) {
		advice.push('Only H.264 (and VP8 by WHIP) can be published; choose H.264 in the encoder.');
	}
	if (bitrateBps !== undefined && bitrateBps > HIGH_BITRATE_BPS) {
		advice.push('Many viewers cannot receive so high a bitrate; 4–8 Mbit/s suit 1080p.');
	}
	if (bitrateBps !== undefined && bitrateBps < LOW_BITRATE_BPS) {
		advice.push(
			'So low a bitrate shows blocks in all but small pictures; 2–4 Mbit/s suit 720p. The unit is bits per second.',
		);
	}
	return { isCodecAccepted: isH264 || isVp8, advice };
}

const NO_AUDIENCE: AudienceReport = {
	viewerCount: 0,
	isComplete: true,
	byTier: { webrtc: { count: 0, latencyMs: null }, 'll-hls': { count: 0, latencyMs: null } },
	reasons: [],
	rungs: [],
	waitingCount: 0,
};
