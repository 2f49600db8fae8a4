/** The API's channels: lists, one by name, opening and changing one, categories, and the server's clock. */
import type { FastifyPluginAsync } from 'fastify';
import { SpillwayError } from '../../core/errors/errors.ts';
import type { BroadcastId } from '../../core/ids.ts';
import type { Clock } from '../../core/lifecycle/clock.ts';
import {
	channelChangeSchema,
	channelCreationSchema,
	channelParamsSchema,
	ownChannelSchema,
	type ChannelChange,
	type ChannelCreation,
	type ChannelDescription,
	type ChannelParams,
	type OwnChannelDescription,
} from '../../core/protocol/api/channel-description.ts';
import {
	categoryListSchema,
	channelListQuerySchema,
	channelListSchema,
	type Category,
	type CategoryList,
	type ChannelList,
	type ChannelListQuery,
} from '../../core/protocol/api/channel-list.ts';
import { PUBLIC_READ } from '../../core/protocol/api/cors.ts';
import { serverTimeSchema, type ServerTime } from '../../core/protocol/api/server-time.ts';
import type { LadderChoice } from '../../core/protocol/ladder-choice.ts';
import type { BroadcastRegistry } from '../../ingest/broadcast/broadcast-registry.ts';
import { prepareApiRoutes, userRoutes } from '../accounts/route-options.ts';
import type { Accounts } from '../accounts/create-accounts.ts';
import { RATE_LIMITS } from '../platform/http/rate-limits.ts';
import { refusals } from '../platform/http/schema-validation.ts';
import type { ChannelAccess } from './channel-access.ts';
import type { ChannelControl } from './channel-control.ts';
import { describeChannel, type MediaFacts } from './channel-description.ts';
import type { Channel, ChannelChange as StoredChange, ChannelStore } from './channel-store.ts';
import { MAX_QUERY_LENGTH, MAX_TITLE_LENGTH, normalizeCategory, normalizeText } from './channel-text.ts';

const DEFAULT_LIST_LENGTH = 200;
/** Channels of an administrator; other accounts have a configured limit. */
const MAX_CHANNELS_OF_ADMIN = 5;

export type ChannelRoutesDependencies = {
	clock: Clock;
	channels: ChannelStore;
	registry: Pick<BroadcastRegistry, 'find' | 'broadcasts'>;
	accounts: Pick<Accounts, 'authenticator' | 'users' | 'service' | 'cookies' | 'origin'>;
	access: ChannelAccess;
	control: ChannelControl;
	/** Viewers of a channel; null when they are not counted. */
	viewerCount: (channelName: string) => number | null;
	/** What is made of a broadcast besides what viewers watch. */
	mediaFacts: (broadcastId: BroadcastId) => MediaFacts;
	config: { channelsPerUser: number; defaultGraceWindowSeconds: number; serverLadderChoice: LadderChoice };
};

/** GET and POST /api/v1/channels, GET and PATCH /api/v1/channels/{channel}, /api/v1/categories, /api/v1/time. */
export function createChannelRoutes(dependencies: ChannelRoutesDependencies): FastifyPluginAsync {
	return async (app) => {
		await prepareApiRoutes(app, dependencies.accounts.origin);
		await app.register(createReadingRoutes(dependencies));
		await app.register(createChangingRoutes(dependencies));
	};
}

