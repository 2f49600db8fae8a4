/** `/api/v1/channels/{channel}/moderators`: the moderators of a channel's chat. */
import { Type, type Static } from 'typebox';
import { channelParamsSchema } from './channel-description.ts';

/** Parameters of routes of one person in a channel: a moderator, or a person who may not write. */
export const channelUserParamsSchema = Type.Object({
	...channelParamsSchema.properties,
	user: Type.String({ maxLength: 64 }),
});
export type ChannelUserParams = Static<typeof channelUserParamsSchema>;

export const moderatorListSchema = Type.Object({
	moderators: Type.Array(Type.Object({ id: Type.String(), name: Type.String() })),
});
export type ModeratorList = Static<typeof moderatorListSchema>;
