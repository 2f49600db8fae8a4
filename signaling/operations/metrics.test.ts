/** Tests of the metrics page: names, labels, missing readings, access. */
import fastify, { type FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { answerOtherMethods } from '../../core/protocol/api/address-methods.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { registerErrorHandler } from '../platform/http/error-handler.ts';
import { Metrics, type MetricsReadings } from './metrics.ts';

const READINGS: MetricsReadings = {
	broadcasts: () => [
		{
			state: 'live',
			publisher: { protocol: 'rtmp' },
			health: { videoBitrateBps: 4e6, audioBitrateBps: 1e5 },
			pictureEncoder: {
				inUse: { name: 'libx264', reason: 'no other works' },
				lagMs: 250,
				begunRungs: ['480p30', '160p30'],
			},
		},
		{ state: 'interrupted' },
	],
	viewers: () => ({ webrtc: 3, 'll-hls': 40 }),
	viewersByRung: () => [
		{ tier: 'webrtc', rung: '160p30', count: 1 },
		{ tier: 'webrtc', rung: '160p30', count: 1 },
	],
	packager: () => ({ heldRequests: 7, storedBytes: 1000 }),
	workers: () => Promise.resolve([{ index: 0, cpuTimeMs: 1500, viewerConsumerCount: 6, viewerBitrateBps: 9e6 }]),
	encoders: () => ({ running: 2, restarting: 0, failing: 1, restartCount: 9 }),
	encoderPixelsPerSecond: () => 27_648_000,
	ladderPixelsPerSecond: () => 12_000_000,
	droppedRungCount: () => 2,
	pictureEncoderName: () => 'h264_nvenc',
	jobs: () => Promise.resolve([{ kind: 'export', waiting: 2, active: 1, failed: 0 }]),
	descriptors: () => Promise.resolve({ open: 40, max: 1024 }),
	descriptorsExhausted: () => 0,
	unhandledRejections: () => 3,
};

describe('Metrics', () => {
	let app: FastifyInstance;
	let clock: FakeClock;
	let logger: RecordingLogger;
	let metrics: Metrics;

	const open = async (readings: MetricsReadings, token?: string): Promise<void> => {
		clock = new FakeClock();
		logger = new RecordingLogger();
		metrics = new Metrics({ clock, logger, readings }, { token });
		app = fastify();
		registerErrorHandler(app, logger);
		app.addHook('onResponse', metrics.countResponse);
		await app.register(answerOtherMethods(metrics.routes));
	};
	const read = async (): Promise<string[]> => {
		const response = await app.inject('/metrics');
		expect(response.headers['content-type']).toContain('text/plain; version=0.0.4');
		return response.body.split('\n');
	};

	beforeEach(() => open(READINGS));
	afterEach(async () => {
		metrics.close();
		await app.close();
	});

	it('shows broadcasts, viewers and load', async () => {
		const lines = await read();
		for (const line of [
			'spillway_broadcasts{state="live"} 1',
			'spillway_broadcasts{state="starting"} 0',
			'spillway_publishers{protocol="rtmp"} 1',
			'spillway_publishers_bitrate_bps 4100000',
			'spillway_viewers{tier="webrtc"} 3',
			'spillway_viewers{tier="ll-hls"} 40',
			'spillway_viewers_by_rung{tier="webrtc",rung="160p30"} 2',
			'spillway_viewers_by_rung{tier="ll-hls",rung="source"} 0',
			'spillway_hls_held_requests 7',
			'spillway_sfu_worker_cpu_seconds{worker="0"} 1.5',
			'spillway_sfu_consumers{worker="0"} 6',
			'spillway_sfu_sent_bitrate_bps{worker="0"} 9000000',
			'spillway_encoders{state="failing"} 1',
			'spillway_encoder_restarts 9',
			'spillway_encoder_pixels_per_second 27648000',
			'spillway_rungs{rung="480p30"} 1',
			'spillway_rungs{rung="720p60"} 0',
			'# TYPE spillway_rungs_dropped_total counter',
			'spillway_rungs_dropped_total 2',
			'spillway_rung_pixels_per_second 12000000',
			'spillway_picture_encoders{encoder="libx264"} 1',
			'spillway_picture_encoders{encoder="h264_nvenc"} 0',
			'spillway_picture_encoder_lag_seconds 0.25',
			'spillway_jobs{kind="export",state="waiting"} 2',
			'spillway_jobs{kind="export",state="active"} 1',
			'spillway_jobs{kind="export",state="failed"} 0',
			'spillway_descriptors{kind="max"} 1024',
			'spillway_unhandled_rejections 3',
		]) {
			expect(lines).toContain(line);
		}
		expect(lines.filter((line) => line.startsWith('spillway_event_loop_delay_seconds{'))).toHaveLength(3);
		expect(lines.filter((line) => /NaN|undefined/.test(line))).toEqual([]);
	});

	it('gives every name the same prefix, and counts answers', async () => {
		await app.inject('/nowhere');
		const lines = await read();
		const names = lines.filter((line) => line !== '' && !line.startsWith('#')).map((line) => /^\w+/.exec(line)![0]);
		expect(names.every((name) => name.startsWith('spillway_'))).toBe(true);
		expect(lines).toContain('spillway_http_requests_total{method="GET",status="404"} 1');
		expect(lines).toContain('spillway_http_refusals_total{code="ROUTE_NOT_FOUND"} 1');
		expect(lines.find((line) => line.startsWith('spillway_http_response_bytes_total{kind="other"}'))).toMatch(
			/ [1-9]\d*$/,
		);
	});

	it('omits figures that cannot be read, and shows the rest', async () => {
		await open({ ...READINGS, workers: () => Promise.reject(new Error('no worker answers')) });
		const lines = await read();
		expect(lines.some((line) => line.startsWith('spillway_sfu_consumers{'))).toBe(false);
		expect(lines).toContain('spillway_viewers{tier="webrtc"} 3');
		expect(logger.lines.filter(({ level }) => level === 'warn')).toHaveLength(3);
	});

	it('reads the workers at most once a second', async () => {
		let askedCount = 0;
		await open({ ...READINGS, workers: () => (askedCount++, READINGS.workers()) });
		await Promise.all(Array.from({ length: 40 }, read));
		expect(askedCount).toBe(1);
		await clock.advance(1000);
		await read();
		expect(askedCount).toBe(2);
	});

	it('keeps the figures of two servers in one process separate', async () => {
		const readings = { ...READINGS, viewers: () => ({ webrtc: 0, 'll-hls': 1 }) };
		const other = new Metrics({ clock, logger, readings }, { token: undefined });
		expect(await other.read()).toContain('spillway_viewers{tier="ll-hls"} 1');
		expect(await metrics.read()).toContain('spillway_viewers{tier="ll-hls"} 40');
		other.close();
	});

	it('requires the token when there is one', async () => {
		await open(READINGS, 'a-long-metrics-token');
		expect((await app.inject('/metrics')).statusCode).toBe(401);
		const ask = async (token: string): Promise<number> =>
			(await app.inject({ url: '/metrics', headers: { authorization: `Bearer ${token}` } })).statusCode;
		expect([await ask('wrong'), await ask('a-long-metrics-token')]).toEqual([401, 200]);
		expect((await app.inject({ method: 'POST', url: '/metrics' })).statusCode).toBe(405);
	});
});
