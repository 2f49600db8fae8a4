/** Each publisher against a real receiver: FFmpeg's RTMP listener, and Chromium behind a small WHIP endpoint. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import { measureEncoderDelay } from '../bench/measure/encoder-delay.ts';
import { readLuma } from '../source/testing/read-luma.ts';
import { exitOf, freePort, listenForRtmp } from '../source/testing/rtmp-listener.ts';
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

/** The luma planes of the pictures that FFmpeg decodes, at least `pictureCount` unless time runs out. */
async function decodeRtmp(port: number, publisher: Publisher, pictureCount: number): Promise<Buffer[]> {
	const pictures: Buffer[] = [];
	const enough = Promise.withResolvers<void>();
	const listener = listenForRtmp(`rtmp://127.0.0.1:${port}/live/key`, 640 * 360, (luma) => {
		if (pictures.push(luma) >= pictureCount) {
			enough.resolve();
		}
	});
	const exited = exitOf(listener);
	try {
		// The listener needs a moment, and has no sign of being ready.
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
		await Promise.race([enough.promise, sleep(systemClock, 30_000)]);
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
		// A publisher cannot be used again after a refused connection.
		const retrying: Publisher = {
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
		const pictures = await decodeRtmp(port, retrying, 60);
		expect(pictures.length).toBeGreaterThanOrEqual(60);
		const sent = new Map((await publisher.sentFrames()).map((frame) => [frame.frameNumber, frame.captureTimeMs]));
		const readings = pictures.map((luma) => readLuma(luma, 640, 360, systemClock.nowMs()));
		readings.forEach((reading, index) => {
			expect(reading).toBeDefined();
			expect(reading!.frameNumber).toBe(readings[0]!.frameNumber + index);
			expect(Math.abs(sent.get(reading!.frameNumber)! - reading!.captureTimeMs)).toBeLessThan(0.1);
		});
	});

	it("rejects with FFmpeg's own message when no server listens", async () => {
		const publisher = new RtmpPublisher(SETTINGS, {
			url: `rtmp://127.0.0.1:${await freePort()}/live`,
			streamKey: 'key',
		});
		await expect(publisher.start()).rejects.toThrow(/FFmpeg ended.*refused/i);
		await publisher.stop();
	});

	it('gives its encoder delay', async () => {
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
				// The browser requests an icon.
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

	it('plays the OBS-like publisher in Chromium, in order and with sound', async () => {
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
			codec,
			videoBitrateBps: 1_000_000,
		};
		const { frames } = await watch((url) => new ChromiumWhipPublisher(options, { url, streamKey: 'key' }), 5);
		expect(offers[0]!.toLowerCase()).toContain(codec);
		expect(frames.length).toBeGreaterThan(30);
		expect(frames).toEqual([...frames].sort((one, other) => one - other));
		expect(deletedCount).toBe(1);
	});
});
