/** `/api/v1/clips` and `/api/v1/channels/{channel}/clips`: short pieces of broadcasts, as a viewer saw them. */
import { Type, type Static } from 'typebox';
import { DELIVERY_TIERS } from '../tiers.ts';
import { nullable } from './nullable.ts';

/** Seconds of a new clip, which ends with the picture that the viewer sees. */
export const NEW_CLIP_SECONDS = 60;
/** Seconds before that picture that the clip can be extended to when it is trimmed. */
export const CLIP_SOURCE_SECONDS = 90;
/** Seconds of the shortest and the longest clip. */
export const CLIP_SECONDS = { least: 1, most: 90 };

/** Body of `POST /api/v1/clips`. Of a live channel, or of a video. */
export const clipCreationSchema = Type.Object(
	{
		channel_id: Type.Optional(Type.String({ maxLength: 64, description: 'Of a channel that is live.' })),
		video_id: Type.Optional(Type.String({ maxLength: 64, description: 'Of a video, instead of a channel.' })),
		title: Type.Optional(Type.String({ maxLength: 1000, description: "The broadcast's title, when absent." })),
		captured_at_ms: Type.Optional(
			Type.Number({
				minimum: 0,
				description:
					'When the picture on the screen was captured, in epoch milliseconds of the server. The clip ends with it. Absent: now.',
			}),
		),
		tier: Type.Optional(
			Type.Enum([...DELIVERY_TIERS], {
				description:
					'How that picture came. Over webrtc it has a capture time of its own (abs-capture-time); in playlists capture times follow the dates, and the two differ by up to 50 ms. Absent: ll-hls, which videos count as too.',
			}),
		),
	},
	{ additionalProperties: false },
);
export type ClipCreation = Static<typeof clipCreationSchema>;

/** Answer of `POST /api/v1/clips`. */
export const createdClipSchema = Type.Object({
	clip_id: Type.String(),
	url: Type.String({ description: 'Absolute path of its page.' }),
});
export type CreatedClip = Static<typeof createdClipSchema>;

/** `none`: nobody asked for it. `making`: in a few seconds. `failed`: it can be asked for again. */
const EXPORT_STATES = ['none', 'making', 'ready', 'failed'] as const;

/** Answer of `GET /api/v1/clips/{clip}`. */
const clipSchema = Type.Object({
	id: Type.String(),
	channelId: Type.String(),
	channelName: Type.String(),
	videoId: nullable(Type.String(), {
		description: 'The video it is from; null: that is deleted, or not for everyone.',
	}),
	videoSeconds: nullable(Type.Number({ minimum: 0 }), { description: 'Where the clip begins in that video.' }),
	title: Type.String(),
	category: nullable(Type.String()),
	creatorName: nullable(Type.String(), { description: 'Who made it; null: their account is deleted.' }),
	createdAt: Type.String({ format: 'date-time' }),
	startedAt: Type.String({ format: 'date-time', description: 'When its first picture was captured.' }),
	durationSeconds: Type.Number({ minimum: 0 }),
	playlistUrl: Type.String({ description: 'Absolute path of its multivariant playlist, which has whole segments.' }),
	startSeconds: Type.Number({ minimum: 0, description: 'The first picture of the clip, in the time of its playlist.' }),
	endSeconds: Type.Number({ minimum: 0, description: 'Where its last picture ends, in the time of its playlist.' }),
	posterUrl: nullable(Type.String(), { description: 'Absolute path of a JPEG. Null: none yet, or sound alone.' }),
	exportState: Type.Enum([...EXPORT_STATES]),
	exportUrl: nullable(Type.String(), { description: 'Absolute path of its MP4 file. Null: not made yet.' }),
});
export type Clip = Static<typeof clipSchema>;

/** A clip with the fields that only those get who may change it: its maker, the channel's owner, administrators. */
export const ownClipSchema = Type.Object({
	...clipSchema.properties,
	source: Type.Optional(
		Type.Object(
			{
				playlistUrl: Type.String({ description: 'Absolute path of the playlist from which it can be trimmed.' }),
				startSeconds: Type.Number({ minimum: 0, description: 'As above, in the time of this playlist.' }),
				endSeconds: Type.Number({ minimum: 0 }),
				earliestSeconds: Type.Number({ minimum: 0, description: 'No clip can begin before this.' }),
				latestSeconds: Type.Number({ minimum: 0, description: 'No clip can end after this.' }),
				frameSeconds: Type.Number({ exclusiveMinimum: 0, description: 'Between two pictures.' }),
			},
			{ description: 'What it can be trimmed from. For those who may change it.' },
		),
	),
	reports: Type.Optional(
		Type.Array(Type.Object({ reason: Type.String(), reportedAt: Type.String({ format: 'date-time' }) }), {
			maxItems: 20,
			description: "What viewers reported, the newest first. For the channel's owner and administrators.",
		}),
	),
	purgePaths: Type.Optional(
		Type.Array(Type.String(), { description: 'After a trim: what a CDN should purge; all addresses that begin so.' }),
	),
});
export type OwnClip = Static<typeof ownClipSchema>;

export const clipParamsSchema = Type.Object({ clip: Type.String({ maxLength: 64 }) });
export type ClipParams = Static<typeof clipParamsSchema>;

export const clipListQuerySchema = Type.Object(
	{
		before: Type.Optional(Type.String({ pattern: '^[0-9a-z]{26}$', description: 'Id of a clip: only older ones.' })),
		limit: Type.Optional(Type.String({ pattern: '^[1-9][0-9]?$', description: 'At most so many, up to 99.' })),
	},
	{ additionalProperties: false },
);
export type ClipListQuery = Static<typeof clipListQuerySchema>;

/** Answer of `GET /api/v1/channels/{channel}/clips`: newest first. */
export const clipListSchema = Type.Object({
	clips: Type.Array(ownClipSchema),
	next: nullable(Type.String(), { description: 'What `before` has to be for older ones; null: there are none.' }),
});
export type ClipList = Static<typeof clipListSchema>;

/** Body of `PATCH /api/v1/clips/{clip}`. Absent fields stay. A trim gives its media new addresses. */
export const clipChangeSchema = Type.Object(
	{
		title: Type.Optional(Type.String({ maxLength: 1000 })),
		trim: Type.Optional(
			Type.Object(
				{
					startSeconds: Type.Number({ minimum: 0, description: "In the time of the source's playlist." }),
					endSeconds: Type.Number({ minimum: 0 }),
				},
				{ additionalProperties: false },
			),
		),
	},
	{ additionalProperties: false, minProperties: 1 },
);
export type ClipChange = Static<typeof clipChangeSchema>;

/** Answer of `DELETE /api/v1/clips/{clip}`. */
export const clipDeletionSchema = Type.Object({
	purgePaths: Type.Array(Type.String(), { description: 'What a CDN should purge: all addresses that begin so.' }),
});
export type ClipDeletion = Static<typeof clipDeletionSchema>;

/** Body of `POST /api/v1/clips/{clip}/reports`. */
export const clipReportSchema = Type.Object(
	{ reason: Type.String({ minLength: 1, maxLength: 500 }) },
	{ additionalProperties: false },
);
export type ClipReport = Static<typeof clipReportSchema>;
