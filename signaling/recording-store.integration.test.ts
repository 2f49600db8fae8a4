/** A live broadcast while its store is away, refuses, or is full: what is lost, and the owner's notices. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sleep, systemClock } from '../core/lifecycle/clock.ts';
import { silentLogger } from '../core/logger.ts';
import type { RecordingStatus, VideoList } from '../core/protocol/api/video.ts';
import { waitUntilLive } from '../loadtest/bench/measure/server-under-test.ts';
import { checkVideo, type CheckedVideo } from '../loadtest/clients/hls/recording-check.ts';
import { createPublisher } from '../loadtest/clients/create-publisher.ts';
import { TEST_SETTINGS } from '../loadtest/source/encoder-settings.ts';
import type { Publisher } from '../loadtest/source/publisher.ts';
import { buildServer, type SpillwayServer } from './build-server.ts';
import { loadServerConfig } from './server/server-config.ts';
import { startS3, type RealS3 } from './testing/real-servers.ts';
import { until } from './testing/until.ts';
import { copyDatabaseTemplate } from './testing/database-template.ts';

/** Between questions, which have a rate limit. */
const STATUS_INTERVAL_MS = 200;
const STREAM_KEY = 'key-of-the-test';
/**
 * For figures: S3 is away for so long, beside a broadcast of 2.5 Mbit/s. In the tests it is away until some segments
 * wait.
 */
const AWAY_SECONDS = Number(process.env['SPILLWAY_TEST_STORE_AWAY_SECONDS'] ?? 0);
const LARGE = { ...TEST_SETTINGS, videoBitrateBps: 2_500_000 };

let folder: string;
let server: SpillwayServer;
let publisher: Publisher;
let httpUrl: string;
let cookie: string;

beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), 'spillway-recording-store-'));
});

afterEach(async () => {
	await publisher.stop();
	await server.close();
	await rm(folder, { recursive: true, force: true });
});

/** A server with these settings of recording, and a publisher on the air. */
async function start(environment: Record<string, string>): Promise<void> {
	await copyDatabaseTemplate(join(folder, 'data', 'database'));
	const config = await loadServerConfig(
		{
			SPILLWAY_HTTP_PORT: '0',
			SPILLWAY_RTMP_PORT: '0',
			SPILLWAY_RTC_PORT: '0',
			SPILLWAY_RTC_WORKER_COUNT: '1',
			SPILLWAY_INGEST_LADDER: 'off',
			SPILLWAY_INGEST_ENCODER: 'libx264',
			SPILLWAY_INGEST_GRACE_WINDOW_SECONDS: '0',
			SPILLWAY_DEMO_STREAM_KEY: STREAM_KEY,
			SPILLWAY_DATA_FOLDER: join(folder, 'data'),
			MEDIASOUP_WORKER_BIN: process.env['MEDIASOUP_WORKER_BIN'],
			...environment,
		},
		join(folder, 'none.json'),
	);
	server = await buildServer(config, { clock: systemClock, logger: silentLogger });
	const endpoints = await server.listen();
	httpUrl = endpoints.httpUrl;
	await logIn();
	const addresses = { httpUrl, rtmpUrl: endpoints.rtmpUrl, streamKey: STREAM_KEY };
	publisher = createPublisher('rtmp', AWAY_SECONDS > 0 ? LARGE : TEST_SETTINGS, addresses);
	await publisher.start();
	await waitUntilLive({ httpUrl, channel: 'demo' });
}

/** Also when the session's token is too old. */
async function logIn(): Promise<void> {
	const answer = await fetch(new URL('/api/v1/session', httpUrl), {
		method: 'POST',
		headers: { 'content-type': 'application/json', 'x-spillway-csrf': '1' },
		body: JSON.stringify({ name: 'admin', password: server.firstStart.newAdminPassword }),
	});
	cookie = answer.headers
		.getSetCookie()
		.map((line) => line.split(';')[0])
		.join('; ');
}

async function status(): Promise<RecordingStatus> {
	await sleep(systemClock, STATUS_INTERVAL_MS);
	const response = await fetch(new URL('/api/v1/channels/demo/recording', httpUrl), { headers: { cookie } });
	if (!response.ok) {
		throw new Error(`The status is refused: ${response.status}`);
	}
	return (await response.json()) as RecordingStatus;
}

