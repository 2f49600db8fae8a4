/** `/api/v1/channels/{channel}/storyboard`: small pictures of what can be rewound. */
import { Type, type Static } from 'typebox';

/** Answer of `GET /api/v1/channels/{channel}/storyboard`. */
export const liveStoryboardSchema = Type.Object({
	pictureBase: Type.String({
		description:
			'Absolute path. A picture, a JPEG of at most 160 by 160 pixels, is at `{pictureBase}{capturedAtMs}.jpg`.',
	}),
	capturedAtMs: Type.Array(Type.Integer(), {
		description:
			"When each picture was captured, oldest first, in epoch milliseconds of the server's clock, as EXT-X-PROGRAM-DATE-TIME. It shows the time up to the next one.",
	}),
});
export type LiveStoryboard = Static<typeof liveStoryboardSchema>;

export const livePictureParamsSchema = Type.Object({
	channel: Type.String({ maxLength: 64 }),
	picture: Type.String({ maxLength: 24, description: '`{capturedAtMs}.jpg`' }),
});
export type LivePictureParams = Static<typeof livePictureParamsSchema>;
