/**
 * Pictures through the server with real media, and on its pages in Chromium: the live still and the pictures over the
 * bar of a running broadcast, the poster while it is recorded, and the storyboard.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { waitUntilLive } from '../loadtest/bench/measure/server-under-test.ts';
import { createPublisher } from '../loadtest/clients/create-publisher.ts';
import { TEST_SETTINGS } from '../loadtest/source/encoder-settings.ts';
import { sleep, systemClock } from '../core/lifecycle/clock.ts';
import { silentLogger } from '../core/logger.ts';
import type { ChannelDescription } from '../core/protocol/api/channel-description.ts';
import type { LiveStoryboard } from '../core/protocol/api/live-storyboard.ts';
import type { VideoList } from '../core/protocol/api/video.ts';
import { launchChromium } from '../loadtest/clients/chromium/chromium.ts';
import { buildWebIfStale } from '../web/build.ts';
import { buildServer } from './build-server.ts';
import { loadServerConfig } from './server/server-config.ts';
import { until } from './testing/until.ts';
import { copyDatabaseTemplate } from './testing/database-template.ts';

/** Questions have a rate limit. */
const QUESTION_INTERVAL_MS = 200;
const DEADLINE_MS = 30_000;
/** The first poster comes after 12 s; each of the steps has a deadline of its own. */
const TIMES = { timeout: 180_000 };
const STREAM_KEY = 'pictures_5f0c2f4a9b7d4e1c';

