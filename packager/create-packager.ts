/** The packager: all broadcasts in LL-HLS, and the routes that serve them. */
import type { FastifyPluginAsync } from 'fastify';
import type { Clock } from '../core/lifecycle/clock.ts';
import { CloseScope } from '../core/lifecycle/close-scope.ts';
import { SpillwayError } from '../core/errors/errors.ts';
import type { BroadcastId, ChannelName } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import { TypedEmitter } from '../core/lifecycle/typed-emitter.ts';
import { BroadcastPackager } from './live/broadcast-packager.ts';
import { BlockingReload, type WaitResult } from './origin/blocking-reload.ts';
import { BroadcastOrigin, type OriginClient } from './origin/broadcast-origin.ts';
import { HeldRequests } from './origin/held-requests.ts';
import { createHlsRoutes } from './origin/hls-routes.ts';
import type { RenderCounts } from './origin/rendered-playlist.ts';
import type { PackagerConfig } from './config/packager-config.ts';

/** What a channel is doing now. @internal for tests */
export type PackagerChannelState =
	{ state: 'unknown' } | { state: 'offline' } | { state: 'starting' } | { state: 'live'; broadcastId: BroadcastId };

/** The channels of the product. */
interface PackagerChannels {
	/** `name` comes from an address and may be anything. */
	state(name: string): Promise<PackagerChannelState>;
}

type PackagerCloseReason = 'server-shutdown' | 'packager-closed';

/** The LL-HLS tier of one process. */
export interface Packager {
	/** Begins packaging a broadcast, whose access units the result receives. */
	startBroadcast(broadcast: { broadcastId: BroadcastId; channelName: ChannelName; logger?: Logger }): BroadcastPackager;
	/** The broadcast, while its media is served. */
	broadcast(broadcastId: BroadcastId): BroadcastPackager | undefined;
	/** fastify plugin with the routes of the origin, under `/hls/` and `/api/v1/streams/{channel}/playlist.m3u8`. */
	readonly routes: FastifyPluginAsync;
	/** Playlists written and compressed so far for a track: at most one each per version. */
	renderCounts(broadcastId: BroadcastId, trackId: string): RenderCounts | undefined;
	/** Counts for the metrics page. */
	readonly counters: PackagerCounters;
	/** Ends all broadcasts and releases all held requests. Idempotent. */
	close(reason: PackagerCloseReason): Promise<void>;
}

type PackagerCounters = {
	broadcasts: number;
	/** Requests held now. */
	heldRequests: number;
	/** Bytes of media in memory. */
	storedBytes: number;
};

/** Held requests for a starting channel check its state this often. */
const STATE_POLL_INTERVAL_MS = 1000;

type PackagerDependencies = {
	clock: Clock;
	logger: Logger;
	channels: PackagerChannels;
	/** Key under which requests from an address are counted; undefined: not counted. Default: the address. */
	clientKey?: (address: string) => string | undefined;
};

/** Makes the packager. Does no I/O. */
export function createPackager(deps: PackagerDependencies, config: PackagerConfig): Packager {
	return new LlHlsPackager({ ...deps, config });
}

type Entry = { broadcast: BroadcastPackager; origin: BroadcastOrigin };

class LlHlsPackager extends TypedEmitter<{ advanced: [] }> implements Packager {
	readonly routes: FastifyPluginAsync;
	readonly #deps: PackagerDependencies & { config: PackagerConfig };
	readonly #entries = new Map<string, Entry>();
	readonly #scope: CloseScope<PackagerCloseReason>;
	readonly #starting: BlockingReload;
	readonly #held: HeldRequests;
	/** Broadcasts that became ready so far. */
	#readyCount = 0;

	constructor(deps: PackagerDependencies & { config: PackagerConfig }) {
		super(deps.logger);
		this.#deps = deps;
		this.#scope = new CloseScope(deps.logger);
		this.#starting = new BlockingReload({ source: this, clock: deps.clock });
		this.#held = new HeldRequests(deps.clock, deps.config);
		this.#scope.onClose(() => this.#starting.close());
		this.routes = createHlsRoutes({
			liveOrigin: (channelName, client) => this.#liveOrigin(channelName, client),
			origin: (channelName, broadcastId) => {
				const entry = this.#entries.get(broadcastId);
				return entry?.broadcast.channelName === channelName ? entry.origin : undefined;
			},
			clientKey: deps.clientKey ?? String,
			cdns: deps.config.cdns,
		});
	}

