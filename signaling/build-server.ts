/** Puts the tiers together into a server that does not listen yet. Tests call this; so does main.ts. */
import fastify, { type FastifyInstance } from 'fastify';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { SpillwayError } from '../core/errors.ts';
import type { Clock } from '../core/clock.ts';
import { CloseScope } from '../core/close-scope.ts';
import { parseChannelName } from '../core/ids.ts';
import type { ChannelPolicy } from '../core/protocol/channel-description.ts';
import type { Logger } from '../core/logger.ts';
import { BroadcastRegistry, type PublishPermission } from '../ingest/broadcast-registry.ts';
import { createRtmpIngest } from '../ingest/rtmp-ingest.ts';
import { DEFAULT_RTMP_SERVER_CONFIG, type RtmpServer } from '../ingest/rtmp/rtmp-server.ts';
import { WhipSessions } from '../ingest/whip/whip-routes.ts';
import { createPackager, type Packager } from '../packager/create-packager.ts';
import { checkFfmpeg } from '../packager/ffmpeg/ffmpeg-process.ts';
import { createTranscoderFactory } from '../packager/ffmpeg/transcoder.ts';
import { defaultPackagerConfig } from '../packager/packager-config.ts';
import { createSfu, type Sfu } from '../sfu/create-sfu.ts';
import { WhepSessions } from '../sfu/whep/whep-routes.ts';
import { BroadcastJournal } from './channels/broadcast-journal.ts';
import { ChannelStore } from './channels/channel-store.ts';
import { prepareFirstStart, type FirstStartResult } from './channels/first-start.ts';
import { PublishAuthorizer } from './channels/publish-authorizer.ts';
import { AudienceServices } from './audience-services.ts';
import { openBus, openDatabase } from './backing-services.ts';
import { rewriteIrcUrl } from './chat/irc/irc-routes.ts';
import { KnownNetworks } from './database/known-networks.ts';
import { openDataFolder, type Endpoints } from './data-folder.ts';
import { createFrameworkErrorHandler, registerErrorHandler } from './http/error-handler.ts';
import { requestLimits } from './http/request-limits.ts';
import { createProxyTrust } from './http/trusted-proxies.ts';
import { registerHealthRoutes } from './operations/health-routes.ts';
import type { ServerConfig } from './server-config.ts';
import { maxWhepSessions, sfuBudget } from './tiers/sfu-budget.ts';
import { createWebPages } from './web-pages.ts';

/** After a refusal to show a channel by WebRTC. */
const MASS_ONLY_RETRY_SECONDS = 10;
/** Sessions beyond a channel's seats: viewers who are on their way out, while others come. */
const MAX_SPARE_SEATS = 2;

/** A server, complete but silent until listen(). */
export interface SpillwayServer {
	readonly app: FastifyInstance;
	readonly registry: BroadcastRegistry;
	readonly sfu: Sfu;
	readonly packager: Packager;
	readonly channels: ChannelStore;
	/** Secrets made by this start; to be printed once. */
	readonly firstStart: FirstStartResult;
	/** Opens the ports and writes endpoints.json. */
	listen(): Promise<Endpoints>;
	/** Stops accepting, lets viewers and publishers go, ends playlists, closes everything. Idempotent. */
	close(): Promise<void>;
	[Symbol.asyncDispose](): Promise<void>;
}

/** What the program gives the server. */
export type ServerDependencies = {
	clock: Clock;
	logger: Logger;
	/** Folder of the built web pages; without it there are none. */
	webFolder?: string;
};

/** Opens data folder, database, bus and workers. Rejects with what is wrong, having closed what was open. */
export async function buildServer(config: ServerConfig, dependencies: ServerDependencies): Promise<SpillwayServer> {
	const scope = new CloseScope<'server-shutdown'>(dependencies.logger);
	try {
		return await assemble(config, dependencies, scope);
	} catch (error) {
		await scope.close('server-shutdown');
		throw error;
	}
}

