/**
 * Tests of many newcomers at once with a real worker: each gets the GOP so far at once, and no viewer gets another's.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import type { BroadcastRouter, ViewerRouter } from '../broadcast/broadcast-router.ts';
import { DEFAULT_PAYLOAD_TYPES } from '../rtp/media-codecs.ts';
import { PICTURE_TICKS, PictureFeed, pictureNumbers, picturePayloads } from '../testing/numbered-pictures.ts';
import { PlainViewer } from '../testing/plain-viewer.ts';
import { SfuBench, waitUntil } from '../testing/sfu-bench.ts';
import { sequenceSteps, timestampSteps } from './testing/sent-packets.ts';

const GOP_PICTURES = 60;

let bench: SfuBench;
let broadcastRouter: BroadcastRouter;

beforeEach(async () => {
	bench = await SfuBench.start(1);
	broadcastRouter = await bench.sfu.createBroadcastRouter(bench.newBroadcastId());
});

afterEach(async () => {
	await bench[Symbol.asyncDispose]();
});

function openViewer({ router, producers }: ViewerRouter): Promise<PlainViewer> {
	return PlainViewer.open(router, producers.get(broadcastRouter.stage.videoProducer)!.id);
}

/** All pictures from a key frame on, each once and in order, timestamps ascending. */
function expectSmooth(viewer: PlainViewer, keyFrame: number): void {
	const numbers = pictureNumbers(viewer.packets);
	expect(numbers).toEqual(numbers.map((_, index) => keyFrame + index));
	expect(new Set(sequenceSteps(viewer.packets))).toEqual(new Set([1]));
	const steps = timestampSteps(viewer.packets);
	expect(Math.min(...steps)).toBe(0);
	expect(steps.filter((step) => step > 0)).toHaveLength(numbers.length - 1);
	// The burst's pictures are 1 ms apart, and those after it a picture apart: the first step between is shorter or
	// equal. On a busy machine the burst is some milliseconds late.
	expect(Math.max(...steps)).toBeLessThanOrEqual(PICTURE_TICKS * 1.5);
}

describe('a crowd', () => {
	it.each([
		['of the home router', 1, DEFAULT_PAYLOAD_TYPES],
		['behind a pipe that is set up for it', 0, { h264: 125, opus: 109 }],
		['behind a pipe that exists', 4500, { h264: 125, opus: 109 }],
	])('%s begins at once with the newest key frame, and misses nothing', async (_where, pipeAgeMs, payloadTypes) => {
		const { stage } = broadcastRouter;
		using feed = new PictureFeed(stage, GOP_PICTURES);
		await waitUntil(() => feed.next >= GOP_PICTURES, 'a GOP');
		const early = pipeAgeMs > 0 ? await broadcastRouter.acquireViewerRouter(payloadTypes) : undefined;
		await sleep(systemClock, pipeAgeMs);
		await waitUntil(() => feed.next % GOP_PICTURES === 5, 'the beginning of a GOP');
		const viewerRouter = early ?? (await broadcastRouter.acquireViewerRouter(payloadTypes));
		await using viewers = new AsyncDisposableStack();
		const all: { viewer: PlainViewer; keyFrame: number; waitedMs: number }[] = [];
		for (let index = 0; index < 40; index++) {
			const viewer = viewers.use(await openViewer(viewerRouter));
			const keyFrame = feed.newestKeyFrame;
			const fromMs = systemClock.monotonicMs();
			const entry = { viewer, keyFrame, waitedMs: Infinity };
			all.push(entry);
			viewer.onPacket = () => (entry.waitedMs = Math.min(entry.waitedMs, systemClock.monotonicMs() - fromMs));
			await viewer.join(stage);
			await sleep(systemClock, 15);
		}
		if (pipeAgeMs > 0) {
			// They have changed to the leading layer. The far end of a new pipe lets nothing change layers yet.
			await sleep(systemClock, 150);
			const layers = all.map(({ viewer }) => viewer.consumer.currentLayers?.spatialLayer);
			expect(new Set(layers.slice(0, 30)).size).toBeLessThanOrEqual(2);
		}
		const lastPicture = (Math.floor(feed.next / GOP_PICTURES) + 1) * GOP_PICTURES + 5;
		await waitUntil(() => all.every(({ viewer }) => (pictureNumbers(viewer.packets).at(-1) ?? 0) >= lastPicture), 'K');
		for (const { viewer, keyFrame } of all) {
			const first = pictureNumbers(viewer.packets)[0]!;
			// A key frame may have come while it gathered.
			expect([keyFrame, keyFrame + GOP_PICTURES]).toContain(first);
			expectSmooth(viewer, first);
		}
		const waitedMs = all.map((entry) => entry.waitedMs).toSorted((one, other) => one - other);
		expect(waitedMs[Math.floor(all.length * 0.9)]).toBeLessThan(500);
	});
});

