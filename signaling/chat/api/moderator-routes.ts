/** Routes for the moderation of a channel's chat: moderators, rules, and the users who may not write. */
import type { FastifyPluginAsync } from 'fastify';
import { Type } from 'typebox';
import { SpillwayError } from '../../../core/errors/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import { channelParamsSchema, type ChannelParams } from '../../../core/protocol/api/channel-description.ts';
import { chatRestrictionListSchema, type ChatRestrictionList } from '../../../core/protocol/api/chat-restriction.ts';
import {
	channelChatSettingsSchema,
	chatSettingsChangeSchema,
	type ChannelChatSettings,
	type ChatSettingsChange,
} from '../../../core/protocol/api/chat-settings.ts';
import {
	channelUserParamsSchema,
	moderatorListSchema,
	type ChannelUserParams,
	type ModeratorList,
} from '../../../core/protocol/api/moderator.ts';
import { prepareApiRoutes, userRoutes } from '../../accounts/route-options.ts';
import type { Accounts } from '../../accounts/create-accounts.ts';
import { parseUserName } from '../../accounts/user.ts';
import type { UserRecord } from '../../accounts/user-store.ts';
import type { ChatService } from '../store/chat-service.ts';
import type { ChatStore } from '../store/chat-store.ts';
import { refusals } from '../../platform/http/schema-validation.ts';
import type { ChannelAccess } from '../../channels/channel-access.ts';
import type { ChannelControl } from '../../channels/channel-control.ts';
import type { Channel } from '../../channels/channel-store.ts';
import { normalizeText } from '../../channels/channel-text.ts';
import type { ModeratorStore } from '../../channels/moderator-store.ts';

type ModeratorRoutesDependencies = {
	logger: Logger;
	moderators: ModeratorStore;
	accounts: Pick<Accounts, 'authenticator' | 'origin' | 'users'>;
	access: ChannelAccess;
	control: ChannelControl;
	store: Pick<ChatStore, 'listRestricted'>;
	service: Pick<ChatService, 'release'>;
};

/** /api/v1/channels/{channel}/moderators, …/chat-settings and …/chat-restrictions. */
export function createModeratorRoutes(dependencies: ModeratorRoutesDependencies): FastifyPluginAsync {
	return async (app) => {
		await prepareApiRoutes(app, dependencies.accounts.origin);
		await app.register(createModeratorListRoutes(dependencies));
		await app.register(createChatSettingsRoutes(dependencies));
		await app.register(createRestrictionRoutes(dependencies));
	};
}

function createModeratorListRoutes(dependencies: ModeratorRoutesDependencies): FastifyPluginAsync {
	const { moderators, access, control, accounts, logger } = dependencies;
	const options = userRoutes('chat', accounts.authenticator);
	const path = '/api/v1/channels/:channel/moderators';
	const findUser = async (text: string): Promise<UserRecord> => {
		const name = parseUserName(text);
		const user = name === undefined ? undefined : await accounts.users.findByName(name);
		if (user === undefined) {
			throw new SpillwayError('USER_NOT_FOUND', [text.replace(/[^\x20-\x7e]/g, '?').slice(0, 40)]);
		}
		return user;
	};
	return async (app) => {
		app.get<{ Params: ChannelParams }>(
			path,
			options({
				summary: 'Moderators of a channel',
				params: channelParamsSchema,
				response: { 200: moderatorListSchema, ...refusals(401, 403, 404, 429, 503) },
			}),
			async (request): Promise<ModeratorList> => {
				const { channel } = await access.require(request, 'see its moderators');
				return { moderators: await moderators.list(channel.id) };
			},
		);
		const addChange = (
			method: 'PUT' | 'DELETE',
			summary: string,
			change: (channel: Channel, moderator: UserRecord) => Promise<void>,
		): void => {
			app.route<{ Params: ChannelUserParams }>({
				method,
				url: `${path}/:user`,
				...options({
					summary,
					params: channelUserParamsSchema,
					response: { 204: Type.Null(), ...refusals(400, 401, 403, 404, 409, 429, 503) },
				}),
				handler: async (request, reply) => {
					const { channel, user } = await access.require(request, 'choose its moderators');
					const moderator = await findUser(request.params.user);
					await change(channel, moderator);
					logger.info(
						{ method, channelId: channel.id, userId: user.id, moderatorId: moderator.id },
						'moderators changed',
					);
					await control.changeChat(channel.id);
					return reply.code(204).send();
				},
			});
		};
		addChange('PUT', 'Make somebody a moderator', async (channel, moderator) => {
			if (moderator.id === channel.ownerId) {
				throw new SpillwayError('REQUEST_INVALID', [
					`${moderator.name} owns the channel and may do all that moderators may`,
				]);
			}
			await moderators.add(channel.id, moderator.id);
		});
		addChange('DELETE', 'Take it back', (channel, moderator) => moderators.remove(channel.id, moderator.id));
	};
}