async function videos(): Promise<VideoList['videos']> {
	return ((await (await fetch(new URL('/api/v1/channels/demo/videos', httpUrl))).json()) as VideoList).videos;
}

/** Ends the broadcast and reads its video whole. */
async function endAndCheck(): Promise<CheckedVideo> {
	await publisher.stop();
	await until(async () => (await videos())[0]?.state === 'ready', 'the video is ready');
	return checkVideo(new URL((await videos())[0]!.playlistUrl!, httpUrl).href);
}

function s3Settings({ options }: Pick<RealS3, 'options'>): Record<string, string> {
	return {
		SPILLWAY_RECORDING_S3_ENDPOINT: options.endpoint,
		SPILLWAY_RECORDING_S3_BUCKET: options.bucket,
		SPILLWAY_RECORDING_S3_ACCESS_KEY_ID: options.accessKeyId,
		SPILLWAY_RECORDING_S3_SECRET_ACCESS_KEY: options.secretAccessKey,
	};
}

async function spooled(): Promise<string[]> {
	// A folder vanishes with its last file.
	const read = (): Promise<string[]> => readdir(join(folder, 'data', 'media', 'spool'), { recursive: true });
	const names = await read().catch(() => read());
	return names.filter((name) => name.includes('segment'));
}

describe('a recording', () => {
	it('loses nothing while S3 is away, and is there afterwards', { timeout: 60_000 + AWAY_SECONDS * 2000 }, async () => {
		await using s3 = await startS3();
		await start(s3Settings(s3));
		await until(async () => (await videos())[0]?.playlistUrl !== null, 'something is recorded');
		await s3.kill();
		await until(async () => (await status()).notices.length > 0, 'there is a notice');
		const [notice] = (await status()).notices;
		expect(notice).toMatch(
			/^The store of recordings cannot be used now: The S3 service .* cannot be reached \(ECONNREFUSED\)\. \d+ MB wait on the server's disk, and nothing is lost\.$/,
		);
		await until(async () => (await spooled()).length >= 6, 'segments wait on the disk');
		let mostBytes = process.memoryUsage.rss();
		for (let seconds = 0; seconds < AWAY_SECONDS; seconds++) {
			await sleep(systemClock, 1000);
			mostBytes = Math.max(mostBytes, process.memoryUsage.rss());
		}
		await logIn();
		expect((await status()).state).toBe('recording');
		const [beforeBytes, waitingCount] = [process.memoryUsage.rss(), (await spooled()).length];
		await s3.restart();
		const returnedMs = systemClock.monotonicMs();
		await until(async () => (await spooled()).length <= 2, 'the uploads catch up', 60_000 + AWAY_SECONDS * 1000);
		if (AWAY_SECONDS > 0) {
			const caughtUpSeconds = (systemClock.monotonicMs() - returnedMs) / 1000;
			console.log({ waitingCount, caughtUpSeconds, mostMb: mostBytes / 2 ** 20, beforeMb: beforeBytes / 2 ** 20 });
		}
		const { tracks, faults } = await endAndCheck();
		expect(faults).toEqual([]);
		expect(tracks.map(({ gapCount }) => gapCount)).toEqual([0, 0]);
		await until(async () => (await spooled()).length === 0, 'all is uploaded');
		// Read from S3 now.
		expect((await checkVideo(new URL((await videos())[0]!.playlistUrl!, httpUrl).href)).faults).toEqual([]);
	});

	it('stops at its bound with a notice, and the live broadcast continues', async () => {
		await start({ SPILLWAY_RECORDING_MAX_BYTES_PER_OWNER: '120000' });
		await until(async () => (await status()).state === 'stopped', 'the bound is reached');
		expect((await status()).notices).toEqual([
			'Nothing is recorded: your recordings have reached 0.1 MB; delete some of them. The live stream continues.',
		]);
		await waitUntilLive({ httpUrl, channel: 'demo' });
		const { tracks, faults } = await endAndCheck();
		expect(faults).toEqual([]);
		expect(tracks[0]!.segmentCount).toBeGreaterThan(0);
	});
});
