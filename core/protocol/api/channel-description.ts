/** What the API tells about a channel, and the server's time: the schemas that server, player and load tester share. */
import { Type, type Static } from 'typebox';
import { DELIVERY_TIERS } from '../tiers.ts';

/**
 * `offline`: no broadcast. `starting`: a publisher is connected, nothing can be played yet. `live`: playing.
 * `interrupted`: the publisher was lost and may still return within the grace window; viewers stay.
 */
export const CHANNEL_STATES = ['offline', 'starting', 'live', 'interrupted'] as const;
/** One of {@link CHANNEL_STATES}. */
export type ChannelState = (typeof CHANNEL_STATES)[number];

/** How the encoder of a leg is doing. */
export const ENCODER_STATES = ['running', 'restarting', 'failing'] as const;
/** One of {@link ENCODER_STATES}. */
export type EncoderState = (typeof ENCODER_STATES)[number];

/** How one track reaches one tier, and why, in words for the streamer. */
export const legDescriptionSchema = Type.Object({
	track: Type.String({ description: 'Which track of the broadcast, such as "video" or "audio".' }),
	tier: Type.Enum([...DELIVERY_TIERS]),
	mode: Type.Enum(['pass-through', 'transcode', 're-encode', 'off'], {
		description: 'off: the track has to be re-encoded for this tier, and the server has no room for that.',
	}),
	reason: Type.String({ description: 'Why this mode was chosen, in sentences.' }),
	advice: Type.Optional(Type.String({ description: 'The encoder setting that would avoid the work; one sentence.' })),
	encoder: Type.Optional(
		Type.Enum([...ENCODER_STATES], {
			description:
				'Where there is one. restarting: it crashed or hung and is started again. failing: that happens again and again; it goes on being tried.',
		}),
	),
});
/** See {@link legDescriptionSchema}. */
export type LegDescription = Static<typeof legDescriptionSchema>;

/** The picture as the publisher sends it. */
export const videoDescriptionSchema = Type.Object({
	codec: Type.String({ description: 'Name such as "h264".' }),
	widthPixels: Type.Integer({ minimum: 1 }),
	heightPixels: Type.Integer({ minimum: 1 }),
	frameRate: Type.Number({ minimum: 0, description: 'Frames per second, measured.' }),
});
/** See {@link videoDescriptionSchema}. */
export type VideoDescription = Static<typeof videoDescriptionSchema>;

/** Who may be in the WebRTC tier: whoever fits; nobody else, with a waiting list; nobody at all. */
export const CHANNEL_POLICY_MODES = ['automatic', 'interactive-only', 'mass-only'] as const;

/** What a channel's owner says about tiers. */
export const channelPolicySchema = Type.Object(
	{
		mode: Type.Enum([...CHANNEL_POLICY_MODES]),
		interactiveSeats: Type.Union([Type.Integer({ minimum: 0, maximum: 100_000 }), Type.Null()], {
			description: 'Most viewers in the WebRTC tier at once; null: as many as the server takes.',
		}),
	},
	{ additionalProperties: false },
);
/** See {@link channelPolicySchema}. */
export type ChannelPolicy = Static<typeof channelPolicySchema>;
/** Of a channel whose owner has said nothing. */
export const DEFAULT_CHANNEL_POLICY: ChannelPolicy = { mode: 'automatic', interactiveSeats: null };

/** Answer of `GET /api/v1/channels/{name}`. */
export const channelDescriptionSchema = Type.Object({
	id: Type.String(),
	name: Type.String({ description: 'Part of the addresses; lower case.' }),
	title: Type.String(),
	category: Type.Union([Type.String(), Type.Null()]),
	ownerName: Type.Union([Type.String(), Type.Null()], { description: 'Null: the channel belongs to nobody.' }),
	policy: channelPolicySchema,
	state: Type.Enum([...CHANNEL_STATES]),
	startedAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()], {
		description: 'When the running broadcast began; null while offline.',
	}),
	viewerCount: Type.Union([Type.Integer({ minimum: 0 }), Type.Null()], { description: 'Null: not counted.' }),
	video: Type.Union([videoDescriptionSchema, Type.Null()], { description: 'Null: unknown yet, or sound only.' }),
	legs: Type.Array(legDescriptionSchema, { maxItems: 64 }),
	whepUrl: Type.String({ description: 'Absolute path, `/whep/{name}`.' }),
	hlsUrl: Type.String({ description: 'Absolute path, `/hls/{name}/index.m3u8`.' }),
});
/** See {@link channelDescriptionSchema}. */
export type ChannelDescription = Static<typeof channelDescriptionSchema>;

/** Answer of `GET /api/v1/channels`. */
export const channelListSchema = Type.Object({ channels: Type.Array(channelDescriptionSchema) });
/** See {@link channelListSchema}. */
export type ChannelList = Static<typeof channelListSchema>;

/** Answer of `GET /api/v1/time`: the server's clock, for estimating the offset to it as NTP does. */
export const serverTimeSchema = Type.Object({
	nowMs: Type.Number({ description: 'Epoch milliseconds on the server, fractional.' }),
});
/** See {@link serverTimeSchema}. */
export type ServerTime = Static<typeof serverTimeSchema>;