function createChatSettingsRoutes(dependencies: ModeratorRoutesDependencies): FastifyPluginAsync {
	const { moderators, access, control, accounts } = dependencies;
	const options = userRoutes('chat', accounts.authenticator);
	const path = '/api/v1/channels/:channel/chat-settings';
	return async (app) => {
		app.get<{ Params: ChannelParams }>(
			path,
			options({
				summary: 'Rules of the chat',
				params: channelParamsSchema,
				response: { 200: channelChatSettingsSchema, ...refusals(401, 403, 404, 429, 503) },
			}),
			async (request): Promise<ChannelChatSettings> => {
				const { channel } = await access.require(request, 'see its chat settings');
				return moderators.readChatSettings(channel.id);
			},
		);
		app.patch<{ Params: ChannelParams; Body: ChatSettingsChange }>(
			path,
			options({
				summary: 'Change the rules of the chat',
				description: 'Absent fields stay.',
				params: channelParamsSchema,
				body: chatSettingsChangeSchema,
				response: { 200: channelChatSettingsSchema, ...refusals(400, 401, 403, 404, 429, 503) },
			}),
			async (request): Promise<ChannelChatSettings> => {
				const { channel } = await access.require(request, 'change its chat settings');
				const { blockedWords, ...rest } = request.body;
				const change =
					blockedWords === undefined ? rest : { ...rest, blockedWords: normalizeBlockedWords(blockedWords) };
				const settings = await moderators.changeChatSettings(channel.id, change);
				await control.changeChat(channel.id);
				return settings;
			},
		);
	};
}

function createRestrictionRoutes(dependencies: ModeratorRoutesDependencies): FastifyPluginAsync {
	const { access, accounts, store, service, logger } = dependencies;
	const options = userRoutes('chat', accounts.authenticator);
	const path = '/api/v1/channels/:channel/chat-restrictions';
	return async (app) => {
		app.get<{ Params: ChannelParams }>(
			path,
			options({
				summary: 'Who is paused or banned in the chat',
				params: channelParamsSchema,
				response: { 200: chatRestrictionListSchema, ...refusals(401, 403, 404, 429, 503) },
			}),
			async (request): Promise<ChatRestrictionList> => {
				const { channel } = await access.require(request, 'see who may not write');
				const authors = await store.listRestricted(channel.id);
				return {
					restrictions: authors.map(({ name, since, until, moderatorName }) => ({
						name,
						since: since.toISOString(),
						until: until?.toISOString() ?? null,
						moderator: moderatorName,
					})),
				};
			},
		);
		app.delete<{ Params: ChannelUserParams }>(
			`${path}/:user`,
			options({
				summary: 'Let somebody write again',
				params: channelUserParamsSchema,
				response: { 204: Type.Null(), ...refusals(400, 401, 403, 404, 429, 503) },
			}),
			async (request, reply) => {
				const { channel, user } = await access.require(request, 'let somebody write again');
				await service.release(channel.id, request.params.user);
				logger.info({ channelId: channel.id, userId: user.id }, 'a chat restriction was lifted');
				return reply.code(204).send();
			},
		);
	};
}

function normalizeBlockedWords(words: readonly string[]): string[] {
	const normalized = words.map((word) => normalizeText(word, 'a blocked word', 50)).filter((word) => word !== '');
	return [...new Set(normalized)];
}