	get counters(): PackagerCounters {
		const counters = { broadcasts: this.#entries.size, heldRequests: this.#starting.waiterCount, storedBytes: 0 };
		for (const { broadcast, origin } of this.#entries.values()) {
			counters.heldRequests += origin.waiterCount;
			counters.storedBytes += broadcast.store.totalBytes;
		}
		return counters;
	}

	startBroadcast(input: { broadcastId: BroadcastId; channelName: ChannelName; logger?: Logger }): BroadcastPackager {
		if (this.#scope.closed || this.#entries.has(input.broadcastId)) {
			throw new TypeError(`Broadcast ${input.broadcastId} cannot start: the packager is closed or has it already.`);
		}
		const { broadcastId, channelName } = input;
		const { config, clock } = this.#deps;
		const logger = (input.logger ?? this.#deps.logger).child({ broadcastId });
		const broadcast = new BroadcastPackager({ config, clock, logger }, { broadcastId, channelName });
		const origin = new BroadcastOrigin({ broadcast, config, clock, held: this.#held });
		this.#entries.set(broadcastId, { broadcast, origin });
		broadcast.on('ready', () => {
			this.#readyCount++;
			this.emit('advanced');
		});
		broadcast.on('closed', (reason) => {
			origin.close();
			this.#entries.delete(broadcastId);
			logger.info({ reason, ...broadcast.counters }, 'broadcast closed');
		});
		logger.info({ channelName }, 'broadcast created');
		return broadcast;
	}

	broadcast(broadcastId: BroadcastId): BroadcastPackager | undefined {
		return this.#entries.get(broadcastId)?.broadcast;
	}

	renderCounts(broadcastId: BroadcastId, trackId: string): RenderCounts | undefined {
		return this.#entries.get(broadcastId)?.origin.renderCounts(trackId);
	}

	close(reason: PackagerCloseReason): Promise<void> {
		if (!this.#scope.closed) {
			for (const { broadcast } of this.#entries.values()) {
				this.#scope.onClose(() => broadcast.close(reason));
			}
		}
		return this.#scope.close(reason);
	}

	/** The origin of the channel's live broadcast; waits while the channel is starting. */
	async #liveOrigin(channelName: string, client: OriginClient): Promise<BroadcastOrigin> {
		const { clock, config, channels } = this.#deps;
		const deadlineMs = clock.monotonicMs() + config.startHoldMs;
		for (;;) {
			const state = await channels.state(channelName);
			if (state.state === 'unknown') {
				throw new SpillwayError('CHANNEL_NOT_FOUND', [channelName]);
			}
			if (state.state === 'offline') {
				throw new SpillwayError('CHANNEL_OFFLINE', [channelName]);
			}
			const entry = state.state === 'live' ? this.#entries.get(state.broadcastId) : undefined;
			if (entry?.broadcast.isReady) {
				return entry.origin;
			}
			const leftMs = deadlineMs - clock.monotonicMs();
			const waitMs = Math.min(STATE_POLL_INTERVAL_MS, leftMs);
			if (leftMs <= 0 || (await this.#waitForReadyBroadcast(channelName, waitMs, client)) === 'aborted') {
				throw new SpillwayError('BROADCAST_STARTING', [channelName], { retryAfterSeconds: 1 });
			}
		}
	}

	/** Waits until any broadcast has become ready. */
	async #waitForReadyBroadcast(channelName: string, timeoutMs: number, client: OriginClient): Promise<WaitResult> {
		const seenCount = this.#readyCount;
		const { leave, isOfCrowd } = this.#held.enter(`channel ${channelName}`, client.key);
		const signals = [client.signal, this.#scope.signal];
		const hasAdvanced = (): boolean => this.#readyCount !== seenCount;
		return this.#starting.wait(hasAdvanced, timeoutMs, signals, seenCount, isOfCrowd).finally(leave);
	}
}
