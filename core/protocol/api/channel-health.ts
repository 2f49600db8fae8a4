/** `GET /api/v1/channels/{channel}/health`: measurements of a broadcast, for the people who run the channel. */
import { Type, type Static } from 'typebox';
import { audienceReportSchema } from './audience-report.ts';
import {
	CHANNEL_STATES,
	encoderInUseSchema,
	ladderDescriptionSchema,
	legDescriptionSchema,
	videoDescriptionSchema,
} from './channel-description.ts';
import { nullable } from './nullable.ts';
import { publishReportSchema, trackProblemSchema } from './publish-report.ts';

const streamHealthSchema = Type.Object({
	videoBitrateBps: Type.Number(),
	audioBitrateBps: Type.Number(),
	frameRate: Type.Number({ description: 'Frames per second.' }),
	gopDurationMs: nullable(Type.Number(), { description: 'Of the last whole GOP.' }),
	hasBFrames: Type.Boolean(),
	videoUnitCount: Type.Integer(),
	audioUnitCount: Type.Integer(),
	gapCount: Type.Integer({
		description: 'How often in the last minute no picture came for much longer than usual.',
	}),
	longestGapMs: Type.Number({ description: 'Of those.' }),
});
/** Measurements of the publisher's stream over the last seconds. @internal for tests */
export type StreamHealth = Static<typeof streamHealthSchema>;

export const channelHealthSchema = Type.Object({
	state: Type.Enum([...CHANNEL_STATES]),
	startedAt: nullable(Type.String({ format: 'date-time' })),
	publisher: nullable(
		Type.Object({
			protocol: Type.Enum(['whip', 'rtmp']),
			encoderName: nullable(Type.String()),
			remoteAddress: Type.String(),
		}),
	),
	health: nullable(streamHealthSchema),
	problems: Type.Array(trackProblemSchema, {
		description: 'What is left out of the stream at this moment or should be changed, and the setting for it.',
	}),
	lastPublisher: nullable(publishReportSchema, {
		description: 'How the last publisher ended. Null: none has, since the server started.',
	}),
	legs: Type.Array(legDescriptionSchema),
	video: nullable(videoDescriptionSchema),
	encoder: nullable(encoderInUseSchema, { description: 'Null: no picture is encoded, or it is not known.' }),
	ladder: nullable(ladderDescriptionSchema),
	audience: audienceReportSchema,
	viewerCount: nullable(Type.Integer()),
	refusal: nullable(
		Type.Object(
			{
				at: Type.String({ format: 'date-time' }),
				code: Type.String({ description: 'A row of the table of errors.' }),
				message: Type.String({ description: 'The message to the encoder; a sentence.' }),
			},
			{ description: 'The last refusal of an encoder of this channel, within ten minutes.' },
		),
	),
});
export type ChannelHealth = Static<typeof channelHealthSchema>;
