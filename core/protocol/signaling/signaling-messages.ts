/**
 * The messages of the signaling socket, `WS /api/v1/signaling`, shared by server, player and load tester. One socket
 * per viewer; each message is one JSON text frame. Viewers ignore unknown types and fields; the server refuses them.
 */
import { Type, type Static } from 'typebox';
import { channelDescriptionSchema } from '../api/channel-description.ts';
import { MAX_CHAT_TEXT_LENGTH } from '../chat-constants.ts';
import { SHOWN_RUNGS, WISHED_RUNGS } from '../ladder-choice.ts';
import { DELIVERY_TIERS, TIER_REASONS } from '../tiers.ts';
import { PICTURE_LIMITS } from './picture-limits.ts';
import { SIGNALING_PROTOCOL } from './signaling-constants.ts';

const tier = Type.Enum([...DELIVERY_TIERS]);
const epochMs = Type.Number({ description: 'Epoch milliseconds on the server, fractional.' });
const closed = { additionalProperties: false } as const;

/** The tier of one viewer. */
const tierDecisionSchema = Type.Object({
	decisionId: Type.Integer({ minimum: 1, description: 'Counts up per session; sent back with `tier-playing`.' }),
	tier,
	reason: Type.Enum([...TIER_REASONS]),
	isEmergency: Type.Boolean({ description: 'Switch at once, without a smooth hand-over.' }),
	waitingPosition: Type.Optional(Type.Integer({ minimum: 1, description: 'Place in the waiting list.' })),
});
export type TierDecision = Static<typeof tierDecisionSchema>;

/** A chat message as every viewer gets it. */
export const chatMessageSchema = Type.Object({
	id: Type.String({ description: 'Sortable within the channel.' }),
	sentAtMs: epochMs,
	captureTimeMs: Type.Union([epochMs, Type.Null()], {
		description: 'Capture time of the picture that its author saw when they sent it; null when nothing played.',
	}),
	author: Type.Object({
		id: Type.String(),
		name: Type.String(),
		color: Type.String({ pattern: '^#[0-9a-f]{6}$' }),
		badges: Type.Array(Type.Enum(['broadcaster', 'moderator', 'subscriber', 'admin', 'bot']), { maxItems: 8 }),
	}),
	text: Type.String({ maxLength: MAX_CHAT_TEXT_LENGTH }),
	emotes: Type.Array(
		Type.Object({
			name: Type.String(),
			from: Type.Integer({ description: 'Index of the first UTF-16 unit in the text.' }),
			to: Type.Integer({ description: 'Index after the last one.' }),
		}),
		{ maxItems: 100 },
	),
});
export type ChatMessage = Static<typeof chatMessageSchema>;

/** How a channel's chat is moderated now. */
const chatSettingsSchema = Type.Object({
	slowModeSeconds: Type.Integer({ minimum: 0, maximum: 3600, description: '0: off.' }),
	isAccountRequired: Type.Boolean({ description: 'Viewers without an account may read only.' }),
});
export type ChatSettings = Static<typeof chatSettingsSchema>;

/** What one viewer may do in a channel's chat. */
const chatStandingSchema = Type.Object({
	chatName: Type.Union([Type.String(), Type.Null()], {
		description: 'Name of the viewer in chat; null: may read only.',
	}),
	canModerate: Type.Boolean({ description: 'The viewer may delete messages, time out and ban.' }),
	chatRestriction: Type.Union(
		[
			Type.Null(),
			Type.Object({
				remainingMs: Type.Union([Type.Number({ minimum: 0 }), Type.Null()], {
					description: 'Null: banned, until released.',
				}),
			}),
		],
		{ description: 'Imposed by a moderator.' },
	),
});
export type ChatStanding = Static<typeof chatStandingSchema>;

