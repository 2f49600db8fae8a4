/** `/api/v1/chat-tokens`: tokens with which a user's bots and chat programs sign in over IRC. */
import { Type, type Static } from 'typebox';

export const chatTokenParamsSchema = Type.Object({ token: Type.String({ maxLength: 64 }) });
export type ChatTokenParams = Static<typeof chatTokenParamsSchema>;

export const chatTokenCreationSchema = Type.Object(
	{ name: Type.String({ minLength: 1, maxLength: 50, pattern: '^[^\\p{C}]+$' }) },
	{ additionalProperties: false },
);
export type ChatTokenCreation = Static<typeof chatTokenCreationSchema>;

export const newChatTokenSchema = Type.Object({
	id: Type.String(),
	name: Type.String(),
	token: Type.String({ description: 'Shown once. PASS of an IRC connection is "oauth:" and this.' }),
});

export const chatTokenListSchema = Type.Object({
	chatTokens: Type.Array(Type.Object({ id: Type.String(), name: Type.String(), createdAt: Type.String() })),
});
export type ChatTokenList = Static<typeof chatTokenListSchema>;
