/**
 * Each publisher against a real receiver that is not ours: FFmpeg's RTMP listener, and Chromium behind a WHIP endpoint
 * of a few lines. Order, pattern and sound are looked at, never speed.
 */
import { spawn } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import { measureEncoderDelay } from '../bench/measure/encoder-delay.ts';
import { readPattern } from '../source/time-pattern.ts';
import { BenchPage } from './chromium/bench-page.ts';
import { launchChromium } from './chromium/chromium.ts';
import { ChromiumWhipPublisher } from './whip/chromium-whip-publisher.ts';
import { BENCH_SETTINGS, type EncoderSettings } from '../source/encoder-settings.ts';
import type { Publisher } from '../source/publisher.ts';
import { RtmpPublisher } from './rtmp/rtmp-publisher.ts';
import { WeriftWhipPublisher } from './whip/werift-whip-publisher.ts';

const SETTINGS: EncoderSettings = {
	...BENCH_SETTINGS,
	widthPixels: 640,
	heightPixels: 360,
	videoBitrateBps: 1_000_000,
};

// Timers of core/lifecycle/clock.ts do not keep a process alive; vitest's worker does that itself.

async function freePort(): Promise<number> {
	const probe = createTcpServer().listen(0, '127.0.0.1');
	await new Promise((resolve) => probe.once('listening', resolve));
	const { port } = probe.address() as AddressInfo;
	await new Promise((resolve) => probe.close(resolve));
	return port;
}

/** FFmpeg listens, decodes what comes and hands the luma of each picture over. */
async function decodeRtmp(
	port: number,
	settings: EncoderSettings,
	publisher: Publisher,
	pictureCount: number,
): Promise<Buffer[]> {
	const listener = spawn('ffmpeg', [
		...['-hide_banner', '-loglevel', 'error', '-listen', '1', '-i', `rtmp://127.0.0.1:${port}/live/key`],
		...['-map', '0:v', '-vsync', 'passthrough', '-pix_fmt', 'gray', '-f', 'rawvideo', 'pipe:1'],
	]);
	const exited = new Promise((resolve) => listener.once('exit', resolve));
	const frameBytes = settings.widthPixels * settings.heightPixels;
	const pictures: Buffer[] = [];
	let pending = Buffer.alloc(0);
	const enough = new Promise<void>((resolve) => {
		listener.stdout.on('data', (bytes: Buffer) => {
			pending = Buffer.concat([pending, bytes]);
			for (; pending.length >= frameBytes; pending = pending.subarray(frameBytes)) {
				pictures.push(Buffer.from(pending.subarray(0, frameBytes)));
			}
			if (pictures.length >= pictureCount) {
				resolve();
			}
		});
	});
	try {
		// The listener needs a moment to listen, and tells nobody when it does.
		for (let attempt = 0; ; attempt++) {
			try {
				await sleep(systemClock, 300);
				await publisher.start();
				break;
			} catch (error) {
				if (attempt === 10) {
					throw error;
				}
			}
		}
		await Promise.race([enough, sleep(systemClock, 30_000)]);
	} finally {
		await publisher.stop();
		listener.kill('SIGKILL');
		await exited;
	}
	return pictures;
}

describe('RtmpPublisher', () => {
	it.each([
		['low-latency', 48_000],
		['obs-rtmp-defaults', 44_100],
	] as const)('pushes pictures that decode in order (%s, %i Hz)', async (profile, sampleRate) => {
		const settings: EncoderSettings = {
			...SETTINGS,
			profile,
			sampleRate,
			gopSeconds: profile === 'low-latency' ? 1 : undefined,
		};
		const port = await freePort();
		const make = (): Publisher =>
			new RtmpPublisher(settings, { url: `rtmp://127.0.0.1:${port}/live`, streamKey: 'key' });
		let publisher = make();
		// A refused connection uses the publisher up.
		const retrying: Publisher = {
			protocol: 'rtmp',
			description: '',
			clockOffsetMs: 0,
			start: () =>
				publisher.start().catch((error: unknown) => {
					publisher = make();
					throw error;
				}),
			stop: () => publisher.stop(),
			kill: () => publisher.kill(),
			sentFrames: () => publisher.sentFrames(),
		};
		const pictures = await decodeRtmp(port, settings, retrying, 60);
		expect(pictures.length).toBeGreaterThanOrEqual(60);
		const sent = new Map((await publisher.sentFrames()).map((frame) => [frame.frameNumber, frame.captureTimeMs]));
		const readings = pictures.map((samples) =>
			readPattern(
				{ samples, width: 640, pictureHeight: 360, rowStride: 640, sampleStride: 1, firstIndex: 0 },
				systemClock.nowMs(),
			),
		);
		readings.forEach((reading, index) => {
			expect(reading).toBeDefined();
			expect(reading!.frameNumber).toBe(readings[0]!.frameNumber + index);
			expect(Math.abs(sent.get(reading!.frameNumber)! - reading!.captureTimeMs)).toBeLessThan(0.1);
		});
	});

	it("rejects with FFmpeg's own words when nobody listens", async () => {
		const publisher = new RtmpPublisher(SETTINGS, {
			url: `rtmp://127.0.0.1:${await freePort()}/live`,
			streamKey: 'key',
		});
		await expect(publisher.start()).rejects.toThrow(/FFmpeg ended.*refused/i);
		await publisher.stop();
	});

	it('has its encoder delay measured apart', async () => {
		const delay = await measureEncoderDelay(SETTINGS, 4000);
		expect(delay.count).toBeGreaterThan(30);
		expect(delay.p50).toBeGreaterThan(0);
	});
});

