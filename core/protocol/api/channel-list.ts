/** `GET /api/v1/channels` and `/api/v1/categories`: the channels to watch. */
import { Type, type Static } from 'typebox';
import { channelDescriptionSchema } from './channel-description.ts';

/** All values are texts, because queries are not converted: a flag is a literal text such as `true`. */
export const channelListQuerySchema = Type.Object(
	{
		state: Type.Optional(Type.Literal('live', { description: 'Only channels that are live.' })),
		category: Type.Optional(Type.String({ maxLength: 200 })),
		query: Type.Optional(Type.String({ maxLength: 400, description: 'Part of the name or the title.' })),
	},
	{ additionalProperties: false },
);
export type ChannelListQuery = Static<typeof channelListQuerySchema>;

export const channelListSchema = Type.Object({ channels: Type.Array(channelDescriptionSchema) });
export type ChannelList = Static<typeof channelListSchema>;

const categorySchema = Type.Object({
	name: Type.String(),
	liveCount: Type.Integer({ minimum: 0, description: 'Its live channels.' }),
	viewerCount: Type.Integer({ minimum: 0, description: 'Over its live channels.' }),
});
export type Category = Static<typeof categorySchema>;

export const categoryListSchema = Type.Object({ categories: Type.Array(categorySchema) });
export type CategoryList = Static<typeof categoryListSchema>;
