/** The report to a streamer: the parts of their stream that are left out, and how it ended. */
import { Type, type Static } from 'typebox';
import { nullable } from './nullable.ts';

/** A part of the stream that is left out or should be changed. */
export const trackProblemSchema = Type.Object({
	kind: Type.Enum(['audio', 'video']),
	code: Type.String({ description: 'Stable name of the reason, such as "video-codec-unsupported".' }),
	message: Type.String({ description: 'What is wrong, and the consequence.' }),
	advice: Type.Optional(Type.String({ description: 'What to change in the encoder.' })),
});

/** How a publisher ended. */
export const publishReportSchema = Type.Object({
	at: Type.String({ format: 'date-time' }),
	protocol: Type.Enum(['whip', 'rtmp']),
	encoderName: nullable(Type.String()),
	remoteAddress: Type.String(),
	code: Type.String({ description: 'Stable name of the reason, such as "connection-lost".' }),
	message: Type.String(),
	advice: Type.Optional(Type.String({ description: 'What to do about it.' })),
	problems: Type.Array(trackProblemSchema, { description: 'Of its stream, at its end.' }),
});
export type PublishReportDescription = Static<typeof publishReportSchema>;
