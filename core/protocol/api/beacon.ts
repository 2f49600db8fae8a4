/** `POST /api/v1/presence`: signed beacons, by which viewers without a socket are counted. */
import { Type, type Static } from 'typebox';

export const beaconSchema = Type.Object(
	{
		channel: Type.String({ maxLength: 64, description: 'Name of the channel.' }),
		token: Type.Optional(
			Type.String({ maxLength: 200, description: 'From the answer before; a socket’s resume token will do as well.' }),
		),
		isLeaving: Type.Optional(Type.Boolean({ description: 'The last one: counts the viewer out at once.' })),
	},
	{ additionalProperties: false },
);
export type Beacon = Static<typeof beaconSchema>;

export const beaconAnswerSchema = Type.Object({
	token: Type.String({ description: 'Send it with the next beacon.' }),
	nextBeaconMs: Type.Integer({
		description:
			'Send it after this time: at once with the first token, which counts nobody yet. 12 s without one, and the viewer is gone.',
	}),
	viewerCount: Type.Integer({ minimum: 0 }),
});
export type BeaconAnswer = Static<typeof beaconAnswerSchema>;
