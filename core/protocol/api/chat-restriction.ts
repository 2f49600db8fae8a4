/** `/api/v1/channels/{channel}/chat-restrictions`: the people who may not write in a channel's chat. */
import { Type, type Static } from 'typebox';
import { MAX_LISTED_RESTRICTIONS } from '../chat-constants.ts';
import { nullable } from './nullable.ts';

const chatRestrictionSchema = Type.Object({
	name: Type.String({ description: 'Of the account, or of the guest.' }),
	since: Type.String(),
	until: nullable(Type.String(), { description: 'Null: banned, until released.' }),
	moderator: nullable(Type.String(), { description: 'Who did it; null when that account is gone.' }),
});
/** One of them. Dates as ISO 8601. */
export type ChatRestriction = Static<typeof chatRestrictionSchema>;

export const chatRestrictionListSchema = Type.Object({
	restrictions: Type.Array(chatRestrictionSchema, {
		maxItems: MAX_LISTED_RESTRICTIONS,
		description: 'Newest first.',
	}),
});
export type ChatRestrictionList = Static<typeof chatRestrictionListSchema>;
