/** `/metrics` for Prometheus. Each server has its own registry, so that servers in one process stay separate. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { Counter, Gauge, Registry } from 'prom-client';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SingleFlight } from '../../core/lifecycle/single-flight.ts';
import { errorMessage, SpillwayError } from '../../core/errors/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { ENCODER_STATES, type EncoderState } from '../../core/protocol/api/channel-description.ts';
import { RUNG_NAMES, SHOWN_RUNGS, type ShownRung } from '../../core/protocol/ladder-choice.ts';
import type { PictureEncoder } from '../../ingest/media-graph/outputs.ts';
import { failureCodeOf } from '../platform/http/error-handler.ts';
import type { JobCount } from '../platform/jobs/jobs.ts';
import { DELIVERY_TIERS, type DeliveryTier } from '../../core/protocol/tiers.ts';

/** The sources of the figures, read at each scrape. */
export type MetricsReadings = {
	broadcasts(): readonly {
		state: string;
		publisher?: { protocol: string } | undefined;
		health?: { videoBitrateBps: number; audioBitrateBps: number } | undefined;
		pictureEncoder?: Pick<PictureEncoder, 'inUse' | 'lagMs' | 'begunRungs'> | undefined;
	}[];
	viewers(): Readonly<Record<DeliveryTier, number>>;
	/** Those whose picture is known. */
	viewersByRung(): ReadonlyArray<{ tier: DeliveryTier; rung: ShownRung; count: number }>;
	/** The LL-HLS origin. */
	packager(): { heldRequests: number; storedBytes: number };
	/** Each running worker: CPU time since its start, and the media that it sends to viewers. */
	workers(): Promise<
		readonly { index: number; cpuTimeMs: number; viewerConsumerCount: number; viewerBitrateBps: number }[]
	>;
	encoders(): Readonly<Record<EncoderState, number>> & { restartCount: number };
	encoderPixelsPerSecond(): number;
	ladderPixelsPerSecond(): number;
	/** Since the server's start. */
	droppedRungCount(): number;
	/** Name of the encoder of pictures that the next broadcast gets; undefined where it is not known. */
	pictureEncoderName(): string | undefined;
	jobs(): Promise<readonly JobCount[]>;
	/** File descriptors; undefined where the system does not report them. */
	descriptors(): Promise<{ open: number; max: number } | undefined>;
	descriptorsExhausted(): number;
	unhandledRejections(): number;
};

/** Sampling interval of the event loop. Each sample wakes the process: at 10 ms they are most of what idling costs. */
const EVENT_LOOP_RESOLUTION_MS = 50;
/** A scrape is reused for this long, because any client may ask and each scrape reads every worker. */
const RENDERED_LIFE_MS = 1000;
const QUANTILES = [0.5, 0.99, 1] as const;

type MetricsDependencies = { clock: Clock; logger: Logger; readings: MetricsReadings };
/** `token`: the bearer token that scrapers must send; undefined allows every client to read. */
type MetricsOptions = { token: string | undefined };

export class Metrics {
	readonly #registry = new Registry();
	readonly #eventLoop = monitorEventLoopDelay({ resolution: EVENT_LOOP_RESOLUTION_MS });
	readonly #requests: Counter<'method' | 'status'>;
	readonly #responseBytes: Counter<'kind'>;
	readonly #refusals: Counter<'code'>;
	readonly #deps: MetricsDependencies;
	readonly #options: MetricsOptions;
	#rendered: { atMs: number; text: Promise<string> } | undefined;

