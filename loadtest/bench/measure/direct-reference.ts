/**
 * The baseline: one headless Chromium sends the canvas source to another, without any server between. What a path of
 * ours costs is its latency minus this, measured alternately.
 */
import { sleep, systemClock } from '../../../core/lifecycle/clock.ts';
import { BenchPage, type ShownFrame, type HeardSound } from '../../clients/chromium/bench-page.ts';
import { launchChromium } from '../../clients/chromium/chromium.ts';
import type { SendOptions } from '../../clients/chromium/page/webrtc-page.ts';
import type { WatchSummary } from './frame-log.ts';
import { summariseWatch } from './frame-log.ts';
import type { SentFrame } from '../../source/source-loop.ts';

/** What is sent, and for how long. */
export type ReferenceOptions = {
	widthPixels: number;
	heightPixels: number;
	frameRate: number;
	codec: 'h264' | 'vp8';
	videoBitrateBps: number;
	withSound: boolean;
	/** Not measured: jitter buffers and encoders settle. */
	settleMs: number;
	durationMs: number;
};

/** Summary and the logs behind it. */
type ReferenceResult = {
	summary: WatchSummary;
	shown: ShownFrame[];
	heard: HeardSound[];
	sent: SentFrame[];
	/** Error of the two page clocks together, at most, in milliseconds. */
	clockErrorMs: number;
};

/** 720p30 with sound for a settled half minute. */
export const REFERENCE_DEFAULTS: ReferenceOptions = {
	widthPixels: 1280,
	heightPixels: 720,
	frameRate: 30,
	codec: 'h264',
	videoBitrateBps: 2_500_000,
	withSound: true,
	settleMs: 5000,
	durationMs: 30_000,
};

/** Runs the direct connection in two browser processes of its own and closes both. */
export async function measureDirectReference(options: ReferenceOptions): Promise<ReferenceResult> {
	const senderBrowser = await launchChromium();
	const receiverBrowser = await launchChromium().catch(async (error: unknown) => {
		await senderBrowser.close();
		throw error;
	});
	try {
		const sender = await BenchPage.openOwn(senderBrowser);
		const receiver = await BenchPage.openOwn(receiverBrowser);
		await receiver.call('startReading', 'video', options.withSound);
		const send: SendOptions = {
			codec: options.codec,
			videoBitrateBps: options.videoBitrateBps,
			frameRate: options.frameRate,
		};
		const offer = await sender.call<string>('sendCanvasDirectly', options, send);
		const answer = await receiver.call<string>('answerOffer', offer);
		await sender.call('acceptAnswer', answer);
		return await watchPages(sender, receiver, options);
	} finally {
		await Promise.all([senderBrowser.close(), receiverBrowser.close()]);
	}
}

/** The bench's own delay: canvas to video element within one page, without network or encoder. */
export async function measureHarness(options: ReferenceOptions): Promise<ReferenceResult> {
	const browser = await launchChromium();
	try {
		const page = await BenchPage.openOwn(browser);
		await page.call('startReading', 'video', options.withSound);
		await page.call('showCanvasHere', options);
		return await watchPages(page, page, options);
	} finally {
		await browser.close();
	}
}

async function watchPages(sender: BenchPage, receiver: BenchPage, options: ReferenceOptions): Promise<ReferenceResult> {
	await sleep(systemClock, options.settleMs);
	const clockErrorMs = (await sender.synchronise()) + (sender === receiver ? 0 : await receiver.synchronise());
	const fromMs = systemClock.nowMs();
	await sleep(systemClock, options.durationMs);
	const toMs = systemClock.nowMs();
	const { frames: shown, sounds: heard } = await receiver.collect(sender.offsetMs);
	const sent = await sender.collectDrawn();
	return { summary: summariseWatch(shown, heard, sent, { fromMs, toMs }), shown, heard, sent, clockErrorMs };
}