async function assemble(
	config: ServerConfig,
	{ clock, logger, webFolder }: ServerDependencies,
	scope: CloseScope<'server-shutdown'>,
): Promise<SpillwayServer> {
	await checkFfmpeg(clock);
	const dataFolder = await openDataFolder({ path: config.dataFolder, clock, logger });
	scope.onClose(() => dataFolder.close());
	const database = await openDatabase(config, dataFolder, { clock, logger });
	scope.onClose(() => database.close());
	const bus = await openBus(config, { clock, logger });
	scope.onClose(() => bus.close());
	const { serverSecret } = dataFolder;
	const channels = new ChannelStore({
		...{ database, clock, serverSecret },
		onStreamKeyMade: (id, hash) => authorizer.expect(id, hash),
	});
	const firstStart = await prepareFirstStart({
		database,
		clock,
		logger,
		serverSecret,
		demoStreamKey: config.demoStreamKey,
	});
	const networks = new KnownNetworks('stream-key', { database, clock, logger, serverSecret });
	const authorizer = new PublishAuthorizer({
		lookup: channels,
		networks,
		clock,
		logger,
		serverSecret,
		defaultGraceWindowSeconds: config.ingest.graceWindowSeconds,
	});
	await Promise.all([networks.load(), authorizer.load()]);

	const sfu = await createSfu(
		{
			rtcPort: config.rtc.port,
			announcedAddresses: config.rtc.announcedAddresses,
			workerCount: config.rtc.workerCount,
			plainPortMin: config.rtc.plainPortMin,
			plainPortMax: config.rtc.plainPortMax,
			workerBin: config.mediasoupWorkerBin,
		},
		{ clock, logger },
	);
	scope.onClose(() => sfu.close());
	const packager = createPackager(defaultPackagerConfig({ windowSeconds: config.hls.windowSeconds }), {
		clock,
		logger: logger.child({ tier: 'll-hls' }),
		channels: {
			state: async (name) => {
				const found = await findLive(name);
				return found.state === 'live' ? { state: 'live', broadcastId: found.broadcast.id } : found;
			},
		},
	});
	scope.onClose(() => packager.close('server-shutdown'));
	const registry = new BroadcastRegistry({
		clock,
		logger: logger.child({ tier: 'ingest' }),
		sfu,
		transcoders: createTranscoderFactory({ clock }),
		openPackager: (broadcast) => packager.startBroadcast(broadcast),
	});
	scope.onClose(() => registry.close());
	const journal = new BroadcastJournal({ database, registry, clock, logger });
	await journal.start();
	scope.onClose(() => journal.close());

	// What a name in an address stands for. A running broadcast answers without the database, so that viewers outlive it.
	async function findLive(
		name: string,
	): Promise<
		| { state: 'unknown' | 'offline' | 'starting' }
		| { state: 'live'; broadcast: NonNullable<ReturnType<typeof registry.find>> }
	> {
		const channelName = parseChannelName(name);
		if (channelName === undefined) {
			return { state: 'unknown' };
		}
		const broadcast = registry.find(channelName);
		if (broadcast === undefined || broadcast.state === 'ended') {
			return { state: (await channels.findByName(channelName)) === undefined ? 'unknown' : 'offline' };
		}
		return broadcast.state === 'starting' ? { state: 'starting' } : { state: 'live', broadcast };
	}

	/** Undefined while the database is away: what is on air goes on. */
	async function policyOf(channel: string): Promise<ChannelPolicy | undefined> {
		const name = parseChannelName(channel);
		return name === undefined
			? undefined
			: channels.findByName(name).then(
					(found) => found?.policy,
					() => undefined,
				);
	}

	const whip = new WhipSessions({ clock, logger: logger.child({ tier: 'ingest' }), authorizer, registry });
	scope.onClose(() => whip.close());
	const whep = new WhepSessions({
		clock,
		logger: logger.child({ tier: 'sfu' }),
		findChannel: async (name) => {
			const found = await findLive(name);
			if (found.state !== 'live') {
				return found;
			}
			const { router } = found.broadcast;
			return router === undefined ? { state: 'starting' } : { state: 'live', broadcastRouter: router };
		},
		// Every channel is public until channels can be otherwise. Viewers with a socket are told where to watch; this is for the rest.
		authorizePlayback: async (channel) => {
			const policy = await policyOf(channel);
			if (policy?.mode === 'mass-only') {
				throw new SpillwayError('SFU_UNAVAILABLE', ['this channel is shown over LL-HLS only'], {
					retryAfterSeconds: MASS_ONLY_RETRY_SECONDS,
				});
			}
			const seats = policy?.interactiveSeats ?? undefined;
			return seats === undefined ? {} : { maxViewers: seats + MAX_SPARE_SEATS };
		},
		isViewer: (viewerId, channel) => services.signaling.isViewer(viewerId, channel),
		onConnected: (session) => services.signaling.addWhepSession(session),
		limits: {
			maxPending: config.sfu.maxPendingSessions,
			maxConnected: () => maxWhepSessions(sfuBudget(config.sfu, sfu.pool.workers.length).maxConsumers),
		},
	});
	scope.onClose(() => whep.close());
	const rtmp = createRtmpIngest(
		{
			...DEFAULT_RTMP_SERVER_CONFIG,
			port: config.rtmp.port,
			host: config.http.host,
			maxConnectionCount: config.rtmp.maxConnections,
			reservedConnectionCount: config.rtmp.reservedConnections,
			maxStrangersPerAddress: config.rtmp.maxConnectionsPerAddress,
			...(config.rtmp.proxyProtocol ? { isProxy: createProxyTrust(config.http.trustedProxies) } : {}),
		},
		{ clock, logger: logger.child({ tier: 'ingest' }), authorizer, registry },
	);
	scope.onClose(() => rtmp.close('server-shutdown'));

	const app = await createApp(config, clock, logger);
	scope.onClose(() => app.close());
	// After the app, so that it closes before: viewers are told to come again while they are still connected.
	let endpoints: Endpoints | undefined;
	const services = await AudienceServices.create(
		{
			...{ clock, logger, config, database, bus, serverSecret, channels, authorizer, registry, sfu, packager },
			endpoints: () => ({
				httpUrl: String(endpoints?.['httpUrl'] ?? ''),
				rtmpUrl: String(endpoints?.['rtmpUrl'] ?? ''),
			}),
		},
		scope,
	);
	registerErrorHandler(app, logger);
	await services.prepare(app);
	registerHealthRoutes(app, {
		clock,
		isStopping: () => scope.closed,
		checks: {
			database: () => database.checkHealth(),
			bus: () => bus.checkHealth(),
			workers: async () => void sfu.pool.leastUsed(),
		},
	});
	await app.register(whip.routes);
	await app.register(whep.routes);
	await app.register(packager.routes);
	await services.register(app);
	if (webFolder !== undefined) {
		// While the database is away nobody can say, so the page decides.
		const isChannel = (name: string): Promise<boolean> =>
			findLive(name).then(
				({ state }) => state !== 'unknown',
				() => true,
			);
		await app.register(createWebPages(webFolder, isChannel));
	}
	return {
		app,
		registry,
		sfu,
		packager,
		channels,
		firstStart,
		async listen() {
			endpoints = await openPorts(config, app, rtmp, sfu);
			await dataFolder.writeEndpoints(endpoints);
			return endpoints;
		},
		close: () => scope.close('server-shutdown'),
		[Symbol.asyncDispose]: () => scope.close('server-shutdown'),
	};
}

