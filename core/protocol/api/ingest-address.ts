/** `/api/v1/streams/ingest`: where encoders publish to. Its names are in snake case, as those of other services are. */
import { Type, type Static } from 'typebox';
import { MAX_STREAM_KEY_LENGTH } from './stream-key.ts';

/** No encoder sends more. */
const MAX_BITRATE_BPS = 1e9;

export const ingestAddressesSchema = Type.Object({
	whip_url: Type.String({ description: 'Send the stream key as bearer token.' }),
	rtmp_url: Type.String({ description: "The encoder's server field; the stream key goes into its own." }),
});
export type IngestAddresses = Static<typeof ingestAddressesSchema>;

export const ingestQuestionSchema = Type.Object(
	{
		stream_key: Type.String({ minLength: 1, maxLength: MAX_STREAM_KEY_LENGTH }),
		codec: Type.Optional(Type.String({ maxLength: 40, description: 'What the encoder will send, such as "h264".' })),
		bitrate: Type.Optional(Type.Number({ minimum: 1, maximum: MAX_BITRATE_BPS, description: 'Bits per second.' })),
	},
	{ additionalProperties: false },
);
export type IngestQuestion = Static<typeof ingestQuestionSchema>;

export const ingestAnswerSchema = Type.Object({
	channel_id: Type.String(),
	channel_name: Type.String(),
	...ingestAddressesSchema.properties,
	watch_url: Type.String(),
	is_codec_accepted: Type.Boolean(),
	advice: Type.Array(Type.String(), { description: 'Settings that avoid work, in sentences.' }),
});
export type IngestAnswer = Static<typeof ingestAnswerSchema>;