function createReadingRoutes(dependencies: ChannelRoutesDependencies): FastifyPluginAsync {
	const { clock, access, accounts } = dependencies;
	return async (app) => {
		// Players on other sites may read what is public.
		const config = { cors: PUBLIC_READ };
		const limited = { ...config, rateLimit: RATE_LIMITS.search };
		app.get<{ Querystring: ChannelListQuery }>(
			'/api/v1/channels',
			{
				config: limited,
				schema: {
					tags: ['channels'],
					summary: 'Channels, live ones first, by viewers',
					querystring: channelListQuerySchema,
					response: { 200: channelListSchema, ...refusals(400, 429, 503) },
				},
			},
			async (request): Promise<ChannelList> => ({ channels: await listChannels(dependencies, request.query) }),
		);
		app.get<{ Params: ChannelParams }>(
			'/api/v1/channels/:channel',
			{
				config,
				schema: {
					tags: ['channels'],
					summary: 'One channel',
					params: channelParamsSchema,
					response: { 200: ownChannelSchema, ...refusals(404, 503) },
				},
			},
			async (request): Promise<OwnChannelDescription> => {
				const channel = await access.find(request.params.channel);
				const user = await accounts.authenticator.authenticate(request);
				const isOwn = user !== undefined && (user.id === channel.ownerId || user.role === 'admin');
				return isOwn ? describeOwn(dependencies, channel) : describe(dependencies, channel);
			},
		);
		app.get(
			'/api/v1/categories',
			{
				config: limited,
				schema: {
					tags: ['channels'],
					summary: 'Categories in use, by viewers',
					response: { 200: categoryListSchema, ...refusals(429, 503) },
				},
			},
			async (): Promise<CategoryList> => ({ categories: await listCategories(dependencies) }),
		);
		app.get(
			'/api/v1/time',
			{ config, schema: { tags: ['channels'], summary: "The server's clock", response: { 200: serverTimeSchema } } },
			async (): Promise<ServerTime> => ({ nowMs: clock.nowMs() }),
		);
	};
}

function createChangingRoutes(dependencies: ChannelRoutesDependencies): FastifyPluginAsync {
	const { channels, access, accounts, control, config } = dependencies;
	return async (app) => {
		const options = userRoutes('channels', accounts.authenticator);
		app.post<{ Body: ChannelCreation }>(
			'/api/v1/channels',
			options({
				summary: 'Open a channel',
				description: 'It belongs to the user who is signed in.',
				body: channelCreationSchema,
				response: { 201: ownChannelSchema, ...refusals(400, 401, 403, 409, 429, 503) },
			}),
			async (request, reply) => {
				const user = await accounts.authenticator.userOf(request);
				const { name, title, category } = request.body;
				const maxChannels = user.role === 'admin' ? MAX_CHANNELS_OF_ADMIN : config.channelsPerUser;
				const channel = await channels.createChannel({
					name,
					title: normalizeText(title ?? '', 'a title', MAX_TITLE_LENGTH),
					category: normalizeCategory(category ?? null),
					owner: { id: user.id, maxChannels },
				});
				const role = await accounts.users.becomeStreamer(user.id);
				const access =
					role === undefined || role === user.role ? undefined : await accounts.service.reissueAccess(user, role);
				if (access !== undefined) {
					accounts.cookies.setAccess(reply, access);
				}
				return reply.code(201).send(describeOwn(dependencies, channel));
			},
		);
		app.patch<{ Params: ChannelParams; Body: ChannelChange }>(
			'/api/v1/channels/:channel',
			options({
				summary: 'Change a channel',
				description: 'Absent fields stay. All takes effect at once.',
				params: channelParamsSchema,
				body: channelChangeSchema,
				response: { 200: ownChannelSchema, ...refusals(400, 401, 403, 404, 429, 503) },
			}),
			async (request): Promise<OwnChannelDescription> => {
				const { channel } = await access.require(request, 'edit the channel');
				const changed = await channels.updateChannel(channel.id, toChange(request.body));
				if (changed === undefined) {
					throw new SpillwayError('CHANNEL_NOT_FOUND', [channel.name]);
				}
				const { graceWindowSeconds: graceWindow, ladderChoice } = request.body;
				await control.changeChannel(changed, {
					...(graceWindow === undefined ? {} : { graceWindowMs: graceWindowSeconds(dependencies, changed) * 1000 }),
					...(ladderChoice === undefined ? {} : { ladderChoice }),
				});
				return describeOwn(dependencies, changed);
			},
		);
	};
}