// fastify logs nothing itself: the error handler and the tiers log what matters, with our fields.
async function createApp(config: ServerConfig, clock: Clock, logger: Logger): Promise<FastifyInstance> {
	const common = {
		...requestLimits(() => clock.nowMs(), config.http.trustedProxies),
		rewriteUrl: rewriteIrcUrl,
		frameworkErrors: createFrameworkErrorHandler(logger),
		// Held playlist requests would keep the server for seconds; players ask again.
		forceCloseConnections: true,
	} as const;
	const { tlsCertificateFile, tlsKeyFile } = config.http;
	if (tlsCertificateFile === undefined || tlsKeyFile === undefined) {
		return withCommonHooks(fastify(common));
	}
	const [cert, key] = await Promise.all([readFile(tlsCertificateFile), readFile(tlsKeyFile)]);
	const { http: _http, ...http2Options } = common;
	// Fastify's types know no forced close over HTTP/2, its code does.
	const options = { ...http2Options, http2: true, https: { allowHTTP1: true, cert, key } } as object;
	return withCommonHooks(fastify(options) as FastifyInstance);
}

/** What every answer has, and what is made good in every request. */
function withCommonHooks(app: FastifyInstance): FastifyInstance {
	app.addHook('onRequest', (_request, reply, done) => {
		reply.header('x-content-type-options', 'nosniff');
		done();
	});
	return withoutEmptyTypes(app);
}

/** Many programs name a content type also where there is no content; fastify would refuse that. */
function withoutEmptyTypes(app: FastifyInstance): FastifyInstance {
	app.addHook('onRequest', (request, _reply, done) => {
		const { headers, method } = request;
		const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
		if (method === 'DELETE' && !hasBody) {
			delete headers['content-type'];
		}
		done();
	});
	return app;
}

async function openPorts(
	config: ServerConfig,
	app: FastifyInstance,
	rtmp: RtmpServer<PublishPermission>,
	sfu: Sfu,
): Promise<Endpoints> {
	await app.listen({ host: config.http.host, port: config.http.port });
	const httpPort = (app.server.address() as AddressInfo).port;
	const { port: rtmpPort } = await rtmp.listen();
	const scheme = config.http.tlsCertificateFile === undefined ? 'http' : 'https';
	const host = config.http.host === '0.0.0.0' || config.http.host === '::' ? 'localhost' : config.http.host;
	return {
		httpUrl: config.http.publicUrl?.replace(/\/$/, '') ?? `${scheme}://${host}:${httpPort}`,
		rtmpUrl: `rtmp://${config.http.publicUrl === undefined ? host : new URL(config.http.publicUrl).hostname}:${rtmpPort}/live`,
		httpPort,
		rtmpPort,
		rtcPorts: sfu.pool.ports.join(','),
		processId: process.pid,
	};
}
