/** `/api/v1/channels/{channel}`: the description of a channel, and what its owner may change. */
import { Type, type Static } from 'typebox';
import { RUNG_NAMES } from '../ladder-choice.ts';
import { DELIVERY_TIERS } from '../tiers.ts';
import { nullable } from './nullable.ts';

/**
 * `offline`: no broadcast. `starting`: a publisher is connected, nothing can be played yet. `live`: playing.
 * `interrupted`: the publisher is lost and may return within the grace window; viewers stay.
 */
export const CHANNEL_STATES = ['offline', 'starting', 'live', 'interrupted'] as const;
export type ChannelState = (typeof CHANNEL_STATES)[number];

export const ENCODER_STATES = ['running', 'restarting', 'failing'] as const;
export type EncoderState = (typeof ENCODER_STATES)[number];

/** How one track reaches one tier, and why, in sentences for the streamer. */
export const legDescriptionSchema = Type.Object({
	track: Type.String({ description: 'Which track of the broadcast, such as "video" or "audio".' }),
	tier: Type.Enum([...DELIVERY_TIERS]),
	mode: Type.Enum(['pass-through', 'transcode', 're-encode', 'off'], {
		description: 'off: the track has to be re-encoded for this tier, and the server has no room for that.',
	}),
	reason: Type.String({ description: 'Why this mode was chosen, in sentences.' }),
	advice: Type.Optional(Type.String({ description: 'The encoder setting that avoids the work; one sentence.' })),
	encoder: Type.Optional(
		Type.Enum([...ENCODER_STATES], {
			description:
				'Where there is one. restarting: it crashed or hung and is started again. failing: that happens repeatedly; further attempts follow.',
		}),
	),
});
export type LegDescription = Static<typeof legDescriptionSchema>;

/** The encoder of pictures. */
export const encoderInUseSchema = Type.Object({
	name: Type.String({ description: 'Name in FFmpeg, such as "libx264" or "h264_nvenc".' }),
	reason: Type.String({ description: 'Why it is this one; follows "because".' }),
});
export type EncoderInUse = Static<typeof encoderInUseSchema>;

const rungNameSchema = Type.Enum([...RUNG_NAMES]);

/** A smaller picture: one that the server makes of the source, or a simulcast layer of the publisher. */
const rungDescriptionSchema = Type.Object({
	name: rungNameSchema,
	widthPixels: Type.Integer({ minimum: 1 }),
	heightPixels: Type.Integer({ minimum: 1 }),
	frameRate: Type.Number({ minimum: 0, description: 'Frames per second; 0 while unknown.' }),
	maxBitrateBps: Type.Integer({ minimum: 1, description: 'Ceiling; simple pictures need less.' }),
	from: Type.Enum(['server', 'publisher'], {
		description: "server: its encoder makes it. publisher: a layer of the publisher's simulcast, as it comes.",
	}),
	state: Type.Enum(['starting', ...ENCODER_STATES], {
		description:
			"starting: no picture has come out yet. The others are those of the encoder; running for the publisher's.",
	}),
});
export type RungDescription = Static<typeof rungDescriptionSchema>;

/** The pictures below the source, for viewers on poorer lines. */
export const ladderDescriptionSchema = Type.Object({
	rungs: Type.Array(rungDescriptionSchema, { maxItems: 16, description: 'Sent now, from the best down.' }),
	leftOut: Type.Array(
		Type.Object({
			name: rungNameSchema,
			reason: Type.String({ description: 'Why the server does not make it; a sentence.' }),
		}),
		{ maxItems: 16 },
	),
	reason: Type.String({ description: 'Why there are so many: setting, cores, room and load, in sentences.' }),
	encoder: nullable(Type.String(), {
		description: 'Name in FFmpeg, such as "libx264". Null: no picture is encoded, or it is not known.',
	}),
});
export type LadderDescription = Static<typeof ladderDescriptionSchema>;

/** The picture that the publisher sends. */
export const videoDescriptionSchema = Type.Object({
	codec: Type.String({ description: 'Name such as "h264".' }),
	widthPixels: Type.Integer({ minimum: 1 }),
	heightPixels: Type.Integer({ minimum: 1 }),
	frameRate: Type.Number({ minimum: 0, description: 'Frames per second, measured.' }),
});

/**
 * Who watches over WebRTC in a channel. `automatic`: viewers get WebRTC while there is room. `interactive-only`: seats
 * are handed out by a waiting list; viewers who wait watch over LL-HLS. `mass-only`: everyone watches over LL-HLS.
 */
