/** Tests of the rungs of a stage with a real worker: which layer viewers get, and how they change. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import { RUNG_NAMES } from '../../core/protocol/ladder-choice.ts';
import type { BroadcastRouter, ViewerRouter } from '../broadcast/broadcast-router.ts';
import { DEFAULT_PAYLOAD_TYPES } from '../rtp/media-codecs.ts';
import { sequenceSteps, timestampSteps } from '../stage/testing/sent-packets.ts';
import { PICTURE_TICKS, PictureFeed, pictureNumbers } from '../testing/numbered-pictures.ts';
import { PlainViewer } from '../testing/plain-viewer.ts';
import { SfuBench, waitUntil } from '../testing/sfu-bench.ts';

const GOP_PICTURES = 30;
const OTHER_PAYLOAD_TYPES = { h264: 125, opus: 109 };

let bench: SfuBench;
let broadcastRouter: BroadcastRouter;
let feed: PictureFeed;

beforeEach(async () => {
	bench = await SfuBench.start(2);
	broadcastRouter = await bench.sfu.createBroadcastRouter(bench.newBroadcastId());
	feed = new PictureFeed(broadcastRouter.stage, GOP_PICTURES);
	feed.rungs = ['480p30', '360p30', '160p30'];
});

afterEach(async () => {
	feed[Symbol.dispose]();
	await bench[Symbol.asyncDispose]();
});

async function openViewer({ router, producers }: ViewerRouter): Promise<PlainViewer> {
	return PlainViewer.open(router, producers.get(broadcastRouter.stage.videoProducer)!.id);
}

/** Every picture in order. Where the layer changes to one that is sent a little later, a key frame comes in both. */
function expectSmooth(viewer: PlainViewer): void {
	const numbers = pictureNumbers(viewer.packets);
	const steps = numbers.slice(1).map((number, index) => number - numbers[index]!);
	expect(steps.every((step) => step === 0 || step === 1)).toBe(true);
	expect(steps.filter((step) => step === 0).length).toBeLessThanOrEqual(4);
	expect(new Set(sequenceSteps(viewer.packets))).toEqual(new Set([1]));
	expect(Math.min(...timestampSteps(viewer.packets))).toBeGreaterThanOrEqual(0);
	expect(Math.max(...timestampSteps(viewer.packets))).toBeLessThanOrEqual(2 * PICTURE_TICKS);
}

describe('the layers of a stage', () => {
	it('are the rungs, lowest first, then the source, then the join layers', () => {
		const { stage } = broadcastRouter;
		expect(stage.liveSpatialLayer).toBe(RUNG_NAMES.length);
		const encodings = stage.videoProducer.rtpParameters.encodings!;
		// One RTCP packet of mediasoup's holds 17 reports.
		expect(encodings).toHaveLength(17);
		expect(encodings[stage.liveSpatialLayer]!.ssrc).toBe(stage.video.liveSsrc);
	});

	it.each([
		['of the home router', DEFAULT_PAYLOAD_TYPES, 0],
		['behind a pipe', OTHER_PAYLOAD_TYPES, 0],
		['behind a pipe to another worker', DEFAULT_PAYLOAD_TYPES, 1],
	])(
		'a viewer %s begins with a rung’s GOP, goes to the source, and to rungs and back',
		async (_where, types, other) => {
			const { stage, home } = broadcastRouter;
			const worker = other === 0 ? home : bench.sfu.pool.workers.find((entry) => entry !== home)!;
			const viewerRouter = await broadcastRouter.acquireViewerRouter(types, worker);
			// The far end of a new pipe knows capture times after some seconds.
			await sleep(systemClock, worker === home && types === DEFAULT_PAYLOAD_TYPES ? 1500 : 3500);
			expect(stage.video.layers.onAir.map(({ name }) => name)).toEqual(['160p30', '360p30', '480p30', 'source']);
			await waitUntil(() => feed.next % GOP_PICTURES === 10, 'the middle of a GOP');
			await using viewer = await openViewer(viewerRouter);
			const shown: (number | undefined)[] = [];
			viewer.consumer.on('layerschange', (layers) => shown.push(layers?.spatialLayer));
			const keyFrame = feed.newestKeyFrame;
			await viewer.join(stage, { first: 1, wanted: () => stage.liveSpatialLayer });
			await waitUntil(() => shown.at(-1) === stage.liveSpatialLayer, 'the source', 3000);
			expect(pictureNumbers(viewer.packets)[0]).toBe(keyFrame);
			expect(shown.slice(0, -1).every((layer) => layer! > stage.liveSpatialLayer)).toBe(true);
			for (const spatialLayer of [1, 0, 2, stage.liveSpatialLayer]) {
				await viewer.consumer.setPreferredLayers({ spatialLayer });
				await waitUntil(() => shown.at(-1) === spatialLayer, `layer ${spatialLayer}`, 3000);
			}
			await sleep(systemClock, 200);
			expectSmooth(viewer);
		},
	);

	it('change when a rung falls silent: it is off the air within a second, and its viewers get another', async () => {
		const { layers } = broadcastRouter.stage.video;
		await using viewer = await openViewer(await broadcastRouter.acquireViewerRouter(DEFAULT_PAYLOAD_TYPES));
		await sleep(systemClock, 1200);
		await viewer.consumer.setPreferredLayers({ spatialLayer: 1 });
		await viewer.consumer.resume();
		await waitUntil(() => viewer.consumer.currentLayers?.spatialLayer === 1, 'the rung');
		const fromMs = systemClock.monotonicMs();
		const changed = new Promise<void>((resolve) => layers.on('changed', resolve, { once: true }));
		feed.rungs = ['480p30', '160p30'];
		await changed;
		expect(systemClock.monotonicMs() - fromMs).toBeLessThan(1200);
		expect(layers.onAir.map(({ spatialLayer }) => spatialLayer)).toEqual([0, 2, 5]);
		await viewer.consumer.setPreferredLayers({ spatialLayer: 0 });
		await waitUntil(() => viewer.consumer.currentLayers?.spatialLayer === 0, 'the next lower rung', 1500);
	});
});

describe('the estimator of a line', () => {
	it('begins late, with a Consumer that is closed at once, and then estimates', async () => {
		await using viewer = await openViewer(await broadcastRouter.acquireViewerRouter(DEFAULT_PAYLOAD_TYPES));
		await viewer.consumer.resume();
		expect(await viewer.startEstimator(broadcastRouter.homeRouter)).toBeGreaterThan(0);
	});
});
