/** Puts the tiers together into a server that does not listen yet. Tests call this; so does main.ts. */
import type { FastifyInstance, FastifyPluginAsync } from 'fastify';
import type { AddressInfo } from 'node:net';
import { availableParallelism } from 'node:os';
import { SpillwayError } from '../core/errors/errors.ts';
import type { Clock } from '../core/lifecycle/clock.ts';
import { CloseScope } from '../core/lifecycle/close-scope.ts';
import { answerOtherMethods } from '../core/protocol/api/address-methods.ts';
import { addressKey, isLoopback } from '../core/limits/address-key.ts';
import { LISTEN_BACKLOG } from '../core/limits/listen-backlog.ts';
import type { Logger } from '../core/logger.ts';
import { BroadcastRegistry, type PublishPermission } from '../ingest/broadcast/broadcast-registry.ts';
import { createRtmpIngest } from '../ingest/rtmp/rtmp-ingest.ts';
import { DEFAULT_RTMP_SERVER_CONFIG, type RtmpServer } from '../ingest/rtmp/rtmp-server.ts';
import { workLimits } from '../ingest/media-plan/work-budget.ts';
import { WhipSessions } from '../ingest/whip/whip-routes.ts';
import { createPackager, type Packager } from '../packager/create-packager.ts';
import { checkFfmpeg } from '../packager/transcode/ffmpeg-process.ts';
import { createTranscoderFactory } from '../packager/transcode/transcoder-factory.ts';
import { defaultPackagerConfig } from '../packager/config/packager-config.ts';
import { createSfu, type Sfu } from '../sfu/create-sfu.ts';
import { WhepSessions } from '../sfu/whep/whep-routes.ts';
import { createAccounts } from './accounts/create-accounts.ts';
import type { ChannelStore } from './channels/channel-store.ts';
import { createChannels } from './channels/create-channels.ts';
import { rewriteIrcUrl } from './chat/irc/irc-routes.ts';
import { createPublishing } from './publishing/create-publishing.ts';
import { prepareFirstStart, type FirstStartResult } from './publishing/first-start.ts';
import type { StreamKeyStore } from './publishing/stream-key-store.ts';
import { AudienceServices } from './audience-services.ts';
import { openBus, openDatabase } from './server/backing-services.ts';
import { openDataFolder, type Endpoints } from './platform/folder/data-folder.ts';
import { createApp } from './platform/http/create-app.ts';
import { registerErrorHandler } from './platform/http/error-handler.ts';
import { toPortError, type WantedPort } from './platform/http/port-check.ts';
import { createProxyTrust } from './platform/http/trusted-proxies.ts';
import { DescriptorWatch } from './operations/descriptor-watch.ts';
import { checkDisk } from './operations/disk-check.ts';
import { Drain } from './operations/drain.ts';
import { registerHealthRoutes, type HealthRoutesOptions } from './operations/health-routes.ts';
import { apiDocsPage } from './operations/openapi.ts';
import { OpenRequests } from './operations/open-requests.ts';
import { isReachedByTls, type ServerConfig } from './server/server-config.ts';
import { maxWhepSessions, sfuBudget } from './audience/tiers/sfu-budget.ts';
import { createWebPages } from './server/web-pages.ts';

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
	readonly streamKeys: StreamKeyStore;
	/** Secrets made by this start; to be printed once. */
	readonly firstStart: FirstStartResult;
	/** Opens the ports and writes endpoints.json. */
	listen(): Promise<Endpoints>;
	/**
	 * The first step of a stop: /readyz says that the server is not ready, and everything else goes on. Resolves after
	 * operation.drainSeconds; close() follows.
	 */
	drain(): Promise<void>;
	/** Cuts the waits of a stop short. */
	hurry(): void;
	/** Lets viewers and publishers go, ends playlists, answers what is held, closes everything. Idempotent. */
	close(): Promise<void>;
	[Symbol.asyncDispose](): Promise<void>;
}

