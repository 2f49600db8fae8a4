/** `/api/v1/videos` and `/api/v1/channels/{channel}/videos`: recordings of broadcasts. */
import { Type, type Static } from 'typebox';
import { nullable } from './nullable.ts';

/** `public`: on the channel's page. `unlisted`: for everyone with its address. `private`: for its owner. */
export const VIDEO_VISIBILITIES = ['public', 'unlisted', 'private'] as const;
export type VideoVisibility = (typeof VIDEO_VISIBILITIES)[number];

/** `recording`: the broadcast runs; what was recorded can be played. `ready`: complete. */
const VIDEO_STATES = ['recording', 'ready'] as const;

/** Answer of `GET /api/v1/videos/{video}`. */
const videoSchema = Type.Object({
	id: Type.String(),
	channelId: Type.String(),
	channelName: Type.String(),
	title: Type.String({ description: "The broadcast's title when it began, until its owner changes it." }),
	category: nullable(Type.String()),
	state: Type.Enum([...VIDEO_STATES]),
	visibility: Type.Enum([...VIDEO_VISIBILITIES]),
	startedAt: Type.String({ format: 'date-time' }),
	durationSeconds: Type.Number({ minimum: 0, description: 'So far, while it is being recorded.' }),
	playlistUrl: nullable(Type.String(), {
		description: 'Absolute path of its multivariant playlist. Null: nothing to play yet.',
	}),
	posterUrl: nullable(Type.String(), { description: 'Absolute path of a JPEG. Null: none yet, or sound alone.' }),
	storyboardUrl: nullable(Type.String(), {
		description:
			'Absolute path of a WebVTT file with a picture for every ten seconds or more: a sheet and a place on it (#xywh). Null: none yet, or sound alone.',
	}),
});
export type Video = Static<typeof videoSchema>;

/** A video with the fields that only its owner gets. */
export const ownVideoSchema = Type.Object({
	...videoSchema.properties,
	sizeBytes: Type.Optional(Type.Integer({ minimum: 0, description: 'On the store. For the owner only.' })),
	expiresAt: Type.Optional(
		nullable(Type.String({ format: 'date-time' }), {
			description: 'When it is deleted; null: never, or it is still being recorded. For the owner only.',
		}),
	),
	isKept: Type.Optional(Type.Boolean({ description: 'It is never deleted by age. For the owner only.' })),
	purgePaths: Type.Optional(
		Type.Array(Type.String(), {
			description:
				'After a change of visibility: what a CDN should purge; all addresses that begin so. For the owner only.',
		}),
	),
	missingSeconds: Type.Optional(
		Type.Number({ minimum: 0, description: 'Media that could not be stored. For the owner only.' }),
	),
});
export type OwnVideo = Static<typeof ownVideoSchema>;

export const videoParamsSchema = Type.Object({ video: Type.String({ maxLength: 64 }) });
export type VideoParams = Static<typeof videoParamsSchema>;

export const videoListQuerySchema = Type.Object(
	{
		before: Type.Optional(Type.String({ pattern: '^[0-9a-z]{26}$', description: 'Id of a video: only older ones.' })),
		limit: Type.Optional(Type.String({ pattern: '^[1-9][0-9]?$', description: 'At most so many, up to 99.' })),
	},
	{ additionalProperties: false },
);
export type VideoListQuery = Static<typeof videoListQuerySchema>;

/** Answer of `GET /api/v1/channels/{channel}/videos`: newest first; all of them for the owner, else the public ones. */
export const videoListSchema = Type.Object({
	videos: Type.Array(ownVideoSchema),
	next: nullable(Type.String(), { description: 'What `before` has to be for older ones; null: there are none.' }),
});
export type VideoList = Static<typeof videoListSchema>;

/** Answer of `DELETE /api/v1/videos/{video}`. */
export const videoDeletionSchema = Type.Object({
	purgePaths: Type.Array(Type.String(), { description: 'What a CDN should purge: all addresses that begin so.' }),
});
export type VideoDeletion = Static<typeof videoDeletionSchema>;

/** Body of `PATCH /api/v1/videos/{video}`. Absent fields stay. */
export const videoChangeSchema = Type.Object(
	{
		title: Type.Optional(Type.String({ maxLength: 1000 })),
		visibility: Type.Optional(Type.Enum([...VIDEO_VISIBILITIES])),
		isKept: Type.Optional(Type.Boolean()),
	},
	{ additionalProperties: false, minProperties: 1 },
);
export type VideoChange = Static<typeof videoChangeSchema>;

/**
 * Of a channel's recording. `off`: not wanted. `idle`: the next broadcast is recorded. `recording`: now. `stopped`: it
 * is wanted, but there is no room or the store is away; the live broadcast continues.
 */
const RECORDING_STATES = ['off', 'idle', 'recording', 'stopped'] as const;

/** Answer of `GET /api/v1/channels/{channel}/recording`. */
export const recordingStatusSchema = Type.Object({
	choice: nullable(Type.Boolean(), { description: "The channel's own setting; null: as the account has it." }),
	isWanted: Type.Boolean({ description: 'Whether its next broadcast is recorded.' }),
	state: Type.Enum([...RECORDING_STATES]),
	notices: Type.Array(Type.String(), { maxItems: 16, description: 'What its owner should know, in sentences.' }),
	usedBytes: Type.Integer({ minimum: 0, description: 'Of all videos on channels of its owner.' }),
	maxBytes: Type.Integer({ minimum: 0, description: 'What they may have.' }),
	retentionDays: Type.Integer({
		minimum: 1,
		description: 'A video that is not kept is deleted so long after its end.',
	}),
});
export type RecordingStatus = Static<typeof recordingStatusSchema>;

/** Body of `PUT /api/v1/channels/{channel}/recording`. Takes effect with the next broadcast. */
export const recordingChangeSchema = Type.Object(
	{ choice: nullable(Type.Boolean(), { description: "Null: as the account's approval says." }) },
	{ additionalProperties: false },
);
export type RecordingChange = Static<typeof recordingChangeSchema>;