/** Sent by the player every 5 s, and on each change of state. */
const viewerStatisticsSchema = Type.Object(
	{
		type: Type.Literal('statistics'),
		tier,
		state: Type.Enum(['connecting', 'playing', 'stalled', 'interrupted', 'paused', 'failed']),
		/** From capture time to display; absent while nothing plays. */
		latencyMs: Type.Optional(Type.Number({ minimum: -10_000, maximum: 3_600_000 })),
		stallCount: Type.Integer({ minimum: 0 }),
		stalledForMs: Type.Number({ minimum: 0 }),
		shownFrameCount: Type.Integer({ minimum: 0 }),
		droppedFrameCount: Type.Integer({ minimum: 0 }),
		bitrateBps: Type.Number({ minimum: 0 }),
		/** The picture that plays, where the player knows it. */
		rung: Type.Optional(Type.Enum([...SHOWN_RUNGS])),
		/** Over LL-HLS: their line does not carry the smallest picture at the live edge. */
		isLineShort: Type.Optional(Type.Boolean()),
	},
	closed,
);
export type ViewerStatistics = Static<typeof viewerStatisticsSchema>;

/** What a viewer wants to see over WebRTC. The newest one counts, also for later sessions. */
const pictureWishSchema = Type.Object(
	{
		type: Type.Literal('picture-wish'),
		/** Absent: the best that fits. The line still decides whether it is a smaller one. `audio`: no picture is sent. */
		rung: Type.Optional(Type.Enum([...WISHED_RUNGS])),
		/** Height of the picture on the screen, in the screen's own pixels. */
		heightPixels: Type.Optional(Type.Integer({ minimum: 1, maximum: 16_384 })),
	},
	closed,
);
export type PictureWish = Omit<Static<typeof pictureWishSchema>, 'type'>;

/** The pictures of the WebRTC tier, and which of them a viewer gets. */
const viewerPictureSchema = Type.Object({
	type: Type.Literal('picture'),
	rungs: Type.Array(
		Type.Object({
			rung: Type.Enum([...SHOWN_RUNGS]),
			widthPixels: Type.Integer({ minimum: 0, description: '0: not known yet.' }),
			heightPixels: Type.Integer({ minimum: 0, description: '0: not known yet.' }),
			frameRate: Type.Number({ minimum: 0, description: '0: not known yet.' }),
		}),
		{ description: 'From the lowest up.' },
	),
	shown: Type.Union([Type.Enum([...SHOWN_RUNGS]), Type.Null()]),
	limitedBy: Type.Union([Type.Enum([...PICTURE_LIMITS]), Type.Null()], {
		description: 'Why it is not the best of them; null: it is, or will be at once.',
	}),
});
export type ViewerPicture = Omit<Static<typeof viewerPictureSchema>, 'type'>;