/** What the program gives the server. */
export type ServerDependencies = {
	clock: Clock;
	logger: Logger;
	/** Folder of the built web pages; without it there are none. */
	webFolder?: string;
	/** Promises that were rejected and nobody handled, for the metrics. */
	unhandledRejectionCount?: () => number;
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
	{ clock, logger, webFolder, unhandledRejectionCount = () => 0 }: ServerDependencies,
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
	const firstStart = await prepareFirstStart({ database, clock, logger, serverSecret }, config);
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
	const packager = createPackager(defaultPackagerConfig(config.hls), {
		clock,
		// Behind a proxy on this machine that names nobody, everybody has a loopback address.
		clientKey: (address) => (isLoopback(address) ? undefined : addressKey(address)),
		logger: logger.child({ tier: 'll-hls' }),
		channels: {
			state: async (name) => {
				const found = await channels.locator.findLive(name);
				return found.state === 'live' ? { state: 'live', broadcastId: found.broadcast.id } : found;
			},
		},
	});
	scope.onClose(() => packager.close('server-shutdown'));
	const transcoders = createTranscoderFactory({ clock });
	const registry = new BroadcastRegistry({
		clock,
		logger: logger.child({ tier: 'ingest' }),
		sfu,
		transcoders,
		limits: workLimits(config.ingest, availableParallelism()),
		openPackager: (broadcast) => packager.startBroadcast(broadcast),
	});
	scope.onClose(() => registry.close());
	const accounts = await createAccounts(
		{ clock, logger, database, bus, serverSecret },
		{
			isSecure: isReachedByTls(config),
			publicUrl: config.http.publicUrl,
			isSignUpOpen: config.accounts.isSignUpOpen,
		},
	);
	scope.onClose(() => accounts.close());
	const viewerCount = (name: string): number | null => services.signaling.audience.viewerCount(name);
	const channels = await createChannels(
		{ clock, logger, database, bus, accounts, registry, viewerCount },
		{
			channelsPerUser: config.accounts.channelsPerUser,
			defaultGraceWindowSeconds: config.ingest.graceWindowSeconds,
		},
	);
	scope.onClose(() => channels.close());
	const publishing = await createPublishing(
		{
			clock,
			logger,
			database,
			serverSecret,
			accounts,
			channels,
			registry,
			viewerCount,
			audience: (channel) => services.signaling.audience.distribution(channel),
			endpoints: () => ({
				httpUrl: String(endpoints?.['httpUrl'] ?? ''),
				rtmpUrl: String(endpoints?.['rtmpUrl'] ?? ''),
			}),
		},
		{
			defaultGraceWindowSeconds: config.ingest.graceWindowSeconds,
			whoMayPublish: config.accounts.whoMayPublish,
		},
	);
	scope.onClose(() => publishing.close());
	const { authorizer } = publishing;

	const whip = new WhipSessions({ clock, logger: logger.child({ tier: 'ingest' }), authorizer, registry });
	scope.onClose(() => whip.close());
	const whep = new WhepSessions({
		clock,
		logger: logger.child({ tier: 'sfu' }),
		findChannel: async (name) => {
			const found = await channels.locator.findLive(name);
			if (found.state !== 'live') {
				return found;
			}
			const { router } = found.broadcast;
			return router === undefined ? { state: 'starting' } : { state: 'live', broadcastRouter: router };
		},
		// Every channel is public until channels can be otherwise. Viewers with a socket are told where to watch; this is for the rest.
		authorizePlayback: async (channel) => {
			const policy = await channels.locator.policyOf(channel);
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
			maxConnected: () => maxWhepSessions(sfuBudget(config.sfu, sfu.pool.usableCount).maxConsumers),
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

	const app = await createApp(config.http, {
		clock,
		logger,
		isSecure: isReachedByTls(config),
		rewriteUrl: rewriteIrcUrl,
	});
	scope.onClose(() => app.close());
	const requests = new OpenRequests(clock);
	requests.watch(app);
	const drain = new Drain(clock, requests);
	// Before the port closes: what players hold is answered, with the end of the playlist, and they may fetch what is left of it.
	scope.onClose(async () => {
		const hadBroadcasts = registry.broadcasts.length > 0;
		await Promise.all([rtmp.close('server-shutdown'), registry.close()]);
		await drain.finishAnswers(hadBroadcasts);
	});
	const descriptors = new DescriptorWatch(clock, logger);
	scope.onClose(() => descriptors.close());
	// After the app, so that it closes before: viewers are told to come again while they are still connected.
	let endpoints: Endpoints | undefined;
	const services = await AudienceServices.create(
		{
			...{
				clock,
				logger,
				config,
				database,
				bus,
				serverSecret,
				accounts,
				channels,
				publishing,
				registry,
				sfu,
				packager,
			},
			...{ transcoders, descriptors, unhandledRejectionCount },
		},
		scope,
	);
	registerErrorHandler(app, logger, clock);
	await services.prepare(app);
	const healthOptions: HealthRoutesOptions = {
		clock,
		isStopping: () => drain.hasBegun || scope.closed,
		checks: {
			database: { isRequired: true, check: () => database.checkHealth() },
			// Without the bus the servers of an installation do not hear of one another; each serves its own viewers.
			bus: { isRequired: false, check: () => bus.checkHealth() },
			workers: { isRequired: true, check: () => void sfu.pool.leastUsed() },
			dataFolder: {
				// Media lives in memory, so that without the embedded database nothing is lost at once.
				isRequired: config.databaseUrl === undefined,
				check: () => checkDisk(dataFolder.temporaryFolder, config.operation.minFreeBytes),
			},
			encoders: { isRequired: false, check: () => encoderTrouble(transcoders.census()) },
			descriptors: {
				isRequired: false,
				check: () =>
					descriptors.isExhausted ? 'There is no file descriptor left, so connections are lost.' : undefined,
			},
		},
	};
	const routes: FastifyPluginAsync = async (scope) => {
		registerHealthRoutes(scope, healthOptions);
		await scope.register(whip.routes);
		await scope.register(whep.routes);
		await scope.register(packager.routes);
		await services.register(scope);
	};
	await app.register(answerOtherMethods(routes));
	await app.register(apiDocsPage);
	if (webFolder !== undefined) {
		// While the database is away nobody can say, so the page decides.
		const isChannel = (name: string): Promise<boolean> =>
			channels.locator.findLive(name).then(
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
		channels: channels.store,
		streamKeys: publishing.streamKeys,
		firstStart,
		async listen() {
			endpoints = await openPorts(config, app, rtmp, sfu);
			await dataFolder.writeEndpoints(endpoints);
			return endpoints;
		},
		drain: () => drain.begin(config.operation.drainSeconds * 1000),
		hurry: () => drain.hurry(),
		close: () => scope.close('server-shutdown'),
		[Symbol.asyncDispose]: () => scope.close('server-shutdown'),
	};
}

/** HTTP, RTMP, WebRTC: what a start may check before it does slow work. */
export function wantedPorts({ http, rtmp, rtc }: ServerConfig): WantedPort[] {
	const { host } = http;
	return [
		{ setting: 'http.port', environmentName: 'SPILLWAY_HTTP_PORT', port: http.port, host },
		{ setting: 'rtmp.port', environmentName: 'SPILLWAY_RTMP_PORT', port: rtmp.port, host },
		// The others of the range are for workers that start when there is work for them.
		{ setting: 'rtc.port', environmentName: 'SPILLWAY_RTC_PORT', port: rtc.port, host: undefined, isUdpToo: true },
	];
}

function encoderTrouble({ failing }: { failing: number }): string | undefined {
	return failing === 0
		? undefined
		: `${failing === 1 ? 'An encoder keeps' : `${failing} encoders keep`} failing and ${failing === 1 ? 'is' : 'are'} started again and again; the log has FFmpeg's words.`;
}

async function openPorts(
	config: ServerConfig,
	app: FastifyInstance,
	rtmp: RtmpServer<PublishPermission>,
	sfu: Sfu,
): Promise<Endpoints> {
	const [http, rtmpDoor] = wantedPorts(config) as [WantedPort, WantedPort];
	await app
		.listen({ host: config.http.host, port: config.http.port, backlog: LISTEN_BACKLOG })
		.catch((error: unknown) => {
			throw toPortError(error, http);
		});
	const httpPort = (app.server.address() as AddressInfo).port;
	const { port: rtmpPort } = await rtmp.listen().catch((error: unknown) => {
		throw toPortError(error, rtmpDoor);
	});
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
