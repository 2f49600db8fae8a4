/** What viewers and streamers talk to besides media: accounts, the channels' API, chat, the signaling sockets, figures. */
import { readFileSync } from 'node:fs';
import type { FastifyInstance, FastifyPluginAsync } from 'fastify';
import type { Clock } from '../core/lifecycle/clock.ts';
import type { CloseScope } from '../core/lifecycle/close-scope.ts';
import type { ChannelName } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import type { BroadcastRegistry } from '../ingest/broadcast/broadcast-registry.ts';
import type { Packager } from '../packager/create-packager.ts';
import type { FfmpegTranscoderFactory } from '../packager/transcode/transcoder-factory.ts';
import type { Sfu } from '../sfu/create-sfu.ts';
import type { Accounts } from './accounts/create-accounts.ts';
import { createSignaling, type Signaling } from './audience/create-signaling.ts';
import type { MessageBus } from './platform/bus/message-bus.ts';
import { describeChannel } from './channels/channel-description.ts';
import type { Channel } from './channels/channel-store.ts';
import type { Channels } from './channels/create-channels.ts';
import type { Publishing } from './publishing/create-publishing.ts';
import { createChat } from './chat/create-chat.ts';
import type { Database } from './platform/database/database.ts';
import { openApiRoutes, registerOpenApi } from './operations/openapi.ts';
import { Metrics } from './operations/metrics.ts';
import { readDescriptors, type DescriptorWatch } from './operations/descriptor-watch.ts';
import type { ServerConfig } from './server/server-config.ts';
import { registerWebSockets } from './audience/socket/signaling-routes.ts';
import { SocketAdmission } from './platform/sockets/socket-admission.ts';
import { SfuLoadMeter, sfuBudget } from './audience/tiers/sfu-budget.ts';

/** What they need of the server. */
export type AudienceServicesDependencies = {
	clock: Clock;
	logger: Logger;
	config: ServerConfig;
	database: Database;
	bus: MessageBus;
	serverSecret: Uint8Array;
	accounts: Accounts;
	channels: Channels;
	publishing: Publishing;
	registry: BroadcastRegistry;
	sfu: Sfu;
	packager: Packager;
	transcoders: Pick<FfmpegTranscoderFactory, 'census'>;
	descriptors: Pick<DescriptorWatch, 'exhaustedCount'>;
	unhandledRejectionCount: () => number;
};

/** A viewer with sound and picture. */
const CONSUMERS_PER_VIEWER = 2;
/** Until a publisher's rate is known. */
const ASSUMED_BITRATE_BPS = 3_000_000;

/** Everything of this file, put together. */
export class AudienceServices {
	readonly signaling: Signaling;
	readonly #routes: readonly FastifyPluginAsync[];
	readonly #metrics: Metrics;

	private constructor(parts: { signaling: Signaling; routes: readonly FastifyPluginAsync[]; metrics: Metrics }) {
		this.signaling = parts.signaling;
		this.#routes = parts.routes;
		this.#metrics = parts.metrics;
	}

	/** Begins; `scope` closes what was begun. */
	static async create(
		dependencies: AudienceServicesDependencies,
		scope: CloseScope<'server-shutdown'>,
	): Promise<AudienceServices> {
		const { clock, logger, config, bus, database, serverSecret, registry, sfu, packager } = dependencies;
		const { accounts, channels, publishing } = dependencies;
		const admission = new SocketAdmission(config.http);
		const chat = createChat({ bus, database, clock, logger, serverSecret, accounts, channels, admission });
		scope.onClose(() => chat.close());
		const meter = new SfuLoadMeter(sfu.pool, sfu.pool.usableCount, { clock, logger });
		scope.onClose(() => meter.close());
		meter.start();
		const signaling: Signaling = createSignaling({
			...{ clock, logger, bus, database, serverSecret },
			channels: channels.locator,
			chat: chat.service,
			authenticator: accounts.authenticator,
			sfu: {
				budget: () => sfuBudget(config.sfu, sfu.pool.usableCount),
				load: () => meter.reading.load,
			},
			describe: (channel) => describeNow(channel),
			costOf: (name) => costOf(registry, name),
			allowedOrigins: [
				...config.http.allowedOrigins,
				...(config.http.publicUrl === undefined ? [] : [new URL(config.http.publicUrl).origin]),
			],
			admission,
		});
		scope.onClose(() => signaling.close());
		scope.onClose(channels.locator.onChanged((name) => void signaling.channelChanged(name)));
		accounts.endWithSession(signaling.sessions);
		scope.onClose(sfu.pool.on('workerDied', () => signaling.loadChanged()));
		function describeNow(channel: Channel): ReturnType<typeof describeChannel> {
			return describeChannel(channel, registry.find(channel.name), signaling.audience.viewerCount(channel.name));
		}
		channels.control.on('channelChanged', (channelId) => {
			void channels.store.findById(channelId).then(
				(channel) => channel && signaling.channelChanged(channel.name),
				// The database is away; the sockets are told with the next change.
				() => undefined,
			);
		});
		const metrics = new Metrics(
			{
				broadcasts: () => registry.broadcasts,
				viewers: () => viewersByTier(registry, signaling),
				packager: () => packager.counters,
				workers: () => sfu.pool.readLoads(),
				encoders: () => dependencies.transcoders.census(),
				encoderPixelsPerSecond: () => registry.encoderPixelsPerSecond,
				descriptors: readDescriptors,
				descriptorsExhausted: () => dependencies.descriptors.exhaustedCount,
				unhandledRejections: dependencies.unhandledRejectionCount,
			},
			{ clock, logger, token: config.metrics.token },
		);
		scope.onClose(() => metrics.close());
		const routes = [accounts, channels, publishing, chat, signaling, metrics].map((part) => part.routes);
		return new AudienceServices({ signaling, routes, metrics });
	}

	/** What must come before any route: sockets, the collector of routes, the counter of answers. */
	async prepare(app: FastifyInstance): Promise<void> {
		const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
			version: string;
		};
		await registerWebSockets(app);
		await registerOpenApi(app, version);
		app.addHook('onResponse', this.#metrics.countResponse);
	}

	/** All routes; after those of the tiers, which the API's description lists, too. */
	async register(app: FastifyInstance): Promise<void> {
		for (const routes of this.#routes) {
			await app.register(routes);
		}
		await app.register(openApiRoutes);
	}
}

function costOf(registry: BroadcastRegistry, name: ChannelName): { consumersPerViewer: number; bitrateBps: number } {
	const health = registry.find(name)?.health;
	const measuredBps = (health?.videoBitrateBps ?? 0) + (health?.audioBitrateBps ?? 0);
	return { consumersPerViewer: CONSUMERS_PER_VIEWER, bitrateBps: measuredBps || ASSUMED_BITRATE_BPS };
}

function viewersByTier(registry: BroadcastRegistry, signaling: Signaling): { webrtc: number; 'll-hls': number } {
	const sum = { webrtc: 0, 'll-hls': 0 };
	for (const { channelId, channelName } of registry.broadcasts) {
		const { byTier } = signaling.audience.distribution({ id: channelId, name: channelName });
		sum.webrtc += byTier.webrtc.count;
		sum['ll-hls'] += byTier['ll-hls'].count;
	}
	return sum;
}
