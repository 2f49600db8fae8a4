/** The routes of a channel's stream keys: list, make (the key is shown once), rotate, revoke. */
import type { FastifyPluginAsync } from 'fastify';
import { Type } from 'typebox';
import { SpillwayError } from '../../core/errors/errors.ts';
import { channelParamsSchema, type ChannelParams } from '../../core/protocol/api/channel-description.ts';
import {
	newStreamKeySchema,
	streamKeyCreationSchema,
	streamKeyListSchema,
	streamKeyParamsSchema,
	type NewStreamKey,
	type StreamKeyCreation,
	type StreamKeyDescription,
	type StreamKeyList,
	type StreamKeyParams,
} from '../../core/protocol/api/stream-key.ts';
import type { Logger } from '../../core/logger.ts';
import { prepareApiRoutes, userRoutes } from '../accounts/route-options.ts';
import type { Accounts } from '../accounts/create-accounts.ts';
import { refusals } from '../platform/http/schema-validation.ts';
import { isId, type ChannelAccess } from '../channels/channel-access.ts';
import type { ChannelControl } from '../channels/channel-control.ts';
import { MAX_KEY_NAME_LENGTH, normalizeText } from '../channels/channel-text.ts';
import type { StreamKeyRecord, StreamKeyStore } from './stream-key-store.ts';

/** Valid keys of one channel: one per encoder, and some to spare. */
const MAX_KEYS_PER_CHANNEL = 20;

type StreamKeyRoutesDependencies = {
	logger: Logger;
	streamKeys: StreamKeyStore;
	accounts: Pick<Accounts, 'authenticator' | 'origin'>;
	access: ChannelAccess;
	control: ChannelControl;
};

/** /api/v1/channels/{channel}/stream-keys, …/{key}/rotate and …/{key}. */
export function createStreamKeyRoutes(dependencies: StreamKeyRoutesDependencies): FastifyPluginAsync {
	const { streamKeys, access, control, logger, accounts } = dependencies;
	const path = '/api/v1/channels/:channel/stream-keys';
	return async (app) => {
		await prepareApiRoutes(app, accounts.origin);
		const options = userRoutes('stream keys', accounts.authenticator);
		app.get<{ Params: ChannelParams }>(
			path,
			options({
				summary: 'Valid stream keys, without their secrets',
				params: channelParamsSchema,
				response: { 200: streamKeyListSchema, ...refusals(401, 403, 404, 429, 503) },
			}),
			async (request): Promise<StreamKeyList> => {
				const { channel } = await access.require(request, 'manage its stream keys');
				return { streamKeys: validKeys(await streamKeys.listStreamKeys(channel.id)).map(describeKey) };
			},
		);
		app.post<{ Params: ChannelParams; Body: StreamKeyCreation }>(
			path,
			options({
				summary: 'Make a stream key',
				params: channelParamsSchema,
				body: streamKeyCreationSchema,
				response: { 201: newStreamKeySchema, ...refusals(400, 401, 403, 404, 409, 429, 503) },
			}),
			async (request, reply) => {
				const { channel, user } = await access.require(request, 'manage its stream keys');
				const name = normalizeText(request.body.name, 'the name of a key', MAX_KEY_NAME_LENGTH);
				if (name === '') {
					throw new SpillwayError('REQUEST_INVALID', ['a key needs a name']);
				}
				if (validKeys(await streamKeys.listStreamKeys(channel.id)).length >= MAX_KEYS_PER_CHANNEL) {
					throw new SpillwayError('LIMIT_REACHED', [`a channel has at most ${MAX_KEYS_PER_CHANNEL} stream keys`]);
				}
				const { id, streamKey } = await streamKeys.createStreamKey(channel.id, name);
				logger.info({ channelId: channel.id, userId: user.id, streamKeyId: id }, 'stream key made');
				return reply.code(201).send({ id, name, streamKey });
			},
		);
		app.post<{ Params: StreamKeyParams }>(
			`${path}/:key/rotate`,
			options({
				summary: 'Replace a stream key',
				description: 'The old key, and the session on it, end at once.',
				params: streamKeyParamsSchema,
				response: { 200: newStreamKeySchema, ...refusals(401, 403, 404, 429, 503) },
			}),
			async (request): Promise<NewStreamKey> => {
				const { channel, user } = await access.require(request, 'manage its stream keys');
				const { key } = request.params;
				const made = isId(key) ? await streamKeys.replaceStreamKey(channel.id, key) : undefined;
				if (made === undefined) {
					throw new SpillwayError('STREAM_KEY_NOT_FOUND');
				}
				logger.info(
					{ channelId: channel.id, userId: user.id, streamKeyId: key, newStreamKeyId: made.id },
					'stream key rotated',
				);
				await control.revokeKey(key);
				return made;
			},
		);
		app.delete<{ Params: StreamKeyParams }>(
			`${path}/:key`,
			options({
				summary: 'Revoke a stream key',
				description: 'The session on it ends at once.',
				params: streamKeyParamsSchema,
				response: { 204: Type.Null(), ...refusals(401, 403, 404, 429, 503) },
			}),
			async (request, reply) => {
				const { channel, user } = await access.require(request, 'manage its stream keys');
				const { key } = request.params;
				const isOfChannel = validKeys(await streamKeys.listStreamKeys(channel.id)).some(({ id }) => id === key);
				if (!isOfChannel || !(await streamKeys.revokeStreamKey(key))) {
					throw new SpillwayError('STREAM_KEY_NOT_FOUND');
				}
				logger.info({ channelId: channel.id, userId: user.id, streamKeyId: key }, 'stream key revoked');
				await control.revokeKey(key);
				return reply.code(204).send();
			},
		);
	};
}

function validKeys(keys: readonly StreamKeyRecord[]): StreamKeyRecord[] {
	return keys.filter(({ revokedAt }) => revokedAt === null);
}

function describeKey({ id, name, prefix, ...times }: StreamKeyRecord): StreamKeyDescription {
	return {
		id,
		name,
		prefix,
		createdAt: times.createdAt.toISOString(),
		lastUsedAt: times.lastUsedAt?.toISOString() ?? null,
		newNetworkAt: times.newNetworkAt?.toISOString() ?? null,
	};
}
