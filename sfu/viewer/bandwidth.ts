/** mediasoup's side of one viewer's picture: evidence of the line for the selector, and what the selector decides. */
import type { Consumer, WebRtcTransport } from 'mediasoup/types';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { errorMessage } from '../../core/errors/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { OnAirLayer } from '../stage/stage-layers.ts';
import { LayerSelector, type SelectorAction } from './layer-selector.ts';
import { SOUND_ALONE_LIMITS, type LineLimits } from './line-limits.ts';

/** Statistics are read at most this often because of resends. */
const RESEND_READING_INTERVAL_MS = 100;
const TICK_MS = 1000;

type BandwidthDependencies = {
	video: Consumer;
	transport: Pick<WebRtcTransport, 'getStats' | 'setMinOutgoingBitrate' | 'setMaxOutgoingBitrate'>;
	selector: LayerSelector;
	/** On air now, lowest first. */
	layers(): readonly OnAirLayer[];
	/** Has mediasoup estimate the line from now on. */
	startEstimator(): Promise<void>;
	clock: Clock;
	logger: Logger;
	/** What is shown, or why, may have changed. */
	onChanged(): void;
	/** The line does not carry the lowest layer. False: nobody can move the viewer, so they keep what gets through. */
	onLineTooPoor(): boolean;
};

/** Runs from the viewer's first picture on. */
export class ViewerBandwidth {
	readonly #deps: BandwidthDependencies;
	readonly #scope: CloseScope<'viewer-left'>;
	/** Each action waits for the one before. */
	#queue: Promise<void> = Promise.resolve();
	#readAtMs = -Infinity;
	#isReading = false;
	#isStopped = false;
	#minBps = 0;

	constructor(deps: BandwidthDependencies) {
		this.#deps = deps;
		this.#scope = new CloseScope(deps.logger);
	}

	/** Watches the line. */
	start(): void {
		const { video, clock } = this.#deps;
		video.on('trace', ({ type }) => {
			if (type === 'nack') {
				this.#onNack();
			}
		});
		video.enableTraceEvent(['nack']).catch((error: unknown) => this.#onLeft(error));
		this.#scope.every(clock, TICK_MS, () => this.#tick());
	}

	/** Does what the selector has decided. */
	apply(actions: readonly SelectorAction[]): void {
		if (actions.length === 0) {
			return;
		}
		this.#queue = this.#queue
			.then(async () => {
				for (const action of actions) {
					await this.#do(action);
				}
			})
			.catch((error: unknown) => this.#onLeft(error));
		this.#deps.onChanged();
	}

	/** Sends no picture any more. */
	stop(): void {
		if (!this.#isStopped) {
			this.#isStopped = true;
			this.#queue = this.#queue
				.then(async () => {
					await this.#deps.video.pause();
					if (this.#deps.selector.mode === 'managed') {
						await this.#limit(SOUND_ALONE_LIMITS);
					}
				})
				.catch((error: unknown) => this.#onLeft(error));
		}
	}

	close(): Promise<void> {
		return this.#scope.close('viewer-left');
	}

	#onNack(): void {
		const { clock, selector } = this.#deps;
		const nowMs = clock.monotonicMs();
		if (this.#isReading || this.#isStopped || nowMs - this.#readAtMs < RESEND_READING_INTERVAL_MS) {
			return;
		}
		this.#readAtMs = nowMs;
		void this.#read(async () => {
			const bytes = (await this.#deps.transport.getStats())[0]?.rtxBytesSent ?? 0;
			return selector.resent(clock.monotonicMs(), bytes);
		});
	}

	#tick(): void {
		const { clock, selector, transport, video } = this.#deps;
		if (this.#isStopped || this.#isReading || !selector.needsReading(clock.monotonicMs())) {
			return;
		}
		void this.#read(async () => {
			const [ofTransport, ofVideo] = await Promise.all([transport.getStats(), video.getStats()]);
			const sent = ofVideo.find(({ type }) => type === 'outbound-rtp');
			selector.measured(this.#deps.layers());
			return selector.read(clock.monotonicMs(), {
				availableBps: ofTransport[0]?.availableOutgoingBitrate,
				roundTripMs: sent?.roundTripTime,
				lossShare: (sent?.fractionLost ?? 0) / 256,
			});
		});
	}

	async #read(read: () => Promise<SelectorAction[]>): Promise<void> {
		this.#isReading = true;
		try {
			this.apply(await read());
		} catch (error) {
			this.#onLeft(error);
		} finally {
			this.#isReading = false;
		}
	}

	async #do(action: SelectorAction): Promise<void> {
		const { video, selector, clock, logger } = this.#deps;
		if (this.#isStopped || this.#scope.closed) {
			return;
		}
		switch (action.do) {
			case 'prefer':
				await video.setPreferredLayers({ spatialLayer: action.spatialLayer });
				return;
			case 'limit':
				await this.#limit(action.limits);
				return;
			case 'pause':
				await video.pause();
				return;
			case 'resume':
				await video.resume();
				return;
			case 'kick':
				logger.debug({ spatialLayer: action.spatialLayer }, "a viewer's line does not carry the picture");
				// Stops the picture at once, empties the buffer of resends, and lets the queue of the line drain.
				await video.pause();
				if (action.startsEstimator) {
					this.#minBps = action.limits!.minBps;
					await this.#deps.transport.setMinOutgoingBitrate(this.#minBps);
					await this.#deps.startEstimator();
				}
				await video.setPreferredLayers({ spatialLayer: action.spatialLayer });
				if (action.limits !== undefined) {
					await this.#limit(action.limits);
					this.#scope.after(clock, LayerSelector.drainMs, () => this.apply(selector.drained(clock.monotonicMs())));
				}
				if (!this.#isStopped) {
					await video.resume();
				}
				return;
			case 'give-up':
				if (!this.#deps.onLineTooPoor()) {
					selector.goOn();
				}
		}
	}

	/** mediasoup refuses a most below the present least, and the other way round. */
	async #limit({ minBps, maxBps }: LineLimits): Promise<void> {
		const { transport } = this.#deps;
		if (maxBps < this.#minBps) {
			await transport.setMinOutgoingBitrate(minBps);
		}
		await transport.setMaxOutgoingBitrate(maxBps);
		await transport.setMinOutgoingBitrate(minBps);
		this.#minBps = minBps;
	}

	#onLeft(error: unknown): void {
		this.#deps.logger.debug({ reason: errorMessage(error) }, 'a viewer left meanwhile');
	}
}
