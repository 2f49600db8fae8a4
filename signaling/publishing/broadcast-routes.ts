/** What streamers ask about their broadcast: where to publish, how it is doing, and its end. */
import type { FastifyPluginAsync } from 'fastify';
import { Type, type Static } from 'typebox';
import { CHANNEL_STATES, legDescriptionSchema } from '../../core/protocol/api/channel-description.ts';
import { audienceReportSchema, type AudienceReport } from '../../core/protocol/api/audience-report.ts';
import { publishReportSchema, trackProblemSchema } from '../../core/protocol/api/publish-report.ts';
import type { ChannelId, ChannelName } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import type { BroadcastRegistry } from '../../ingest/broadcast/broadcast-registry.ts';
import type { PublishReport } from '../../ingest/broadcast/publish-report.ts';
import type { Accounts } from '../accounts/create-accounts.ts';
import { refuseOtherMethods } from '../platform/http/error-handler.ts';
import { RATE_LIMITS, registerRateLimits } from '../platform/http/rate-limits.ts';
import { refusals, validateWithTypeBox } from '../platform/http/schema-validation.ts';
import { channelParamsSchema, type ChannelAccess, type ChannelParams } from '../channels/channel-access.ts';
import type { ChannelControl } from '../channels/channel-control.ts';
import { describeChannel } from '../channels/channel-description.ts';
import { adviseEncoder, MAX_BITRATE_BPS } from './encoder-advice.ts';
import type { PublishAuthorizer } from './publish-authorizer.ts';
import { MAX_STREAM_KEY_LENGTH } from './stream-key.ts';

export type BroadcastRoutesDependencies = {
	logger: Logger;
	registry: Pick<BroadcastRegistry, 'find' | 'lastRefusal' | 'lastReport'>;
	accounts: Pick<Accounts, 'authenticator' | 'origin'>;
	access: ChannelAccess;
	control: ChannelControl;
	authorizer: PublishAuthorizer;
	viewerCount: (channelName: string) => number | null;
	/** Undefined: nobody has watched. */
	audience: (channel: { id: ChannelId; name: ChannelName }) => AudienceReport | undefined;
	/** Public addresses; known once the server listens. */
	endpoints: () => { httpUrl: string; rtmpUrl: string };
};

const nullable = <Schema extends Parameters<typeof Type.Union>[0][number]>(schema: Schema) =>
	Type.Union([schema, Type.Null()]);

const healthSchema = Type.Object({
	state: Type.Enum([...CHANNEL_STATES]),
	startedAt: nullable(Type.String({ format: 'date-time' })),
	publisher: nullable(
		Type.Object({
			protocol: Type.Enum(['whip', 'rtmp']),
			encoderName: nullable(Type.String()),
			remoteAddress: Type.String(),
		}),
	),
	health: nullable(
		Type.Object({
			videoBitrateBps: Type.Number(),
			audioBitrateBps: Type.Number(),
			frameRate: Type.Number(),
			gopDurationMs: Type.Union([Type.Number(), Type.Null()], { description: 'Of the last whole GOP.' }),
			hasBFrames: Type.Boolean(),
			videoUnitCount: Type.Integer(),
			audioUnitCount: Type.Integer(),
			gapCount: Type.Integer({
				description: 'How often in the last minute no picture came for much longer than usual.',
			}),
			longestGapMs: Type.Number(),
		}),
	),
	problems: Type.Array(trackProblemSchema, {
		description: 'What is left out of the stream at this moment or should be changed, and the setting for it.',
	}),
	lastPublisher: Type.Union([publishReportSchema, Type.Null()], {
		description: 'How the last publisher ended. Null: none has, since the server started.',
	}),
	legs: Type.Array(legDescriptionSchema),
	audience: audienceReportSchema,
	viewerCount: nullable(Type.Integer()),
	refusal: nullable(
		Type.Object(
			{
				at: Type.String({ format: 'date-time' }),
				code: Type.String({ description: 'A row of the table of errors.' }),
				message: Type.String({ description: 'What the encoder was told; a sentence.' }),
			},
			{ description: 'Why an encoder of this channel was turned away last, within ten minutes.' },
		),
	),
});

