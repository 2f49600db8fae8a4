/** The packager's routes behind fastify, and a source that plays in real time. For tests. */
import Fastify, { type FastifyInstance } from 'fastify';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock, type Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import type { BroadcastId, ChannelName } from '../../core/ids.ts';
import { silentLogger, type Logger } from '../../core/logger.ts';
import type { AccessUnit } from '../../core/media/access-unit.ts';
import type { TrackSink } from '../../core/media/track-sink.ts';
import { answerOtherMethods } from '../../core/protocol/api/address-methods.ts';
import { createPackager, type Packager, type PackagerChannelState } from '../create-packager.ts';
import type { BroadcastPackager } from '../live/broadcast-packager.ts';
import { defaultPackagerConfig, type PackagerConfig } from '../config/packager-config.ts';

/** A packager behind fastify, with an error handler like the product's. */
export type TestOrigin = AsyncDisposable & {
	packager: Packager;
	server: FastifyInstance;
	/** A channel is unknown until its state is set here. */
	channels: Map<string, PackagerChannelState>;
};

/** The caller calls `listen()`. */
export function createTestOrigin(
	options: { clock?: Clock; logger?: Logger; config?: Partial<PackagerConfig>; isHttp2?: boolean } = {},
): TestOrigin {
	const channels = new Map<string, PackagerChannelState>();
	const packager = createPackager(
		{
			clock: options.clock ?? systemClock,
			logger: options.logger ?? silentLogger,
			channels: { state: async (name) => channels.get(name) ?? { state: 'unknown' } },
		},
		defaultPackagerConfig(options.config),
	);
	const common = { forceCloseConnections: true, routerOptions: { ignoreTrailingSlash: true } };
	// A server for HTTP/2 has the same methods but its own types.
	const server = Fastify((options.isHttp2 ? { ...common, http2: true } : common) as typeof common);
	server.setErrorHandler(async (error, _request, reply) => {
		const status = error instanceof SpillwayError ? error.httpStatus : 500;
		const code = error instanceof SpillwayError ? error.code : 'INTERNAL_ERROR';
		return reply
			.code(status)
			.type('application/problem+json')
			.send({ status, code, detail: String(error) });
	});
	void server.register(answerOtherMethods(packager.routes));
	return {
		packager,
		server,
		channels,
		async [Symbol.asyncDispose]() {
			await packager.close('packager-closed');
			await server.close();
		},
	};
}

/** Begins a broadcast on the channel `demo`, which is live from then on. */
export function startDemo(
	{ packager, channels }: TestOrigin,
	broadcastId = '01test' as BroadcastId,
): BroadcastPackager {
	channels.set('demo', { state: 'live', broadcastId });
	return packager.startBroadcast({ broadcastId, channelName: 'demo' as ChannelName });
}

/** Writes each unit when it is due: `startSeconds` is now. Stops early when the signal aborts. */
export async function playInRealTime(
	sink: TrackSink,
	units: readonly AccessUnit[],
	startSeconds: number,
	signal?: AbortSignal,
): Promise<void> {
	const startMs = performance.now();
	for (const unit of units) {
		const dueMs = startMs + (unit.decodeTimeTicks / unit.clockRate - startSeconds) * 1000;
		const waitMs = dueMs - performance.now();
		if (waitMs > 1) {
			await delay(waitMs);
		}
		if (signal?.aborted) {
			return;
		}
		sink.write(unit);
	}
}
