/** `/api/v1/chat-tokens`: long-lived tokens with which a user's bots and chat programs sign in over IRC only. */
import type { FastifyPluginAsync } from 'fastify';
import { Type } from 'typebox';
import { SpillwayError } from '../../../core/errors/errors.ts';
import {
	chatTokenCreationSchema,
	chatTokenListSchema,
	chatTokenParamsSchema,
	newChatTokenSchema,
	type ChatTokenCreation,
	type ChatTokenList,
	type ChatTokenParams,
} from '../../../core/protocol/api/chat-token.ts';
import { prepareApiRoutes, userRoutes } from '../../accounts/route-options.ts';
import type { Accounts } from '../../accounts/create-accounts.ts';
import { refusals } from '../../platform/http/schema-validation.ts';
import type { ChatStore } from '../store/chat-store.ts';

const PATH = '/api/v1/chat-tokens';

type ChatTokenRoutesDependencies = {
	store: Pick<ChatStore, 'createToken' | 'listTokens' | 'deleteToken'>;
	accounts: Pick<Accounts, 'authenticator' | 'origin'>;
	/** Ends the connections of a token, on all servers. Never rejects. */
	announceDeletion: (tokenId: string) => Promise<void>;
};

/** Users see, make and delete their own tokens. */
export function createChatTokenRoutes(deps: ChatTokenRoutesDependencies): FastifyPluginAsync {
	const { store, announceDeletion } = deps;
	const { authenticator, origin } = deps.accounts;
	const options = userRoutes('chat', authenticator);
	return async (app) => {
		await prepareApiRoutes(app, origin);
		app.get(
			PATH,
			options({
				summary: 'Your chat tokens',
				response: { 200: chatTokenListSchema, ...refusals(401, 429, 503) },
			}),
			async (request): Promise<ChatTokenList> => {
				const user = await authenticator.userOf(request);
				const records = await store.listTokens(user.id);
				return { chatTokens: records.map((record) => ({ ...record, createdAt: record.createdAt.toISOString() })) };
			},
		);
		app.post<{ Body: ChatTokenCreation }>(
			PATH,
			options({
				summary: 'Make a chat token',
				body: chatTokenCreationSchema,
				response: { 201: newChatTokenSchema, ...refusals(400, 401, 403, 429, 503) },
			}),
			async (request, reply) => {
				const user = await authenticator.userOf(request);
				const made = await store.createToken(user.id, request.body.name);
				return reply.code(201).send({ ...made, name: request.body.name });
			},
		);
		app.delete<{ Params: ChatTokenParams }>(
			`${PATH}/:token`,
			options({
				summary: 'Delete a chat token, by its id',
				params: chatTokenParamsSchema,
				response: { 204: Type.Null(), ...refusals(401, 403, 404, 429, 503) },
			}),
			async (request, reply) => {
				const user = await authenticator.userOf(request);
				if (!(await store.deleteToken(user.id, request.params.token))) {
					throw new SpillwayError('SESSION_NOT_FOUND');
				}
				await announceDeletion(request.params.token);
				return reply.code(204).send();
			},
		);
	};
}