const ingestBodySchema = Type.Object(
	{
		stream_key: Type.String({ minLength: 1, maxLength: MAX_STREAM_KEY_LENGTH }),
		codec: Type.Optional(Type.String({ maxLength: 40, description: 'What the encoder will send, such as "h264".' })),
		bitrate: Type.Optional(Type.Number({ minimum: 1, maximum: MAX_BITRATE_BPS, description: 'Bits per second.' })),
	},
	{ additionalProperties: false },
);
const ingestAddressesSchema = Type.Object({
	whip_url: Type.String({ description: 'Send the stream key as bearer token.' }),
	rtmp_url: Type.String({ description: "The encoder's server field; the stream key goes into its own." }),
});
const ingestAnswerSchema = Type.Object({
	channel_id: Type.String(),
	channel_name: Type.String(),
	...ingestAddressesSchema.properties,
	watch_url: Type.String(),
	is_codec_accepted: Type.Boolean(),
	advice: Type.Array(Type.String(), { description: 'Settings that would spare work, in sentences.' }),
});

/** /api/v1/channels/{channel}/health, …/end, and /api/v1/streams/ingest. */
export function createBroadcastRoutes(dependencies: BroadcastRoutesDependencies): FastifyPluginAsync {
	const { accounts, access, control, logger } = dependencies;
	return async (app) => {
		validateWithTypeBox(app);
		await registerRateLimits(app);
		app.addHook('onRequest', async (request, reply) => {
			reply.header('cache-control', 'no-store');
			accounts.origin.check(request);
		});
		const onRequest = accounts.authenticator.requireUser;
		app.get<{ Params: ChannelParams }>(
			'/api/v1/channels/:channel/health',
			{
				onRequest,
				schema: {
					tags: ['broadcasts'],
					summary: 'How the broadcast is doing',
					params: channelParamsSchema,
					response: { 200: healthSchema, ...refusals(401, 403, 404, 503) },
				},
			},
			async (request): Promise<Static<typeof healthSchema>> => {
				const { channel } = await access.require(request, 'see its health');
				return describeHealth(dependencies, channel);
			},
		);
		app.post<{ Params: ChannelParams }>(
			'/api/v1/channels/:channel/end',
			{
				onRequest,
				config: { rateLimit: RATE_LIMITS.change },
				schema: {
					tags: ['broadcasts'],
					summary: 'End the broadcast',
					description: 'The publisher is let go. Nothing happens when the channel is offline.',
					params: channelParamsSchema,
					response: { 204: Type.Null(), ...refusals(401, 403, 404, 429, 503) },
				},
			},
			async (request, reply) => {
				const { channel, user } = await access.require(request, 'end its broadcast');
				logger.info({ channelId: channel.id, userId: user.id }, 'broadcast ended by hand');
				await control.endBroadcast(channel.name);
				return reply.code(204).send();
			},
		);
		const addresses = (): Static<typeof ingestAddressesSchema> => {
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
		app.post<{ Body: Static<typeof ingestBodySchema> }>(
			'/api/v1/streams/ingest',
			{
				config: { rateLimit: RATE_LIMITS.change },
				schema: {
					tags: ['broadcasts'],
					summary: 'Where to publish with a stream key',
					body: ingestBodySchema,
					response: { 200: ingestAnswerSchema, ...refusals(400, 401, 429, 503) },
				},
			},
			async (request): Promise<Static<typeof ingestAnswerSchema>> => {
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
		refuseOtherMethods(app, '/api/v1/channels/:channel/health', ['GET']);
		refuseOtherMethods(app, '/api/v1/channels/:channel/end', ['POST']);
		refuseOtherMethods(app, '/api/v1/streams/ingest', ['GET', 'POST']);
	};
}

function describeHealth(
	{ registry, viewerCount, audience }: BroadcastRoutesDependencies,
	channel: Parameters<typeof describeChannel>[0],
): Static<typeof healthSchema> {
	const broadcast = registry.find(channel.name);
	const { state, startedAt, legs } = describeChannel(channel, broadcast);
	const publisher = state === 'offline' ? undefined : broadcast?.publisher;
	const health = state === 'offline' ? undefined : broadcast?.health;
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
		audience: audience(channel) ?? NO_AUDIENCE,
		viewerCount: viewerCount(channel.name),
		refusal:
			refusal === undefined
				? null
				: { at: new Date(refusal.atMs).toISOString(), code: refusal.code, message: refusal.message },
	};
}

function describeReport(report: PublishReport | undefined): Static<typeof publishReportSchema> | null {
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

const NO_AUDIENCE: AudienceReport = {
	viewerCount: 0,
	isComplete: true,
	byTier: { webrtc: { count: 0, latencyMs: null }, 'll-hls': { count: 0, latencyMs: null } },
	reasons: [],
	waitingCount: 0,
};