/** Viewer → server. The first message must be `join`. */
export const clientMessageSchema = Type.Union([
	Type.Object(
		{
			type: Type.Literal('join'),
			protocol: Type.Literal(SIGNALING_PROTOCOL),
			channel: Type.String({ maxLength: 64 }),
			/** From `joined`, after a reconnect: the same viewer, counted once. */
			resumeToken: Type.Optional(Type.String({ maxLength: 200 })),
			canWebRtc: Type.Boolean(),
			canHls: Type.Boolean(),
			/** The viewer has chosen LL-HLS. */
			isPinnedToHls: Type.Boolean(),
			/** The tier that plays already, after a reconnect. */
			playingTier: Type.Optional(tier),
			/** Newest chat message that the viewer has; the history starts after it. */
			lastChatId: Type.Optional(Type.String({ maxLength: 40 })),
		},
		closed,
	),
	Type.Object({ type: Type.Literal('clock'), clientSentMs: Type.Number() }, closed),
	Type.Object({ type: Type.Literal('tier-playing'), decisionId: Type.Integer({ minimum: 1 }), tier }, closed),
	Type.Object(
		{
			type: Type.Literal('tier-failed'),
			decisionId: Type.Integer({ minimum: 1 }),
			tier,
			cause: Type.Enum(['unsupported', 'blocked', 'connection-lost', 'undecodable', 'refused', 'line-too-poor']),
		},
		closed,
	),
	/** The viewer has chosen LL-HLS, or watches behind live and needs no seat; or no longer. */
	Type.Object({ type: Type.Literal('pin'), isPinnedToHls: Type.Boolean() }, closed),
	viewerStatisticsSchema,
	pictureWishSchema,
	Type.Object(
		{
			type: Type.Literal('chat-send'),
			/** Chosen by the viewer; `chat-sent` or `chat-refused` returns it; the page keeps the draft until then. */
			draftId: Type.String({ maxLength: 40 }),
			/** `chat-refused` above {@link MAX_CHAT_TEXT_LENGTH}; lengths that no person types end the socket. */
			text: Type.String({ maxLength: 8 * MAX_CHAT_TEXT_LENGTH }),
			captureTimeMs: Type.Optional(Type.Number()),
		},
		closed,
	),
	Type.Object(
		{
			type: Type.Literal('chat-moderate'),
			action: Type.Enum(['delete', 'timeout', 'ban', 'unban']),
			messageId: Type.Optional(Type.String({ maxLength: 40 })),
			userName: Type.Optional(Type.String({ maxLength: 40 })),
			/** 1 s to 14 days; others are refused. */
			seconds: Type.Optional(Type.Integer()),
		},
		closed,
	),
]);
export type ClientMessage = Static<typeof clientMessageSchema>;

/** Server → viewer. @internal for tests */
export const serverMessageSchema = Type.Union([
	Type.Object({
		type: Type.Literal('joined'),
		viewerId: Type.String(),
		resumeToken: Type.String(),
		nowMs: epochMs,
		channel: channelDescriptionSchema,
		decision: tierDecisionSchema,
		...chatStandingSchema.properties,
		chatSettings: chatSettingsSchema,
		/** Oldest first; after `lastChatId`, or the newest ones. */
		chatHistory: Type.Array(chatMessageSchema),
		/** True when messages between `lastChatId` and the history are lost. */
		hasChatGap: Type.Boolean(),
	}),
	Type.Object({
		type: Type.Literal('clock'),
		clientSentMs: Type.Number(),
		receivedMs: epochMs,
		sentMs: epochMs,
	}),
	Type.Object({ type: Type.Literal('tier'), decision: tierDecisionSchema }),
	viewerPictureSchema,
	Type.Object({ type: Type.Literal('presence'), viewerCount: Type.Integer({ minimum: 0 }) }),
	Type.Object({ type: Type.Literal('channel'), channel: channelDescriptionSchema }),
	Type.Object({ type: Type.Literal('chat'), messages: Type.Array(chatMessageSchema, { maxItems: 200 }) }),
	Type.Object({ type: Type.Literal('chat-sent'), draftId: Type.String(), messageId: Type.String() }),
	Type.Object({
		type: Type.Literal('chat-refused'),
		draftId: Type.String(),
		code: Type.String({ description: 'Of core/errors/errors.ts.' }),
		detail: Type.String(),
		retryAfterMs: Type.Optional(Type.Number({ minimum: 0 })),
	}),
	Type.Object({
		type: Type.Literal('chat-removed'),
		messageIds: Type.Array(Type.String()),
		/** All messages of this author are removed. */
		authorId: Type.Optional(Type.String()),
	}),
	Type.Object({ type: Type.Literal('chat-settings'), settings: chatSettingsSchema }),
	/** Sent when a moderator or the channel's owner may have changed it; not when a timeout ends. */
	Type.Object({ type: Type.Literal('chat-standing'), ...chatStandingSchema.properties }),
	/** The viewer connects there instead, now and later. */
	Type.Object({ type: Type.Literal('redirect'), url: Type.String() }),
	/** A message was refused. The socket stays open unless a close follows. */
	Type.Object({ type: Type.Literal('error'), code: Type.String(), detail: Type.String() }),
]);
export type ServerMessage = Static<typeof serverMessageSchema>;
