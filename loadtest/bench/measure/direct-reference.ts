/**
 * The baseline: one headless Chromium sends the canvas source to another, without a server. The cost of a path is its
 * latency minus this, measured alternately.
 */
import { sleep, systemClock } from '../../../core/lifecycle/clock.ts';
import { BenchPage, type HeardSound, type ShownFrame } from '../../clients/chromium/bench-page.ts';
import { launchChromium } from '../../clients/chromium/chromium.ts';
import type { CanvasSourceOptions } from '../../clients/chromium/page/canvas-source.ts';
import type { SendOptions } from '../../clients/chromium/page/webrtc-page.ts';
import { summariseWatch, type WatchSummary } from './frame-log.ts';
import type { SentFrame } from '../../source/source-loop.ts';

export type ReferenceOptions = CanvasSourceOptions & {
	videoBitrateBps: number;
	/** Between two key frames of the direct connection; undefined: only the first one. */
	keyFrameIntervalMs?: number | undefined;
	/** Not measured: jitter buffers and encoders settle. */
	settleMs: number;
	durationMs: number;
};

/** Summary and the logs behind it. */
type ReferenceResult = { summary: WatchSummary; shown: ShownFrame[]; heard: HeardSound[]; sent: SentFrame[] };

/** Runs the direct connection in two browser processes and closes both. */
export async function measureDirectReference(options: ReferenceOptions): Promise<ReferenceResult> {
	const senderBrowser = await launchChromium();
	const receiverBrowser = await launchChromium().catch(async (error: unknown) => {
		await senderBrowser.close();
		throw error;
	});
	try {
		const sender = await BenchPage.openOwn(senderBrowser);
		const receiver = await BenchPage.openOwn(receiverBrowser);
		await receiver.call('startReading', 'video', true);
		const send: SendOptions = { ...options, codec: 'h264' };
		const offer = await sender.call<string>('sendCanvasDirectly', send);
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
		await page.call('startReading', 'video', true);
		await page.call('showCanvasHere', options);
		return await watchPages(page, page, options);
	} finally {
		await browser.close();
	}
}

async function watchPages(sender: BenchPage, receiver: BenchPage, options: ReferenceOptions): Promise<ReferenceResult> {
	await sleep(systemClock, options.settleMs);
	await sender.synchronise();
	if (sender !== receiver) {
		await receiver.synchronise();
	}
	const fromMs = systemClock.nowMs();
	await sleep(systemClock, options.durationMs);
	const toMs = systemClock.nowMs();
	const { frames: shown, sounds: heard } = await receiver.collect(sender.offsetMs);
	const sent = await sender.collectDrawn();
	return { summary: summariseWatch(shown, heard, sent, { fromMs, toMs }), shown, heard, sent };
}