const channelPolicySchema = Type.Object(
	{
		mode: Type.Enum(['automatic', 'interactive-only', 'mass-only']),
		interactiveSeats: nullable(Type.Integer({ minimum: 0, maximum: 100_000 }), {
			description: 'Most viewers in the WebRTC tier at once; null: as many as the server takes.',
		}),
	},
	{ additionalProperties: false },
);
export type ChannelPolicy = Static<typeof channelPolicySchema>;
export const DEFAULT_CHANNEL_POLICY: ChannelPolicy = { mode: 'automatic', interactiveSeats: null };

/** Answer of `GET /api/v1/channels/{name}`. */
export const channelDescriptionSchema = Type.Object({
	id: Type.String(),
	name: Type.String({ description: 'Part of the addresses; lower case.' }),
	title: Type.String(),
	category: nullable(Type.String()),
	ownerName: nullable(Type.String(), { description: 'Null: the channel belongs to nobody.' }),
	policy: channelPolicySchema,
	state: Type.Enum([...CHANNEL_STATES]),
	broadcastId: nullable(Type.String(), { description: 'Of the running broadcast; null while offline.' }),
	startedAt: nullable(Type.String({ format: 'date-time' }), {
		description: 'When the running broadcast began; null while offline.',
	}),
	viewerCount: nullable(Type.Integer({ minimum: 0 }), { description: 'Null: not counted.' }),
	video: nullable(videoDescriptionSchema, { description: 'Null: unknown yet, or sound only.' }),
	legs: Type.Array(legDescriptionSchema, { maxItems: 64 }),
	ladder: nullable(ladderDescriptionSchema, { description: 'Null: offline, or not decided yet.' }),
	whepUrl: Type.String({ description: 'Absolute path, `/whep/{name}`.' }),
	hlsUrl: Type.String({ description: 'Absolute path, `/hls/{name}/index.m3u8`.' }),
	stillUrl: nullable(Type.String(), {
		description:
			'Absolute path of a JPEG of what it shows, another one about every ten seconds. Null: none, or offline.',
	}),
	storyboardUrl: nullable(Type.String(), {
		description: 'Absolute path of a list of small pictures of what can be rewound. Null: none, or offline.',
	}),
	canBeClipped: Type.Optional(
		Type.Boolean({ description: 'Its running broadcast is being recorded: viewers can make clips of it.' }),
	),
});
export type ChannelDescription = Static<typeof channelDescriptionSchema>;

/** Parameters of every route of one channel. */
export const channelParamsSchema = Type.Object({
	channel: Type.String({ description: 'Id of the channel, or its name.', maxLength: 64 }),
});
export type ChannelParams = Static<typeof channelParamsSchema>;

const ladderChoiceForms = [Type.Enum(['automatic', 'off']), Type.Array(rungNameSchema, { maxItems: 16 })] as const;

/** A channel with the fields that only its owner gets. */
export const ownChannelSchema = Type.Object({
	...channelDescriptionSchema.properties,
	ladderChoice: Type.Optional(
		Type.Union([...ladderChoiceForms, Type.Null()], {
			description: "The channel's setting of its rungs; null: the server's. For the owner only.",
		}),
	),
	serverLadderChoice: Type.Optional(
		Type.Union([...ladderChoiceForms], { description: "The server's setting of rungs. For the owner only." }),
	),
	graceWindowSeconds: Type.Optional(
		Type.Integer({ description: 'How long a broadcast waits for its lost publisher. For the owner only.' }),
	),
});
export type OwnChannelDescription = Static<typeof ownChannelSchema>;

// A bound on the raw text; the server checks the length after trimming and composing.
const textSchema = Type.String({ maxLength: 1000 });

/** Body of `POST /api/v1/channels`. */
export const channelCreationSchema = Type.Object(
	{
		name: Type.String({ maxLength: 64 }),
		title: Type.Optional(textSchema),
		category: Type.Optional(nullable(textSchema)),
	},
	{ additionalProperties: false },
);
export type ChannelCreation = Static<typeof channelCreationSchema>;

/** Body of `PATCH /api/v1/channels/{channel}`. Absent fields stay. */
export const channelChangeSchema = Type.Object(
	{
		title: Type.Optional(textSchema),
		category: Type.Optional(nullable(textSchema)),
		policy: Type.Optional(channelPolicySchema),
		graceWindowSeconds: Type.Optional(
			nullable(Type.Integer({ minimum: 0, maximum: 1800 }), { description: "Null: the server's default." }),
		),
		ladderChoice: Type.Optional(
			Type.Union(
				[Type.Enum(['automatic', 'off']), Type.Array(rungNameSchema, { minItems: 1, uniqueItems: true }), Type.Null()],
				{
					description: `"automatic", "off", a list of different names of ${RUNG_NAMES.join(', ')}, or null for the server's setting`,
				},
			),
		),
	},
	{ additionalProperties: false, minProperties: 1 },
);
export type ChannelChange = Static<typeof channelChangeSchema>;
