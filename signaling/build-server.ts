/** Assembles all parts into a server that does not listen yet, for main.ts and tests. */
import type { FastifyInstance, FastifyPluginAsync } from 'fastify';
import { availableParallelism } from 'node:os';
import type { Clock } from '../core/lifecycle/clock.ts';
import { CloseScope } from '../core/lifecycle/close-scope.ts';
import type { BroadcastId } from '../core/ids.ts';
import { senderKey } from '../core/limits/address-key.ts';
import type { Logger } from '../core/logger.ts';
import { answerOtherMethods } from '../core/protocol/api/address-methods.ts';
import { BroadcastRegistry } from '../ingest/broadcast/broadcast-registry.ts';
import { parseLadderChoice } from '../core/protocol/ladder-choice.ts';
import { workLimits } from '../ingest/media-plan/work-budget.ts';
import { createRtmpIngest } from '../ingest/rtmp/rtmp-ingest.ts';
import { WhipSessions } from '../ingest/whip/whip-routes.ts';
import { defaultPackagerConfig } from '../packager/config/packager-config.ts';
import { createPackager, type Packager } from '../packager/create-packager.ts';
import { checkFfmpeg } from '../packager/transcode/ffmpeg-process.ts';
import { createTranscoderFactory } from '../packager/transcode/transcoder-factory.ts';
import { createSfu, type Sfu } from '../sfu/create-sfu.ts';
import { WhepSessions } from '../sfu/whep/whep-routes.ts';
import { createAccounts } from './accounts/create-accounts.ts';
import { createAudience } from './audience/create-audience.ts';
import { registerWebSockets } from './audience/socket/signaling-routes.ts';
import { createSfuCapacity, viewerCost } from './audience/tiers/sfu-budget.ts';
import { createWhepAdmission } from './audience/whep-admission.ts';
import { describeChannel, type MediaFacts } from './channels/channel-description.ts';
import type { ChannelStore } from './channels/channel-store.ts';
import { createChannels, type Channels } from './channels/create-channels.ts';
import { createClips } from './clips/create-clips.ts';
import { createChat } from './chat/create-chat.ts';
import { rewriteIrcUrl } from './chat/irc/irc-routes.ts';
import { CpuBudget, readMachineTimes, type CpuTimes } from './operations/cpu-budget.ts';
import { createOperations } from './operations/create-operations.ts';
import { apiDocsPage } from './operations/openapi.ts';
import { Announcements } from './platform/cluster/announcements.ts';
import { createNodeIdentity } from './platform/cluster/node-identity.ts';
import { openDataFolder } from './platform/folder/data-folder.ts';
import { createJobs } from './platform/jobs/create-jobs.ts';
import { createApp } from './platform/http/create-app.ts';
import { registerErrorHandler } from './platform/http/error-handler.ts';
import { SocketAdmission } from './platform/sockets/socket-admission.ts';
import { createPictures } from './pictures/create-pictures.ts';
import { createPublishing } from './publishing/create-publishing.ts';
import { prepareFirstStart, type FirstStartResult } from './publishing/first-start.ts';
import type { StreamKeyStore } from './publishing/stream-key-store.ts';
import { openBus, openDatabase, openObjectStore } from './server/backing-services.ts';
import { openPorts, type Endpoints } from './server/ports.ts';
import { isReachedByTls, type ServerConfig } from './server/server-config.ts';
import {
	accountsConfig,
	allowedOrigins,
	mediaOrigins,
	rtmpConfig,
	sfuConfig,
	videosConfig,
} from './server/tier-configs.ts';
import { createWebPages } from './server/web-pages.ts';
import { createVideos, type Videos } from './videos/create-videos.ts';

export interface SpillwayServer {
	readonly app: FastifyInstance;
	readonly registry: BroadcastRegistry;
	readonly sfu: Sfu;
	readonly packager: Packager;
	readonly channels: ChannelStore;
	readonly streamKeys: StreamKeyStore;
	/** Secrets that this start created; print them once. */
	readonly firstStart: FirstStartResult;
	/** Opens the ports and writes endpoints.json. */
	listen(): Promise<Endpoints>;
	/** The first step of a stop: only /readyz changes, to not ready. Resolves after operation.drainSeconds. */
	drain(): Promise<void>;
	/** Ends the waits of a stop. */
	hurry(): void;
	/** Disconnects viewers and publishers, ends playlists, answers held requests, closes all parts. Idempotent. */
	close(): Promise<void>;
	[Symbol.asyncDispose](): Promise<void>;
}

type ServerDependencies = {
	clock: Clock;
	logger: Logger;
	/** Folder of the built web pages; undefined: no pages. */
	webFolder?: string;
	/** Unhandled rejections, for the metrics. */
	unhandledRejectionCount?: () => number;
	/** CPU times of the machine, for tests of work that waits while it is busy. Default: the real ones. */
	readCpuTimes?: () => CpuTimes;
};

