/** `/api/v1/channels/{channel}/chat-settings`: the rules of a channel's chat. */
import { Type, type Static } from 'typebox';

/** The content of column `channels.chat`. */
export const channelChatSettingsSchema = Type.Object(
	{
		slowModeSeconds: Type.Integer({
			minimum: 0,
			maximum: 3600,
			description: 'Between two messages of one person; 0: off.',
		}),
		isAccountRequired: Type.Boolean({ description: 'Viewers without an account may read only.' }),
		blockedWords: Type.Array(Type.String({ minLength: 1, maxLength: 50 }), {
			maxItems: 500,
			description: 'Messages with one of these words are refused.',
		}),
	},
	{ additionalProperties: false },
);
export type ChannelChatSettings = Static<typeof channelChatSettingsSchema>;

export const chatSettingsChangeSchema = Type.Partial(channelChatSettingsSchema, {
	additionalProperties: false,
	minProperties: 1,
});
export type ChatSettingsChange = Static<typeof chatSettingsChangeSchema>;