function toChange(body: ChannelChange): StoredChange {
	return {
		...(body.title === undefined ? {} : { title: normalizeText(body.title, 'a title', MAX_TITLE_LENGTH) }),
		...(body.category === undefined ? {} : { category: normalizeCategory(body.category) }),
		...(body.policy === undefined ? {} : { policy: body.policy }),
		...(body.graceWindowSeconds === undefined ? {} : { graceWindowSeconds: body.graceWindowSeconds ?? undefined }),
		...(body.ladderChoice === undefined ? {} : { ladderChoice: body.ladderChoice ?? undefined }),
	};
}

type Readers = Pick<ChannelRoutesDependencies, 'channels' | 'registry' | 'viewerCount' | 'mediaFacts' | 'config'>;

function graceWindowSeconds({ config }: Pick<Readers, 'config'>, channel: Channel): number {
	return channel.graceWindowSeconds ?? config.defaultGraceWindowSeconds;
}

function describe({ registry, viewerCount, mediaFacts }: Readers, channel: Channel): ChannelDescription {
	const broadcast = registry.find(channel.name);
	return describeChannel(channel, broadcast, {
		viewerCount: viewerCount(channel.name),
		...(broadcast === undefined ? {} : mediaFacts(broadcast.id)),
	});
}

function describeOwn(dependencies: Readers, channel: Channel): OwnChannelDescription {
	return {
		...describe(dependencies, channel),
		graceWindowSeconds: graceWindowSeconds(dependencies, channel),
		ladderChoice: channel.ladderChoice === undefined ? null : describeChoice(channel.ladderChoice),
		serverLadderChoice: describeChoice(dependencies.config.serverLadderChoice),
	};
}

function describeChoice(choice: LadderChoice): NonNullable<OwnChannelDescription['serverLadderChoice']> {
	return typeof choice === 'string' ? choice : [...choice];
}

async function listChannels(dependencies: Readers, asked: ChannelListQuery): Promise<ChannelDescription[]> {
	const { channels, registry } = dependencies;
	const query = asked.query === undefined ? '' : normalizeText(asked.query, 'a search', MAX_QUERY_LENGTH);
	const search = {
		query: query === '' ? undefined : query,
		category: asked.category === undefined ? undefined : normalizeCategory(asked.category),
		limit: DEFAULT_LIST_LENGTH,
	};
	const liveNames = registry.broadcasts.filter(({ state }) => state !== 'ended').map(({ channelName }) => channelName);
	const live = liveNames.length === 0 ? [] : await channels.search({ ...search, names: liveNames, limit: 1000 });
	const described = live.map((channel) => describe(dependencies, channel));
	described.sort((one, other) => (other.viewerCount ?? 0) - (one.viewerCount ?? 0) || (one.name < other.name ? -1 : 1));
	if (asked.state === 'live') {
		return described.filter(({ state }) => state !== 'offline').slice(0, DEFAULT_LIST_LENGTH);
	}
	const isListed = new Set(described.map(({ id }) => id));
	for (const channel of await channels.search(search)) {
		if (!isListed.has(channel.id)) {
			described.push(describe(dependencies, channel));
		}
	}
	return described.slice(0, DEFAULT_LIST_LENGTH);
}

async function listCategories(dependencies: Readers): Promise<Category[]> {
	const names = await dependencies.channels.listCategories();
	// Categories that differ only in case are one.
	const byKey = new Map(names.map((name) => [name.toLowerCase(), { name, liveCount: 0, viewerCount: 0 }]));
	for (const channel of await listChannels(dependencies, { state: 'live' })) {
		const entry = channel.category === null ? undefined : byKey.get(channel.category.toLowerCase());
		if (entry !== undefined) {
			entry.liveCount++;
			entry.viewerCount += channel.viewerCount ?? 0;
		}
	}
	return [...byKey.values()].sort(
		(one, other) => other.viewerCount - one.viewerCount || other.liveCount - one.liveCount,
	);
}