/** Opens data folder, database, bus and workers. After an error it closes the opened parts and rejects. */
export async function buildServer(config: ServerConfig, deps: ServerDependencies): Promise<SpillwayServer> {
	const scope = new CloseScope<'server-shutdown'>(deps.logger);
	try {
		return await assemble(config, deps, scope);
	} catch (error) {
		await scope.close('server-shutdown');
		throw error;
	}
}

async function assemble(
	config: ServerConfig,
	{ clock, logger, webFolder, unhandledRejectionCount = () => 0, readCpuTimes = readMachineTimes }: ServerDependencies,
	scope: CloseScope<'server-shutdown'>,
): Promise<SpillwayServer> {
	/** Closes a part with the server, the last one first. */
	function own<Part extends { close(reason: 'server-shutdown'): void | Promise<void> }>(part: Part): Part {
		scope.onClose(async (reason) => void (await part.close(reason)));
		return part;
	}
	const ingestLogger = logger.child({ part: 'ingest' });

	// The platform.
	await checkFfmpeg(clock);
	const dataFolder = own(await openDataFolder({ path: config.dataFolder, clock, logger }));
	const { serverSecret, temporaryFolder } = dataFolder;
	const database = own(await openDatabase(config, dataFolder, { clock, logger }));
	const jobs = own(createJobs({ database, clock, logger, mayRun: () => mayWork() }));
	const bus = own(await openBus(config, { clock, logger }));
	const node = createNodeIdentity();
	const announcements = own(new Announcements({ ...node, bus, clock, logger }));
	const platform = { ...node, clock, logger, database, bus, announcements, serverSecret };

	const firstStart = await prepareFirstStart(platform, config);

	// Media.
	const sfu = own(await createSfu({ clock, logger }, sfuConfig(config)));
	const packager: Packager = own(
		createPackager(
			{
				clock,
				clientKey: senderKey,
				logger: logger.child({ part: 'packager' }),
				channels: { state: (name) => channels.locator.find(name) },
			},
			defaultPackagerConfig(config.hls),
		),
	);
	const transcoders = createTranscoderFactory({ clock, logger: ingestLogger, encoder: config.ingest.encoder });
	const serverLadderChoice = parseLadderChoice(config.ingest.ladder) ?? 'automatic';
	const registry = own(
		new BroadcastRegistry({
			clock,
			logger: ingestLogger,
			sfu,
			transcoders,
			limits: workLimits(config.ingest, availableParallelism()),
			ladderChoice: serverLadderChoice,
			openPackager: (broadcast) => packager.startBroadcast(broadcast),
		}),
	);

	// Accounts, channels, chat, audience.
	const { graceWindowSeconds: defaultGraceWindowSeconds } = config.ingest;
	const { channelsPerUser, whoMayPublish } = config.accounts;
	const viewerCount = (name: string): number | null => audience.viewerCount(name);
	const mediaFacts = (broadcastId: BroadcastId): MediaFacts => ({
		stillVersion: pictures.stillVersion(broadcastId),
		canBeClipped: videos.isRecording(broadcastId),
	});
	const mayWork = (): boolean => !cpuBudget.isRed();
	const addresses = { httpUrl: '', rtmpUrl: '' };
	const accounts = own(await createAccounts(platform, accountsConfig(config)));
	const channels: Channels = own(
		await createChannels(
			{ ...platform, accounts, registry, viewerCount, mediaFacts },
			{ channelsPerUser, defaultGraceWindowSeconds, serverLadderChoice },
		),
	);
	const publishing = own(
		await createPublishing(
			{
				...platform,
				accounts,
				channels,
				registry,
				viewerCount,
				audience: (channel) => audience.distribution(channel),
				endpoints: () => addresses,
			},
			{ defaultGraceWindowSeconds, whoMayPublish },
		),
	);
	const pictures = own(createPictures({ ...platform, registry, packager, locator: channels.locator, mayRun: mayWork }));
	const { mediaFolder } = dataFolder;
	const objects = own(await openObjectStore(config, dataFolder, { clock, logger }));
	const videos: Videos = own(
		createVideos(
			{
				...platform,
				store: objects,
				uploads: () => ('uploadState' in objects ? objects.uploadState : undefined),
				jobs,
				registry,
				packager,
				pictures: pictures.maker,
				mayWork,
				accounts,
				channels,
				clips: () => clips.ofVideos,
			},
			videosConfig(config, mediaFolder),
		),
	);
	const clips = createClips(
		{
			...platform,
			store: objects,
			jobs,
			registry,
			pictures: pictures.maker,
			mayWork,
			accounts,
			channels,
			videos,
		},
		{ ...config.clips, temporaryFolder },
	);
	const { authorizer } = publishing;
	const admission = new SocketAdmission(config.http);
	const chat = own(createChat({ ...platform, accounts, channels, admission }));
	const capacity = own(createSfuCapacity(sfu.pool, config.sfu, { clock, logger }));
	const encoderLagMs = (): number =>
		Math.max(0, ...registry.broadcasts.map(({ pictureEncoder }) => pictureEncoder?.lagMs ?? 0));
	const cpuBudget = new CpuBudget({ clock, readTimes: readCpuTimes, sfu: capacity, encoderLagMs });
	const audience = own(
		createAudience({
			...platform,
			channels: channels.locator,
			chat: chat.service,
			authenticator: accounts.authenticator,
			sfu: capacity,
			describe: (channel) => {
				const broadcast = registry.find(channel.name);
				return describeChannel(channel, broadcast, broadcast === undefined ? {} : mediaFacts(broadcast.id));
			},
			costOf: (name) => {
				const broadcast = registry.find(name);
				return viewerCost(broadcast?.health, broadcast?.router?.stage.video.layers.onAir);
			},
			allowedOrigins: allowedOrigins(config),
			admission,
		}),
	);

	// Events.
	accounts.endWithSession(audience.sessions);
	scope.onClose(channels.control.on('channelChanged', (_channelId, name) => void audience.channelChanged(name)));
	scope.onClose(channels.locator.onChanged((name) => void audience.channelChanged(name)));
	scope.onClose(sfu.pool.on('workerDied', () => audience.loadChanged()));

	// Protocols.
	const whip = own(new WhipSessions({ clock, logger: ingestLogger, authorizer, registry }));
	const whep = own(
		new WhepSessions({
			clock,
			logger: logger.child({ part: 'sfu' }),
			...createWhepAdmission({ locator: channels.locator, audience, capacity }, config.sfu),
		}),
	);
	const rtmp = own(createRtmpIngest({ clock, logger: ingestLogger, authorizer, registry }, rtmpConfig(config)));
	const operations = own(
		createOperations(
			{
				...platform,
				sfu,
				registry,
				packager,
				transcoders,
				viewers: () => audience.viewersByTier(registry.broadcasts),
				viewersByRung: () => audience.viewersByRung(registry.broadcasts),
				jobs,
				unhandledRejections: unhandledRejectionCount,
				signal: scope.signal,
			},
			{
				temporaryFolder,
				minFreeBytes: config.operation.minFreeBytes,
				isDatabaseEmbedded: config.databaseUrl === undefined,
				metricsToken: config.metrics.token,
			},
		),
	);
	const isSecure = isReachedByTls(config);
	const app = await createApp(config.http, { clock, logger, isSecure, rewriteUrl: rewriteIrcUrl });
	// A stop runs from the last line to the first: sockets of viewers and chat close; broadcasts end; the port closes;
	// running jobs end or are broken off.
	own(jobs);
	scope.onClose(() => app.close());
	scope.onClose(() => operations.drain.endBroadcasts(registry, rtmp));
	own(chat);
	own(audience);

	// Routes.
	registerErrorHandler(app, logger, clock);
	await registerWebSockets(app);
	await operations.prepare(app);
	const routes: FastifyPluginAsync = async (server) => {
		for (const part of [
			whip,
			whep,
			packager,
			accounts,
			channels,
			publishing,
			pictures,
			videos,
			clips,
			chat,
			audience,
			operations,
		]) {
			await server.register(part.routes);
		}
	};
	await app.register(answerOtherMethods(routes));
	await app.register(apiDocsPage);
	if (webFolder !== undefined) {
		await app.register(
			createWebPages(
				{
					isChannel: (name) => channels.locator.mayExist(name),
					isVideo: (id) => videos.mayExist(id),
					isClip: (id) => clips.mayExist(id),
				},
				{ folder: webFolder, mediaOrigins: mediaOrigins(config) },
			),
		);
	}
	await jobs.start();
	await videos.start();
	return {
		app,
		registry,
		sfu,
		packager,
		channels: channels.store,
		streamKeys: publishing.streamKeys,
		firstStart,
		async listen() {
			const endpoints = await openPorts(config, { app, rtmp, sfu });
			Object.assign(addresses, endpoints);
			await dataFolder.writeEndpoints(endpoints);
			return endpoints;
		},
		drain: () => operations.drain.begin(config.operation.drainSeconds * 1000),
		hurry: () => operations.drain.hurry(),
		close: () => scope.close('server-shutdown'),
		[Symbol.asyncDispose]: () => scope.close('server-shutdown'),
	};
}