it('shows a still while it is live, a poster while it is recorded, and a storyboard afterwards', TIMES, async () => {
	const folder = await mkdtemp(join(tmpdir(), 'spillway-pictures-'));
	await copyDatabaseTemplate(join(folder, 'data', 'database'));
	const config = await loadServerConfig(
		{
			SPILLWAY_HTTP_PORT: '0',
			SPILLWAY_RTMP_PORT: '0',
			SPILLWAY_RTC_PORT: '0',
			SPILLWAY_RTC_WORKER_COUNT: '1',
			SPILLWAY_RTC_ANNOUNCED_ADDRESSES: '127.0.0.1',
			SPILLWAY_INGEST_LADDER: 'off',
			SPILLWAY_INGEST_ENCODER: 'libx264',
			SPILLWAY_DATA_FOLDER: join(folder, 'data'),
			SPILLWAY_DEMO_STREAM_KEY: STREAM_KEY,
			MEDIASOUP_WORKER_BIN: process.env['MEDIASOUP_WORKER_BIN'],
		},
		join(folder, 'none.json'),
	);
	// Whatever else runs on this machine, the server believes that there is time.
	const readCpuTimes = (): { total: number; idle: number } => ({
		total: systemClock.nowMs(),
		idle: systemClock.nowMs(),
	});
	const { folder: webFolder } = await buildWebIfStale();
	const server = await buildServer(config, { clock: systemClock, logger: silentLogger, webFolder, readCpuTimes });
	const { httpUrl, rtmpUrl } = await server.listen();
	const addresses = { httpUrl, rtmpUrl, streamKey: STREAM_KEY, channel: 'demo' };
	const { channel } = addresses;
	const read = async <Answer>(path: string): Promise<Answer> => {
		await sleep(systemClock, QUESTION_INTERVAL_MS);
		return (await (await fetch(new URL(path, httpUrl))).json()) as Answer;
	};
	const readChannel = (): Promise<ChannelDescription> => read(`/api/v1/channels/${channel}`);
	const readVideo = async (): Promise<VideoList['videos'][number]> =>
		(await read<VideoList>(`/api/v1/channels/${channel}/videos`)).videos[0]!;
	const load = async (path: string): Promise<{ status: number; type: string | null; bytes: Uint8Array }> => {
		const answer = await fetch(new URL(path, httpUrl));
		const bytes = new Uint8Array(await answer.arrayBuffer());
		return { status: answer.status, type: answer.headers.get('content-type'), bytes };
	};
	const publisher = createPublisher('rtmp', TEST_SETTINGS, addresses);
	const browser = await launchChromium();
	try {
		const page = await browser.newPage();
		page.setDefaultTimeout(DEADLINE_MS);
		const open = (path: string): Promise<unknown> => page.goto(new URL(path, httpUrl).href);
		/** The address of the picture over the bar. */
		const scrub = async (share: number): Promise<string> => {
			const bar = page.getByRole('slider', { name: 'Position' });
			await bar.waitFor();
			const { x, y, width, height } = (await bar.boundingBox())!;
			await page.mouse.move(x + width * share, y + height / 2);
			const shown = page.locator('.scrub-picture .part:not(.other)');
			await shown.waitFor();
			return shown.evaluate(
				(element) => (element as unknown as { style: { backgroundImage: string } }).style.backgroundImage,
			);
		};
		expect((await readChannel()).stillUrl).toBeNull();
		await publisher.start();
		await waitUntilLive(addresses);
		await until(async () => (await readChannel()).stillUrl !== null, 'a live still');
		const { stillUrl } = await readChannel();
		expectJpeg(await load(stillUrl!));
		const { pictureBase, capturedAtMs } = await read<LiveStoryboard>((await readChannel()).storyboardUrl!);
		expectJpeg(await load(`${pictureBase}${capturedAtMs[0]}.jpg`));
		await open('/');
		await page.getByRole('img', { name: 'What it shows now' }).waitFor();
		await open(`/${channel}`);
		expect(await scrub(0.5)).toContain(`${pictureBase}${capturedAtMs[0]}.jpg`);
		await until(async () => (await readVideo()).posterUrl !== null, 'a first poster');
		const recording = await readVideo();
		expect([recording.state, recording.storyboardUrl]).toEqual(['recording', null]);
		expectJpeg(await load(recording.posterUrl!));
		await publisher.stop();
		await until(async () => (await readVideo()).storyboardUrl !== null, 'a storyboard');
		expect((await readChannel()).stillUrl).toBeNull();
		expect((await load(stillUrl!)).status).toBe(404);
		const { posterUrl, storyboardUrl, durationSeconds } = await readVideo();
		expectJpeg(await load(posterUrl!));
		const text = Buffer.from((await load(storyboardUrl!)).bytes).toString();
		expect([...text.matchAll(/sheet1\.jpg#xywh=\d+,0,160,90/g)].length).toBe(Math.ceil(durationSeconds / 10));
		const sheetUrl = storyboardUrl!.replace('storyboard.vtt', 'sheet1.jpg');
		expectJpeg(await load(sheetUrl));
		await open(`/embed/${channel}`);
		await page.locator(`img.poster[src="${posterUrl}"]`).waitFor();
		const sheets: string[] = [];
		page.on('request', (request) => sheets.push(new URL(request.url()).pathname));
		await open(`/embed/videos/${(await readVideo()).id}`);
		await page.getByRole('slider', { name: 'Position' }).waitFor();
		expect(sheets.filter((path) => [storyboardUrl, sheetUrl].includes(path))).toEqual([]);
		expect(await scrub(0.5)).toContain(sheetUrl);
		expect(sheets.filter((path) => [storyboardUrl, sheetUrl].includes(path))).toEqual([storyboardUrl, sheetUrl]);
		expect(await page.pageErrors()).toEqual([]);
	} finally {
		await browser.close();
		await publisher.stop();
		await server.close();
		await rm(folder, { recursive: true, force: true });
	}
});

function expectJpeg({ status, type, bytes }: { status: number; type: string | null; bytes: Uint8Array }): void {
	expect([status, type, bytes[0], bytes[1], bytes.at(-2), bytes.at(-1)]).toEqual([
		200,
		'image/jpeg',
		0xff,
		0xd8,
		0xff,
		0xd9,
	]);
}