describe('WHIP publishers', () => {
	let browser: Browser;
	let server: Server;
	let receiver: BenchPage;
	let offers: string[];
	let deletedCount: number;

	beforeAll(async () => {
		browser = await launchChromium();
		server = createServer((request, response) => {
			if (request.method === 'DELETE') {
				deletedCount++;
				response.writeHead(200).end();
				return;
			}
			if (request.method !== 'POST') {
				// The browser asks for an icon.
				response.writeHead(404).end();
				return;
			}
			let body = '';
			request.setEncoding('utf8').on('data', (text: string) => (body += text));
			request.on('end', () => {
				offers.push(body);
				void receiver.call<string>('answerOffer', body).then((answer) => {
					response.writeHead(201, { Location: '/whip/session', 'Content-Type': 'application/sdp' }).end(answer);
				});
			});
		}).listen(0, '127.0.0.1');
		await new Promise((resolve) => server.once('listening', resolve));
	});

	afterAll(async () => {
		server.closeAllConnections();
		server.close();
		await browser.close();
	});

	async function watch(
		makePublisher: (url: string) => Publisher,
		seconds: number,
	): Promise<{ publisher: Publisher; frames: number[]; soundCount: number }> {
		offers = [];
		deletedCount = 0;
		receiver = await BenchPage.openOwn(browser);
		await receiver.call('startReading', 'video', true);
		const publisher = makePublisher(`http://127.0.0.1:${(server.address() as AddressInfo).port}/whip`);
		try {
			await publisher.start();
			await sleep(systemClock, seconds * 1000);
			const { frames, sounds } = await receiver.collect();
			return { publisher, frames: frames.map((frame) => frame.frameNumber), soundCount: sounds.length };
		} finally {
			await publisher.stop();
			await receiver.page.context().close();
		}
	}

	it('plays what the OBS-like publisher sends in Chromium, in order and with sound', async () => {
		const settings = { ...SETTINGS, gopSeconds: undefined };
		const { publisher, frames, soundCount } = await watch(
			(url) => new WeriftWhipPublisher(settings, { url, streamKey: 'key' }),
			8,
		);
		expect(offers[0]).toContain('a=ssrc:');
		expect(offers[0]).not.toContain('a=candidate');
		expect(frames.length).toBeGreaterThan(60);
		expect(frames).toEqual([...frames].sort((one, other) => one - other));
		expect(soundCount).toBeGreaterThanOrEqual(3);
		expect(deletedCount).toBe(1);
		expect((await publisher.sentFrames()).length).toBeGreaterThan(100);
	});

	it.each(['h264', 'vp8'] as const)('plays what Chromium sends by WHIP with %s', async (codec) => {
		const options = {
			widthPixels: 640,
			heightPixels: 360,
			frameRate: 30,
			withSound: true,
			codec,
			videoBitrateBps: 1_000_000,
			keyFrameIntervalMs: 1000,
		};
		const { frames } = await watch((url) => new ChromiumWhipPublisher(options, { url, streamKey: 'key' }), 5);
		expect(offers[0]!.toLowerCase()).toContain(codec);
		expect(frames.length).toBeGreaterThan(30);
		expect(frames).toEqual([...frames].sort((one, other) => one - other));
		expect(deletedCount).toBe(1);
	});
});