	constructor(deps: MetricsDependencies, options: MetricsOptions) {
		this.#deps = deps;
		this.#options = options;
		this.#eventLoop.enable();
		this.#requests = new Counter({
			name: 'spillway_http_requests_total',
			help: 'Answered HTTP requests.',
			labelNames: ['method', 'status'],
			registers: [this.#registry],
		});
		this.#responseBytes = new Counter({
			name: 'spillway_http_response_bytes_total',
			help: 'Bytes of HTTP bodies sent, by what was asked for: hls or other.',
			labelNames: ['kind'],
			registers: [this.#registry],
		});
		this.#refusals = new Counter({
			name: 'spillway_http_refusals_total',
			help: 'Requests that were not served, by the code of the table of errors.',
			labelNames: ['code'],
			registers: [this.#registry],
		});
		this.#addBroadcasts();
		this.#addEncoders();
		this.#addLadders();
		this.#addViewers();
		this.#addWorkers();
		this.#addJobs();
		this.#addProcess();
	}

	read(): Promise<string> {
		const nowMs = this.#deps.clock.monotonicMs();
		if (this.#rendered === undefined || nowMs - this.#rendered.atMs >= RENDERED_LIFE_MS) {
			this.#rendered = { atMs: nowMs, text: this.#registry.metrics() };
		}
		return this.#rendered.text;
	}

	/** A fastify `onResponse` hook for the whole server: counts answers. */
	readonly countResponse = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
		// Methods come from a fixed list and statuses have three digits, so clients cannot create more series.
		this.#requests.inc({ method: request.method, status: String(reply.statusCode) });
		const code = failureCodeOf(request);
		if (code !== undefined) {
			this.#refusals.inc({ code });
		}
		const bytes = Number(reply.getHeader('content-length') ?? 0);
		if (bytes > 0 && request.method !== 'HEAD') {
			this.#responseBytes.inc({ kind: request.url.startsWith('/hls/') ? 'hls' : 'other' }, bytes);
		}
	};

	readonly routes: FastifyPluginAsync = async (app) => {
		app.get('/metrics', async (request, reply) => {
			if (!this.#mayRead(request)) {
				throw new SpillwayError('SIGN_IN_REQUIRED');
			}
			return reply
				.header('cache-control', 'no-store')
				.type(this.#registry.contentType)
				.send(await this.read());
		});
	};

	close(): void {
		this.#eventLoop.disable();
		this.#registry.clear();
	}

	#mayRead(request: FastifyRequest): boolean {
		const { token } = this.#options;
		if (token === undefined) {
			return true;
		}
		const given = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
		const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
		return timingSafeEqual(digest(given), digest(token));
	}

	#gauge<Label extends string>(
		name: string,
		help: string,
		labelNames: readonly Label[],
		fill: (gauge: Gauge<Label>) => void | Promise<void>,
	): void {
		const { logger } = this.#deps;
		new Gauge<Label>({
			name,
			help,
			labelNames,
			registers: [this.#registry],
			async collect() {
				// Removes series whose source is gone.
				this.reset();
				try {
					await fill(this);
				} catch (error) {
					// This figure is missing; the others are shown.
					logger.warn({ metric: name, reason: errorMessage(error) }, 'a figure cannot be read');
				}
			},
		});
	}

	#addBroadcasts(): void {
		const { readings } = this.#deps;
		this.#gauge('spillway_broadcasts', 'Running broadcasts by state.', ['state'], (gauge) => {
			for (const state of ['starting', 'live', 'interrupted']) {
				gauge.set({ state }, readings.broadcasts().filter((broadcast) => broadcast.state === state).length);
			}
		});
		this.#gauge('spillway_publishers', 'Publishers on air by protocol.', ['protocol'], (gauge) => {
			for (const protocol of ['whip', 'rtmp']) {
				const onAir = readings.broadcasts().filter((broadcast) => broadcast.publisher?.protocol === protocol);
				gauge.set({ protocol }, onAir.length);
			}
		});
		this.#gauge('spillway_publishers_bitrate_bps', 'Bits per second that publishers send.', [], (gauge) => {
			const rates = readings
				.broadcasts()
				.map(({ health }) => (health?.videoBitrateBps ?? 0) + (health?.audioBitrateBps ?? 0));
			gauge.set(rates.reduce((sum, rate) => sum + rate, 0));
		});
		this.#gauge('spillway_hls_held_requests', 'Playlist requests that wait for a part.', [], (gauge) => {
			gauge.set(readings.packager().heldRequests);
		});
		this.#gauge('spillway_hls_stored_bytes', 'Bytes of LL-HLS media in memory.', [], (gauge) => {
			gauge.set(readings.packager().storedBytes);
		});
	}

	#addEncoders(): void {
		const { readings } = this.#deps;
		this.#gauge('spillway_encoders', 'FFmpeg encoders by state; failing ones are retried.', ['state'], (gauge) => {
			for (const state of ENCODER_STATES) {
				gauge.set({ state }, readings.encoders()[state]);
			}
		});
		this.#gauge(
			'spillway_encoder_restarts',
			'Encoders that were started again since the server began.',
			[],
			(gauge) => {
				gauge.set(readings.encoders().restartCount);
			},
		);
		this.#gauge('spillway_encoder_pixels_per_second', 'Re-encoded picture that has been granted.', [], (gauge) => {
			gauge.set(readings.encoderPixelsPerSecond());
		});
	}

	#addLadders(): void {
		const { readings } = this.#deps;
		const encoders = (): NonNullable<ReturnType<MetricsReadings['broadcasts']>[number]['pictureEncoder']>[] =>
			readings.broadcasts().flatMap(({ pictureEncoder }) => pictureEncoder ?? []);
		this.#gauge('spillway_rungs', 'Smaller pictures that are made now.', ['rung'], (gauge) => {
			for (const rung of RUNG_NAMES) {
				gauge.set({ rung }, encoders().filter(({ begunRungs }) => begunRungs.includes(rung)).length);
			}
		});
		new Counter({
			name: 'spillway_rungs_dropped_total',
			help: 'Rungs that were dropped because an encoder fell behind.',
			registers: [this.#registry],
			collect() {
				this.reset();
				this.inc(readings.droppedRungCount());
			},
		});
		this.#gauge('spillway_rung_pixels_per_second', 'Picture of rungs that has been granted.', [], (gauge) => {
			gauge.set(readings.ladderPixelsPerSecond());
		});
		this.#gauge('spillway_picture_encoders', 'Broadcasts whose pictures are encoded.', ['encoder'], (gauge) => {
			const next = readings.pictureEncoderName();
			if (next !== undefined) {
				gauge.set({ encoder: next }, 0);
			}
			encoders().forEach(({ inUse }) => gauge.inc({ encoder: inUse?.name ?? 'unknown' }));
		});
		this.#gauge(
			'spillway_picture_encoder_lag_seconds',
			'Media time by which the slowest encoder of pictures is behind its input.',
			[],
			(gauge) => {
				gauge.set(Math.max(0, ...encoders().map(({ lagMs }) => lagMs)) / 1000);
			},
		);
	}

	#addViewers(): void {
		const { readings } = this.#deps;
		this.#gauge('spillway_viewers', 'Viewers of this server by tier.', ['tier'], (gauge) => {
			for (const [tier, count] of Object.entries(readings.viewers())) {
				gauge.set({ tier }, count);
			}
		});
		const help = 'Viewers of this server by tier and by the picture that plays, where that is known.';
		this.#gauge('spillway_viewers_by_rung', help, ['tier', 'rung'], (gauge) => {
			for (const tier of DELIVERY_TIERS) {
				SHOWN_RUNGS.forEach((rung) => gauge.set({ tier, rung }, 0));
			}
			readings.viewersByRung().forEach(({ tier, rung, count }) => gauge.inc({ tier, rung }, count));
		});
	}

	#addWorkers(): void {
		const { readings } = this.#deps;
		// The three figures of a scrape share one reading of the workers.
		const reading = new SingleFlight<Awaited<ReturnType<MetricsReadings['workers']>>>();
		const read = (): ReturnType<MetricsReadings['workers']> => reading.run(readings.workers);
		this.#gauge(
			'spillway_sfu_worker_cpu_seconds',
			'CPU time of an SFU worker since it started.',
			['worker'],
			async (gauge) => {
				for (const { index, cpuTimeMs } of await read()) {
					gauge.set({ worker: String(index) }, cpuTimeMs / 1000);
				}
			},
		);
		this.#gauge('spillway_sfu_consumers', 'Consumers of viewers on an SFU worker.', ['worker'], async (gauge) => {
			for (const { index, viewerConsumerCount } of await read()) {
				gauge.set({ worker: String(index) }, viewerConsumerCount);
			}
		});
		this.#gauge(
			'spillway_sfu_sent_bitrate_bps',
			'Bits per second that an SFU worker sends to viewers.',
			['worker'],
			async (gauge) => {
				for (const { index, viewerBitrateBps } of await read()) {
					gauge.set({ worker: String(index) }, viewerBitrateBps);
				}
			},
		);
	}

	#addJobs(): void {
		const help = 'Jobs of all nodes by kind and state; failed ones of the last two weeks, which are not tried again.';
		this.#gauge('spillway_jobs', help, ['kind', 'state'], async (gauge) => {
			for (const { kind, ...counts } of await this.#deps.readings.jobs()) {
				Object.entries(counts).forEach(([state, count]) => gauge.set({ kind, state }, count));
			}
		});
	}

	#addProcess(): void {
		const { readings } = this.#deps;
		this.#gauge(
			'spillway_event_loop_delay_seconds',
			'Delay of the event loop since the last scrape.',
			['quantile'],
			(gauge) => {
				for (const quantile of QUANTILES) {
					gauge.set({ quantile: String(quantile) }, this.#eventLoopDelaySeconds(quantile));
				}
				this.#eventLoop.reset();
			},
		);
		this.#gauge('spillway_process_cpu_seconds', 'CPU time of the server process since it started.', [], (gauge) => {
			const { user, system } = process.cpuUsage();
			gauge.set((user + system) / 1e6);
		});
		this.#gauge('spillway_descriptors', 'File descriptors of the server process.', ['kind'], async (gauge) => {
			const descriptors = await readings.descriptors();
			if (descriptors !== undefined) {
				gauge.set({ kind: 'open' }, descriptors.open);
				gauge.set({ kind: 'max' }, descriptors.max);
			}
		});
		this.#gauge('spillway_descriptors_exhausted', 'Looks, every two seconds, that found none left.', [], (gauge) => {
			gauge.set(readings.descriptorsExhausted());
		});
		this.#gauge('spillway_unhandled_rejections', 'Bugs that the process has survived.', [], (gauge) => {
			gauge.set(readings.unhandledRejections());
		});
		this.#gauge('spillway_process_resident_bytes', 'Memory of the server process.', [], (gauge) => {
			gauge.set(process.memoryUsage.rss());
		});
	}

	// The histogram has the time between two samples; the excess over the interval is delay. It is empty after a reset.
	#eventLoopDelaySeconds(quantile: number): number {
		const nanoseconds = this.#eventLoop.percentile(quantile * 100);
		return Math.max(0, nanoseconds / 1e9 - EVENT_LOOP_RESOLUTION_MS / 1000);
	}
}