describe('a viewer on the live layer', () => {
	it('gets nothing of newcomers while the publisher is away, who get the GOP before', async () => {
		const { stage } = broadcastRouter;
		const viewerRouter = await broadcastRouter.acquireViewerRouter(DEFAULT_PAYLOAD_TYPES);
		await using viewer = await openViewer(viewerRouter);
		const write = (number: number, isKeyFrame: boolean): void =>
			stage.video.writePicture({
				payloads: picturePayloads(number, isKeyFrame),
				isKeyFrame,
				timelineTicks: 900_000 + number * PICTURE_TICKS,
				captureTimeMs: systemClock.nowMs(),
			});
		await viewer.join(stage);
		for (let number = 0; number < 40; number++) {
			write(number, number % 30 === 0);
			await sleep(systemClock, 33);
		}
		expect(viewer.consumer.currentLayers?.spatialLayer).toBe(stage.liveSpatialLayer);
		// Longer than mediasoup waits for a stream.
		await sleep(systemClock, 6500);
		const before = viewer.packets.length;
		await using newcomer = await openViewer(viewerRouter);
		await newcomer.join(stage);
		await waitUntil(() => pictureNumbers(newcomer.packets).at(-1) === 39, 'the newcomer has the last GOP');
		expect(viewer.packets).toHaveLength(before);
		stage.video.beginRun();
		for (let number = 250; number < 260; number++) {
			write(number, number === 250);
		}
		await waitUntil(() => pictureNumbers(viewer.packets).at(-1) === 259, 'pictures of the next publisher');
		await waitUntil(() => pictureNumbers(newcomer.packets).at(-1) === 259, 'pictures of the next publisher');
		expect(pictureNumbers(viewer.packets).slice(-11)).toEqual([39, 250, 251, 252, 253, 254, 255, 256, 257, 258, 259]);
		expect(new Set(sequenceSteps(viewer.packets))).toEqual(new Set([1]));
		expect(new Set(sequenceSteps(newcomer.packets))).toEqual(new Set([1]));
	});

	it('keeps its timestamps when it comes there while the burst of others is on the layer where it began', async () => {
		const { stage } = broadcastRouter;
		const viewerRouter = await broadcastRouter.acquireViewerRouter(DEFAULT_PAYLOAD_TYPES);
		const pictureMs = 1000 / 30;
		const [startMs, startEpochMs] = [systemClock.monotonicMs(), systemClock.nowMs()];
		let next = 0;
		const write = (isKeyFrame: boolean): void => {
			const [head, ...rest] = picturePayloads(next, isKeyFrame);
			// Large pictures: the burst takes long.
			const filler = Array.from({ length: 60 }, () => Buffer.alloc(300, 0x06));
			stage.video.writePicture({
				payloads: [head!, ...rest, ...filler],
				isKeyFrame,
				timelineTicks: 900_000 + next * PICTURE_TICKS,
				captureTimeMs: startEpochMs + next * pictureMs,
			});
			next++;
		};
		const writeUntil = async (isEnough: () => boolean): Promise<void> => {
			for (const deadline = next + 150; !isEnough() && next < deadline;) {
				await sleep(systemClock, Math.max(0, startMs + next * pictureMs - systemClock.monotonicMs()));
				write(next % 300 === 0);
			}
			expect(isEnough()).toBe(true);
		};
		await writeUntil(() => next === 30);
		await using leader = await openViewer(viewerRouter);
		await leader.join(stage);
		await writeUntil(() => leader.consumer.currentLayers?.spatialLayer === stage.liveSpatialLayer + 1);
		await using second = await openViewer(viewerRouter);
		const layers: (number | undefined)[] = [];
		second.consumer.on('layerschange', (change) => layers.push(change?.spatialLayer));
		await second.join(stage);
		await writeUntil(() => layers.at(-1) === stage.liveSpatialLayer + 1);
		expect(layers).toEqual([stage.liveSpatialLayer + 2, stage.liveSpatialLayer + 1]);
		await using third = await openViewer(viewerRouter);
		await third.join(stage);
		await waitUntil(() => third.packets.length > 60, 'the third one gets its burst, on the second one’s layer');
		write(true);
		await waitUntil(() => layers.at(-1) === stage.liveSpatialLayer, 'the second one is on the live layer');
		expect(third.consumer.currentLayers?.spatialLayer).toBe(stage.liveSpatialLayer + 2);
		// Timestamps are closer together within the burst, which they had before.
		const hasEnoughAt = next + 15;
		await writeUntil(() => next >= hasEnoughAt && pictureNumbers(second.packets).at(-1)! >= next - 2);
		const steps = timestampSteps(second.packets).filter((step) => step > 0);
		expect(Math.max(...steps.slice(-10))).toBeLessThanOrEqual(PICTURE_TICKS + 90);
		expect(Math.min(...steps.slice(-10))).toBeGreaterThanOrEqual(PICTURE_TICKS - 90);
	});
});
