/** `/api/v1/channels/{channel}/stream-keys`: the secrets of a channel's publishers. */
import { Type, type Static } from 'typebox';
import { channelParamsSchema } from './channel-description.ts';
import { nullable } from './nullable.ts';

/** No key is longer; a longer text is not hashed. */
export const MAX_STREAM_KEY_LENGTH = 256;

/** Parameters of the routes of one key. */
export const streamKeyParamsSchema = Type.Object({
	...channelParamsSchema.properties,
	key: Type.String({ maxLength: 64 }),
});
export type StreamKeyParams = Static<typeof streamKeyParamsSchema>;

export const streamKeyCreationSchema = Type.Object(
	{ name: Type.String({ maxLength: 400 }) },
	{ additionalProperties: false },
);
export type StreamKeyCreation = Static<typeof streamKeyCreationSchema>;

/** A stream key without its secret. */
const streamKeySchema = Type.Object({
	id: Type.String(),
	name: Type.String(),
	prefix: Type.String({ description: 'First characters, to recognise it; empty for short keys.' }),
	createdAt: Type.String({ format: 'date-time' }),
	lastUsedAt: nullable(Type.String({ format: 'date-time' }), {
		description: 'When a publisher last used it, to the hour; null: never.',
	}),
	newNetworkAt: nullable(Type.String({ format: 'date-time' }), {
		description:
			'When it was first used from the newest of its networks; null while there is only one. If that was none of your people, rotate the key.',
	}),
});
export type StreamKeyDescription = Static<typeof streamKeySchema>;

export const streamKeyListSchema = Type.Object({ streamKeys: Type.Array(streamKeySchema) });
export type StreamKeyList = Static<typeof streamKeyListSchema>;

export const newStreamKeySchema = Type.Object({
	id: Type.String(),
	name: Type.String(),
	streamKey: Type.String({ description: 'The secret. It is shown only once.' }),
});
export type NewStreamKey = Static<typeof newStreamKeySchema>;
