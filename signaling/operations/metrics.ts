/**
 * `/metrics` for Prometheus: what is live, who watches, what it costs. A registry of its own, so that servers in one
 * process do not mix.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { Counter, Gauge, Registry } from 'prom-client';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SingleFlight } from '../../core/lifecycle/single-flight.ts';
import { errorMessage, SpillwayError } from '../../core/errors/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { ENCODER_STATES, type EncoderState } from '../../core/protocol/api/channel-description.ts';
import { failureCodeOf } from '../platform/http/error-handler.ts';
import type { DeliveryTier } from '../../core/protocol/tiers.ts';

/** Where the figures come from; asked at each scrape. */
export type MetricsReadings = {
	/** Running broadcasts. */
	broadcasts(): readonly {
		state: string;
		publisher?: { protocol: string } | undefined;
		health?: { videoBitrateBps: number; audioBitrateBps: number } | undefined;
	}[];
	/** Viewers of this server by tier. */
	viewers(): Readonly<Record<DeliveryTier, number>>;
	/** The LL-HLS origin. */
	packager(): { heldRequests: number; storedBytes: number };
	/** Each running worker: CPU time since it started, and what its viewers get. */
	workers(): Promise<
		readonly { index: number; cpuTimeMs: number; viewerConsumerCount: number; viewerBitrateBps: number }[]
	>;
	/** Encoders by state, and how often one was started again. */
	encoders(): Readonly<Record<EncoderState, number>> & { restartCount: number };
	/** Pixels of re-encoded picture a second that were granted. */
	encoderPixelsPerSecond(): number;
	/** File descriptors; undefined where the system does not tell. */
	descriptors(): Promise<{ open: number; max: number } | undefined>;
	/** Looks that found no descriptor left. */
	descriptorsExhausted(): number;
	/** Promises that were rejected and nobody handled, since the start. */
	unhandledRejections(): number;
};

/** How often the event loop is looked at: its delay is measured to this. */
const EVENT_LOOP_RESOLUTION_MS = 10;
/** Anybody may ask, unless there is a token, and a scrape asks every worker; so one is good for as long as this. */
const RENDERED_LIFE_MS = 1000;
const QUANTILES = [0.5, 0.99] as const;

type MetricsDependencies = {
	clock: Clock;
	logger: Logger;
	/** What scrapers must send as bearer token; undefined lets everybody read. */
	token: string | undefined;
};

/** The figures of one server. */
export class Metrics {
	readonly #registry = new Registry();
	readonly #eventLoop = monitorEventLoopDelay({ resolution: EVENT_LOOP_RESOLUTION_MS });
	readonly #requests: Counter<'method' | 'status'>;
	readonly #responseBytes: Counter<'kind'>;
	readonly #refusals: Counter<'code'>;
	readonly #deps: MetricsDependencies;
	#rendered: { atMs: number; text: Promise<string> } | undefined;

	constructor(readings: MetricsReadings, deps: MetricsDependencies) {
		this.#deps = deps;
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
		this.#addBroadcasts(readings);
		this.#addEncoders(readings);
		this.#addViewers(readings);
		this.#addWorkers(readings);
		this.#addProcess(readings);
	}

	/** All figures as text. */
	read(): Promise<string> {
		const nowMs = this.#deps.clock.monotonicMs();
		if (this.#rendered === undefined || nowMs - this.#rendered.atMs >= RENDERED_LIFE_MS) {
			this.#rendered = { atMs: nowMs, text: this.#registry.metrics() };
		}
		return this.#rendered.text;
	}

	/** fastify `onResponse` hook for the whole server: counts answers. */
	readonly countResponse = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
		// Methods come from a fixed list and statuses are three digits, so that nobody can make more series.
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

	/** GET /metrics. */
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

	/** Ends the watch over the event loop. */
	close(): void {
		this.#eventLoop.disable();
		this.#registry.clear();
	}

	#mayRead(request: FastifyRequest): boolean {
		if (this.#deps.token === undefined) {
			return true;
		}
		const given = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
		const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
		return timingSafeEqual(digest(given), digest(this.#deps.token));
	}

	#gauge<Label extends string>(
		name: string,
		help: string,
		labelNames: readonly Label[],
		fill: (gauge: Gauge<Label>) => void | Promise<void>,
	): void {
		const logger = this.#deps.logger;
		new Gauge<Label>({
			name,
			help,
			labelNames,
			registers: [this.#registry],
			async collect() {
				// What is gone must not stand there for ever.
				this.reset();
				try {
					await fill(this);
				} catch (error) {
					// A figure that cannot be had is absent; the others are shown.
					logger.warn({ metric: name, reason: errorMessage(error) }, 'a figure cannot be read');
				}
			},
		});
	}

	#addBroadcasts(readings: MetricsReadings): void {
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

	#addEncoders(readings: MetricsReadings): void {
		this.#gauge(
			'spillway_encoders',
			'FFmpeg encoders by state; failing ones go on being tried.',
			['state'],
			(gauge) => {
				for (const state of ENCODER_STATES) {
					gauge.set({ state }, readings.encoders()[state]);
				}
			},
		);
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

	#addViewers(readings: MetricsReadings): void {
		this.#gauge('spillway_viewers', 'Viewers of this server by tier.', ['tier'], (gauge) => {
			for (const [tier, count] of Object.entries(readings.viewers())) {
				gauge.set({ tier }, count);
			}
		});
	}

	#addWorkers(readings: MetricsReadings): void {
		// One round of questions to the workers for all three figures of a scrape.
		const asking = new SingleFlight<Awaited<ReturnType<MetricsReadings['workers']>>>();
		const ask = (): ReturnType<MetricsReadings['workers']> => asking.run(readings.workers);
		this.#gauge(
			'spillway_sfu_worker_cpu_seconds',
			'CPU time of an SFU worker since it started.',
			['worker'],
			async (gauge) => {
				for (const { index, cpuTimeMs } of await ask()) {
					gauge.set({ worker: String(index) }, cpuTimeMs / 1000);
				}
			},
		);
		this.#gauge('spillway_sfu_consumers', 'Consumers of viewers on an SFU worker.', ['worker'], async (gauge) => {
			for (const { index, viewerConsumerCount } of await ask()) {
				gauge.set({ worker: String(index) }, viewerConsumerCount);
			}
		});
		this.#gauge(
			'spillway_sfu_sent_bitrate_bps',
			'Bits per second that an SFU worker sends to viewers.',
			['worker'],
			async (gauge) => {
				for (const { index, viewerBitrateBps } of await ask()) {
					gauge.set({ worker: String(index) }, viewerBitrateBps);
				}
			},
		);
	}

	#addProcess(readings: MetricsReadings): void {
		this.#gauge(
			'spillway_event_loop_delay_seconds',
			'Delay of the event loop since the last scrape.',
			['quantile'],
			(gauge) => {
				for (const quantile of QUANTILES) {
					gauge.set({ quantile: String(quantile) }, this.#eventLoopDelaySeconds(quantile));
				}
				gauge.set({ quantile: '1' }, this.#eventLoopDelaySeconds(1));
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

	// The histogram counts the time between two looks; what is above the interval is delay. Empty right after a reset.
	#eventLoopDelaySeconds(quantile: number): number {
		const nanoseconds = this.#eventLoop.percentile(quantile * 100);
		return Math.max(0, nanoseconds / 1e9 - EVENT_LOOP_RESOLUTION_MS / 1000);
	}
}
