/** Creates operations: readiness, metrics, the API's description, and the graceful stop. */
import { readFileSync } from 'node:fs';
import type { FastifyInstance, FastifyPluginAsync } from 'fastify';
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { BroadcastRegistry } from '../../ingest/broadcast/broadcast-registry.ts';
import type { Packager } from '../../packager/create-packager.ts';
import type { FfmpegTranscoderFactory } from '../../packager/transcode/transcoder-factory.ts';
import type { Sfu } from '../../sfu/create-sfu.ts';
import type { MessageBus } from '../platform/bus/message-bus.ts';
import type { Database } from '../platform/database/database.ts';
import type { Jobs } from '../platform/jobs/jobs.ts';
import { DescriptorWatch, readDescriptors } from './descriptor-watch.ts';
import { checkDisk } from './disk-check.ts';
import { Drain } from './drain.ts';
import { registerHealthRoutes, type ReadinessCheck } from './health-routes.ts';
import { Metrics, type MetricsReadings } from './metrics.ts';
import { openApiRoutes, registerOpenApi } from './openapi.ts';

type OperationsDependencies = {
	clock: Clock;
	logger: Logger;
	database: Pick<Database, 'checkHealth'>;
	bus: Pick<MessageBus, 'checkHealth'>;
	sfu: Pick<Sfu, 'pool'>;
	registry: Pick<
		BroadcastRegistry,
		'broadcasts' | 'encoderPixelsPerSecond' | 'ladderPixelsPerSecond' | 'droppedRungCount'
	>;
	packager: Pick<Packager, 'counters'>;
	transcoders: Pick<FfmpegTranscoderFactory, 'census' | 'encoder'>;
	viewers: MetricsReadings['viewers'];
	viewersByRung: MetricsReadings['viewersByRung'];
	jobs: Pick<Jobs, 'counts'>;
	unhandledRejections: MetricsReadings['unhandledRejections'];
	/** Aborts when the server closes. */
	signal: AbortSignal;
};

type OperationsConfig = {
	/** Its disk is checked for free space. */
	temporaryFolder: string;
	minFreeBytes: number;
	/** The data folder holds the database. */
	isDatabaseEmbedded: boolean;
	/** The token that scrapers must send; undefined allows every client to read. */
	metricsToken: string | undefined;
};

type Operations = {
	readonly drain: Drain;
	/** Call it before any route is registered: collects routes, counts requests and answers. */
	prepare(app: FastifyInstance): Promise<void>;
	/** Health, metrics and the API's description. */
	readonly routes: FastifyPluginAsync;
	close(): void;
};

/** Watches at once. */
export function createOperations(deps: OperationsDependencies, config: OperationsConfig): Operations {
	const { clock, logger, sfu, registry, packager, transcoders, viewers, viewersByRung } = deps;
	const { jobs, unhandledRejections, signal } = deps;
	const drain = new Drain(clock);
	const descriptors = new DescriptorWatch({ clock, logger });
	const readings: MetricsReadings = {
		broadcasts: () => registry.broadcasts,
		viewers,
		viewersByRung,
		packager: () => packager.counters,
		workers: () => sfu.pool.readLoads(),
		encoders: () => transcoders.census(),
		encoderPixelsPerSecond: () => registry.encoderPixelsPerSecond,
		ladderPixelsPerSecond: () => registry.ladderPixelsPerSecond,
		droppedRungCount: () => registry.droppedRungCount,
		pictureEncoderName: () => transcoders.encoder?.name,
		jobs: () => jobs.counts(),
		descriptors: readDescriptors,
		descriptorsExhausted: () => descriptors.exhaustedCount,
		unhandledRejections,
	};
	const metrics = new Metrics({ clock, logger, readings }, { token: config.metricsToken });
	return {
		drain,
		prepare: async (app) => {
			drain.watch(app);
			await registerOpenApi(app, readVersion());
			app.addHook('onResponse', metrics.countResponse);
		},
		routes: async (app) => {
			const checks = readinessChecks(deps, config, descriptors);
			registerHealthRoutes(app, { clock, checks, isStopping: () => drain.hasBegun || signal.aborted });
			await app.register(metrics.routes);
			await app.register(openApiRoutes);
		},
		close: () => {
			metrics.close();
			descriptors.close();
		},
	};
}

function readinessChecks(
	{ database, bus, sfu, transcoders }: OperationsDependencies,
	{ temporaryFolder, minFreeBytes, isDatabaseEmbedded }: OperationsConfig,
	descriptors: DescriptorWatch,
): Record<string, ReadinessCheck> {
	return {
		database: { isRequired: true, check: () => database.checkHealth() },
		// Without the bus the nodes of an installation are separate; each serves its own viewers.
		bus: { isRequired: false, check: () => bus.checkHealth() },
		workers: { isRequired: true, check: () => void sfu.pool.leastUsed() },
		// Media is in memory, so without the embedded database a full disk loses nothing at once.
		dataFolder: { isRequired: isDatabaseEmbedded, check: () => checkDisk(temporaryFolder, minFreeBytes) },
		encoders: { isRequired: false, check: () => describeFailing(transcoders.census().failing) },
		descriptors: {
			isRequired: false,
			check: () => (descriptors.isExhausted ? 'There is no file descriptor left, so connections are lost.' : undefined),
		},
	};
}

function describeFailing(count: number): string | undefined {
	const [subject, are] = count === 1 ? ['An encoder keeps', 'is'] : [`${count} encoders keep`, 'are'];
	return count === 0 ? undefined : `${subject} failing and ${are} started again and again; the log has FFmpeg's words.`;
}

function readVersion(): string {
	const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
	return (JSON.parse(text) as { version: string }).version;
}
