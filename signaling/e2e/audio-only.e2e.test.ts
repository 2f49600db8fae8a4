/** "Audio only" over WebRTC through the server, in Chromium: no picture comes, and one again when it is wanted. */
import { describe, expect, it } from 'vitest';
import { waitUntilLive, ServerUnderTest } from '../../loadtest/bench/measure/server-under-test.ts';
import { launchChromium } from '../../loadtest/clients/chromium/chromium.ts';
import { createPublisher } from '../../loadtest/clients/create-publisher.ts';
import { TEST_SETTINGS } from '../../loadtest/source/encoder-settings.ts';

/** What the page's newest PeerConnection has received. */
type Received = { video: number; audio: number };

/** Keeps the page's PeerConnections where the test can read them. */
const KEEP_PEERS = `
	window.peers = [];
	window.RTCPeerConnection = class extends RTCPeerConnection {
		constructor(...options) {
			super(...options);
			window.peers.push(this);
		}
	};
`;
const READ_PEER = `(async () => {
	const received = { video: 0, audio: 0 };
	for (const entry of (await window.peers.at(-1).getStats()).values()) {
		if (entry.type === 'inbound-rtp') {
			received[entry.kind] = entry.bytesReceived;
		}
	}
	return received;
})()`;
/** The loudest sample of 3 s: Chromium delivers a remote sound only while an element plays it too. */
const LISTEN = `(async () => {
	const context = new AudioContext();
	const analyser = context.createAnalyser();
	const { srcObject } = document.querySelector('video[data-shown]');
	context.createMediaStreamSource(srcObject).connect(analyser);
	const samples = new Float32Array(analyser.fftSize);
	let loudest = 0;
	for (let count = 0; count < 60; count++) {
		await new Promise((resolve) => setTimeout(resolve, 50));
		analyser.getFloatTimeDomainData(samples);
		loudest = Math.max(loudest, ...samples);
	}
	await context.close();
	return loudest;
})()`;
const DEADLINE_MS = 30_000;
const WATCHED_MS = 2000;
/** For the wish to reach the server, and for what is on its way. */
const SETTLED_MS = 1000;

describe('audio only over WebRTC', () => {
	it('gets no picture and plays on, and then a picture again', async () => {
		const server = await ServerUnderTest.start({ SPILLWAY_INGEST_LADDER: '160p30' });
		const publisher = createPublisher('rtmp', TEST_SETTINGS, server.addresses);
		const browser = await launchChromium();
		try {
			await publisher.start();
			await waitUntilLive(server.addresses);
			const page = await browser.newPage({ viewport: { width: 1280, height: 720 } });
			await page.addInitScript(KEEP_PEERS);
			await page.goto(new URL('/embed/demo', server.addresses.httpUrl).href);
			const received = (): Promise<Received> => page.evaluate<Received>(READ_PEER);
			const statistic = <Value>(name: string): Promise<Value> => page.evaluate<Value>(`__spillway.statistics?.${name}`);
			const plays = async (): Promise<void> => {
				const now = async (): Promise<unknown[]> => [
					await statistic('tier'),
					await statistic('state'),
					await statistic('handOver.state'),
				];
				await expect.poll(now, { timeout: DEADLINE_MS }).toEqual(['webrtc', 'playing', 'settled']);
			};
			const choose = async (name: string | RegExp): Promise<void> => {
				await page.getByRole('button', { name: 'Quality' }).click();
				await page.getByRole('menuitemradio', { name }).click();
			};
			/** The picture's bytes stand still while the sound plays on. */
			const expectSoundAlone = async (): Promise<void> => {
				await page.waitForTimeout(SETTLED_MS);
				const before = await received();
				const problems: unknown[] = [];
				for (let passedMs = 0; passedMs < WATCHED_MS; passedMs += 200) {
					const [tier, state] = [await statistic('tier'), await statistic('state')];
					if (tier !== 'webrtc' || state !== 'playing') {
						problems.push([passedMs, tier, state]);
					}
					await page.waitForTimeout(200);
				}
				const after = await received();
				expect(problems).toEqual([]);
				expect(after.video).toBe(before.video);
				expect(after.audio).toBeGreaterThan(before.audio + 5000);
				expect(await statistic<number>('latencyMs')).toBeGreaterThan(0);
				expect(await statistic<number>('reconnectCount')).toBe(0);
				await page.getByRole('status').getByText('Audio only').waitFor();
			};
			const expectPicture = async (): Promise<void> => {
				const { video } = await received();
				const has = async (): Promise<boolean> => (await received()).video > video + 10_000;
				await expect.poll(has, { timeout: DEADLINE_MS, interval: 50 }).toBe(true);
				await expect.poll(() => statistic('heightPixels'), { timeout: DEADLINE_MS }).toBeGreaterThan(0);
				await plays();
			};

			await plays();
			await choose('Audio only');
			await expectSoundAlone();
			await choose(/^Auto/);
			await expectPicture();
			// A page that begins with the remembered choice.
			await choose('Audio only');
			await page.reload();
			await plays();
			await expectSoundAlone();
			expect((await received()).video).toBe(0);
			expect(await page.evaluate(LISTEN)).toBeGreaterThan(0.01);
		} finally {
			await browser.close();
			await publisher.stop();
			await server.stop();
		}
	});
});
