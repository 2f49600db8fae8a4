/** Tests of the stage with a real worker: what a viewer receives over take-overs, after joining, and through pipes. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import { SOUND_LAG_MS } from '../../core/media/sound-lag.ts';
import type { BroadcastRouter, ViewerRouter } from '../broadcast/broadcast-router.ts';
import { DEFAULT_PAYLOAD_TYPES, type PayloadTypes } from '../rtp/media-codecs.ts';
import { PICTURE_TICKS, PictureFeed, pictureNumbers, picturePayloads } from '../testing/numbered-pictures.ts';
import { SfuBench, waitUntil } from '../testing/sfu-bench.ts';
import { startsH264KeyFrame } from '../rtp/h264-depacketizer.ts';
import { PlainViewer } from '../testing/plain-viewer.ts';
import { sequenceSteps, timestampSteps, type SentPacket, type SentReport } from './testing/sent-packets.ts';

const OTHER_PAYLOAD_TYPES: PayloadTypes = { h264: 125, opus: 109 };
const GOP_PICTURES = 30;

/** Whole numbers from one to another, both included. */
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index);

let bench: SfuBench;
let broadcastRouter: BroadcastRouter;

beforeEach(async () => {
	bench = await SfuBench.start(2);
	broadcastRouter = await bench.sfu.createBroadcastRouter(bench.newBroadcastId());
});

afterEach(async () => {
	await bench[Symbol.asyncDispose]();
});

describe('a viewer on the live layer', () => {
	/** Capture time of timeline position 0, as of a publisher whose clock began a while ago. */
	let captureAtZeroMs: number;

	beforeEach(() => {
		captureAtZeroMs = systemClock.nowMs() - 15_000;
	});

	const pictureTimes = (number: number): { timelineTicks: number; captureTimeMs: number } => ({
		timelineTicks: 900_000 + number * PICTURE_TICKS,
		captureTimeMs: captureAtZeroMs + 10_000 + number * (PICTURE_TICKS / 90),
	});
	const soundTimes = (number: number): { timelineTicks: number; captureTimeMs: number } => ({
		timelineTicks: 480_000 + number * 1600,
		captureTimeMs: captureAtZeroMs + 10_000 + number * (1600 / 48),
	});

	/** Sends pictures as a publisher's packets, then a sound for each. */
	function forward(
		first: number,
		last: number,
		firstKeyFrame: number,
		sequenceNumbers: { video: number; audio: number },
	): void {
		for (const number of range(first, last)) {
			const payloads = picturePayloads(number, number === firstKeyFrame);
			payloads.forEach((payload, index) =>
				broadcastRouter.stage.video.forward({
					payload,
					hasMarker: index === payloads.length - 1,
					sequenceNumber: sequenceNumbers.video++ % 65_536,
					...pictureTimes(number),
				}),
			);
			broadcastRouter.stage.audio.forward({
				payload: Uint8Array.of(0xfc, number),
				hasMarker: false,
				sequenceNumber: sequenceNumbers.audio++ % 65_536,
				...soundTimes(number),
			});
		}
	}

	function write(first: number, last: number): void {
		for (const number of range(first, last)) {
			const isKeyFrame = number === first;
			const payloads = picturePayloads(number, isKeyFrame);
			broadcastRouter.stage.video.writePicture({ payloads, isKeyFrame, ...pictureTimes(number) });
			broadcastRouter.stage.audio.writeFrame({ bytes: Uint8Array.of(0xfc, number), ...soundTimes(number) });
		}
	}

	function takeOver(): void {
		broadcastRouter.stage.video.beginRun();
		broadcastRouter.stage.audio.beginRun();
	}

	/** Capture time by a sender report minus that by the packet's own extension. */
	function reportErrorsMs(reports: readonly SentReport[], packets: readonly SentPacket[], clockRate: number): number[] {
		return reports.map((report) => {
			const packet = packets.at(-1)!;
			const sinceMs = (((report.timestampTicks - packet.timestampTicks) | 0) * 1000) / clockRate;
			return report.nowMs - sinceMs - packet.captureTimeMs!;
		});
	}

	it('receives one stream over three publishers: numbers without a gap, times ascending, capture time in every packet', async () => {
		const { stage, homeRouter } = broadcastRouter;
		await using video = await PlainViewer.open(homeRouter, stage.videoProducer.id);
		await using audio = await PlainViewer.open(homeRouter, stage.audioProducer.id);
		await video.join(stage);
		await audio.consumer.resume();
		// The worker distinguishes mediasoup's streams and their reports by packets that came before.
		await sleep(systemClock, 100);

		forward(0, 19, 0, { video: 65_530, audio: 65_530 });
		takeOver();
		// The second one begins in the middle of a GOP, which is dropped.
		forward(20, 39, 25, { video: 1000, audio: 2000 });
		takeOver();
		write(40, 59);
		const shown = [...range(0, 19), ...range(25, 59)];
		await waitUntil(() => pictureNumbers(video.packets).at(-1) === 59, 'the last picture has arrived');
		await waitUntil(() => audio.packets.length === 60, 'the last sound has arrived');

		expect(pictureNumbers(video.packets)).toEqual(shown);
		expect(startsH264KeyFrame(video.packets[0]!.payload)).toBe(true);
		expect(new Set(sequenceSteps(video.packets))).toEqual(new Set([1]));
		expect(new Set(timestampSteps(video.packets))).toEqual(new Set([0, PICTURE_TICKS, 6 * PICTURE_TICKS]));
		expect(audio.packets.map(({ payload }) => payload[1])).toEqual(range(0, 59));
		expect(new Set(sequenceSteps(audio.packets))).toEqual(new Set([1]));
		expect(new Set(timestampSteps(audio.packets))).toEqual(new Set([1600]));
		for (const [packets, numbers, lagMs] of [
			[video.packets.filter(({ payload }) => payload[0] !== 0x78), shown, 0],
			[audio.packets, range(0, 59), SOUND_LAG_MS],
		] as const) {
			packets.forEach((packet, index) => {
				const capturedAtMs = captureAtZeroMs + 10_000 + numbers[index]! * (1000 / 30);
				expect(packet.captureTimeMs! - lagMs).toBeCloseTo(capturedAtMs, 0);
			});
		}
	});

	it('gets sender reports that agree with the extension, under one CNAME, so that sound and picture play in step', async () => {
		const { stage, homeRouter } = broadcastRouter;
		await using video = await PlainViewer.open(homeRouter, stage.videoProducer.id);
		await using audio = await PlainViewer.open(homeRouter, stage.audioProducer.id);
		await video.join(stage);
		await audio.consumer.resume();
		let number = 0;
		using feeding = { [Symbol.dispose]: systemClock.setInterval(() => write(number, number++), 33) };
		await waitUntil(() => video.received.reports.length >= 2 && audio.received.reports.length >= 2, 'two reports each');
		feeding[Symbol.dispose]();
		const { reports } = video.received;
		expect(new Set([...reports, ...audio.received.reports].map(({ cname }) => cname))).toEqual(
			new Set([broadcastRouter.broadcastId]),
		);
		const errorsMs = [
			...reportErrorsMs(reports, video.packets, 90_000),
			...reportErrorsMs(audio.received.reports, audio.packets, 48_000),
		];
		expect(Math.max(...errorsMs.map(Math.abs))).toBeLessThan(5);
	});
});

describe('a newcomer', () => {
	/** Feeds until this many pictures after a key frame that is not the first. */
	async function feedIntoGop(feed: PictureFeed, pictures: number, gopsBefore = 1): Promise<void> {
		const last = gopsBefore * GOP_PICTURES + pictures;
		await waitUntil(() => feed.next >= last, `${pictures} pictures of a later GOP are sent`);
	}

	/** They see the GOP in which they came from its key frame on, and every picture after it, once and in order. */
	function expectSmoothJoin(viewer: PlainViewer, firstPicture: number, lastPicture: number): void {
		const packets = viewer.packets;
		expect(startsH264KeyFrame(packets[0]!.payload)).toBe(true);
		const numbers = pictureNumbers(packets);
		expect(numbers).toEqual(range(firstPicture, numbers.at(-1)!));
		expect(numbers.at(-1)).toBeGreaterThanOrEqual(lastPicture);
		expect(new Set(sequenceSteps(packets))).toEqual(new Set([1]));
		expect(Math.min(...timestampSteps(packets))).toBe(0);
		expect(timestampSteps(packets).filter((step) => step > 0)).toHaveLength(numbers.length - 1);
		expect(packets.every(({ captureTimeMs }) => captureTimeMs !== undefined)).toBe(true);
	}

	/** A newcomer in the middle of a GOP, on a router that is acquired at that moment. */
	async function joinAndWatch(
		acquire: () => Promise<Pick<ViewerRouter, 'router' | 'producers'>>,
		payloadType: number,
		gopsBefore?: number,
	): Promise<void> {
		const { stage } = broadcastRouter;
		using feed = new PictureFeed(stage, GOP_PICTURES);
		await feedIntoGop(feed, 15, gopsBefore);
		const viewerRouter = await acquire();
		await using viewer = await PlainViewer.open(
			viewerRouter.router,
			viewerRouter.producers.get(stage.videoProducer)!.id,
		);
		const firstPicture = feed.newestKeyFrame;
		await viewer.join(stage);
		// Through a new pipe the live layer is not known at first, and it may take some key frames until they move.
		await waitUntil(
			() => viewer.consumer.currentLayers?.spatialLayer === stage.liveSpatialLayer,
			'they are on the live layer',
		);
		const lastPicture = Math.max(feed.next, firstPicture + 2 * GOP_PICTURES) + 10;
		await waitUntil(() => (pictureNumbers(viewer.packets).at(-1) ?? 0) >= lastPicture, 'further pictures');
		expectSmoothJoin(viewer, firstPicture, lastPicture);
		expect(new Set(viewer.packets.map((packet) => packet.payloadType))).toEqual(new Set([payloadType]));
		// The pictures from before they came have their timestamps compressed to 1 ms each.
		const burstSteps = timestampSteps(viewer.packets)
			.filter((step) => step > 0)
			.slice(0, 14);
		expect(new Set(burstSteps)).toEqual(new Set([90]));
	}

	it('gets a key frame and the GOP so far at once, and moves to the live layer without a gap', async () => {
		const { homeRouter: router, stage } = broadcastRouter;
		await joinAndWatch(
			() => Promise.resolve({ router, producers: new Map([[stage.videoProducer, stage.videoProducer]]) }),
			DEFAULT_PAYLOAD_TYPES.h264,
		);
		expect(broadcastRouter.pipedRouterCount).toBe(0);
	});

	it('does so with other payload types, through a pipe that exists already', async () => {
		const viewerRouter = await broadcastRouter.acquireViewerRouter(OTHER_PAYLOAD_TYPES);
		expect(broadcastRouter.pipedRouterCount).toBe(1);
		expect(viewerRouter.pooledWorker).toBe(broadcastRouter.home);
		await joinAndWatch(() => Promise.resolve(viewerRouter), OTHER_PAYLOAD_TYPES.h264);
	});

	it('does so on each join layer, also when none has been used for longer than mediasoup waits for a stream', async () => {
		const viewerRouter = await broadcastRouter.acquireViewerRouter(OTHER_PAYLOAD_TYPES);
		const { stage } = broadcastRouter;
		using feed = new PictureFeed(stage, GOP_PICTURES);
		await feedIntoGop(feed, 5, 6);
		const joinLayerCount = stage.videoProducer.rtpParameters.encodings!.length - stage.liveSpatialLayer - 1;
		const seen = new Set<number | undefined>();
		while (seen.size < joinLayerCount) {
			await waitUntil(() => feed.next % GOP_PICTURES > 3 && feed.next % GOP_PICTURES < 20, 'no key frame is near');
			const viewer = await PlainViewer.open(viewerRouter.router, viewerRouter.producers.get(stage.videoProducer)!.id);
			const newest = feed.newestKeyFrame;
			const layers: (number | undefined)[] = [];
			viewer.consumer.on('layerschange', (change) => layers.push(change?.spatialLayer));
			await viewer.join(stage);
			await waitUntil(() => pictureNumbers(viewer.packets).length > 0 && layers.length > 0, 'a picture');
			expect(pictureNumbers(viewer.packets)[0]).toBe(newest);
			expect(layers[0]).toBeGreaterThan(stage.liveSpatialLayer);
			seen.add(layers[0]);
			// The layer stays in use for a while: a newcomer whose Consumer never runs waits there.
			await viewer[Symbol.asyncDispose]();
			stage.video.join(() => Promise.resolve());
			await sleep(systemClock, 300);
		}
	});

	it('does so with other payload types, through a pipe that is set up for them', async () => {
		await joinAndWatch(() => broadcastRouter.acquireViewerRouter(OTHER_PAYLOAD_TYPES), OTHER_PAYLOAD_TYPES.h264);
		expect(broadcastRouter.pipedRouterCount).toBe(1);
	});

	it('does so on another worker, through a pipe that is set up for them', async () => {
		const other = bench.sfu.pool.workers.find((worker) => worker !== broadcastRouter.home)!;
		await joinAndWatch(
			() => broadcastRouter.acquireViewerRouter(DEFAULT_PAYLOAD_TYPES, other),
			DEFAULT_PAYLOAD_TYPES.h264,
		);
		expect(broadcastRouter.pipedRouterCount).toBe(1);
	});

	it('joins among others at any moment of a GOP: all begin with its key frame and miss nothing', async () => {
		const { homeRouter, stage } = broadcastRouter;
		using feed = new PictureFeed(stage, GOP_PICTURES);
		await feedIntoGop(feed, 3);
		await using viewers = new AsyncDisposableStack();
		const all: { viewer: PlainViewer; possible: number[] }[] = [];
		for (let index = 0; index < 6; index++) {
			const viewer = viewers.use(await PlainViewer.open(homeRouter, stage.videoProducer.id));
			const before = feed.newestKeyFrame;
			await viewer.join(stage);
			all.push({ viewer, possible: [before, feed.newestKeyFrame] });
			await sleep(systemClock, 40);
		}
		const lastPicture = feed.newestKeyFrame + GOP_PICTURES + 10;
		await waitUntil(
			() => all.every(({ viewer }) => (pictureNumbers(viewer.packets).at(-1) ?? 0) >= lastPicture),
			'the next GOP',
		);
		for (const { viewer, possible } of all) {
			const firstPicture = pictureNumbers(viewer.packets)[0]!;
			expect(possible).toContain(firstPicture);
			expectSmoothJoin(viewer, firstPicture, lastPicture);
		}
	});
});

describe('requests for key frames', () => {
	it('reach the publisher at most once a second, and not from newcomers on a join layer', async () => {
		const { stage, homeRouter } = broadcastRouter;
		let requestCount = 0;
		stage.on('keyFrameRequested', () => requestCount++);
		// Key frames come often, because the worker passes a request on only when the one before has been answered.
		using feed = new PictureFeed(stage, 3);
		await using viewer = await PlainViewer.open(homeRouter, stage.videoProducer.id);
		await viewer.consumer.setPreferredLayers({ spatialLayer: stage.liveSpatialLayer });
		await viewer.consumer.resume();
		await waitUntil(() => viewer.packets.length > 0 && requestCount > 0, 'the first picture, and the request for it');
		const request = async (isEnough: () => boolean, what: string): Promise<void> => {
			const first = feed.next;
			await waitUntil(() => {
				viewer.consumer.requestKeyFrame().catch(() => {
					// The test is over.
				});
				return isEnough() || feed.next > first + 30;
			}, what);
		};
		// A second later on a stopped clock: however many key frames come and are requested again, one request is relayed.
		bench.clock.frozenAtMs = Math.round(systemClock.monotonicMs()) + 1000;
		requestCount = 0;
		await request(() => false, 'a second of requests');
		expect(requestCount).toBe(1);
		bench.clock.aheadMs += 999;
		await request(() => false, 'another second of requests');
		expect(requestCount).toBe(1);
		bench.clock.aheadMs += 1;
		await request(() => requestCount > 1, 'the next request');
		expect(requestCount).toBe(2);
	});

	it('of newcomers are answered by their burst, not by the publisher', async () => {
		const { stage, homeRouter } = broadcastRouter;
		let requestCount = 0;
		using feed = new PictureFeed(stage, GOP_PICTURES);
		await waitUntil(() => feed.next > GOP_PICTURES + 5, 'the second GOP');
		stage.on('keyFrameRequested', () => requestCount++);
		await using viewer = await PlainViewer.open(homeRouter, stage.videoProducer.id);
		await viewer.consumer.setPreferredLayers({ spatialLayer: stage.liveSpatialLayer + 1 });
		await viewer.consumer.resume();
		await viewer.consumer.requestKeyFrame();
		const seen = feed.next;
		await waitUntil(() => feed.next > seen + 10, 'ten more pictures');
		expect(requestCount).toBe(0);
	});
});

describe('a pipe', () => {
	it('is closed some time after its last viewer, and set up again for the next', async () => {
		const first = await broadcastRouter.acquireViewerRouter(OTHER_PAYLOAD_TYPES);
		const second = await broadcastRouter.acquireViewerRouter(OTHER_PAYLOAD_TYPES);
		expect(second).toBe(first);
		expect(await broadcastRouter.viewerCount()).toBe(2);
		bench.clock.longestTimerMs = 1000;
		broadcastRouter.releaseViewerRouter(first);
		await sleep(systemClock, 30);
		expect(broadcastRouter.pipedRouterCount).toBe(1);
		broadcastRouter.releaseViewerRouter(second);
		await waitUntil(() => broadcastRouter.pipedRouterCount === 0, 'the pipe is closed');
		expect(first.router.closed).toBe(true);
		expect(first.pooledWorker.routerCount).toBe(1);
		const third = await broadcastRouter.acquireViewerRouter(OTHER_PAYLOAD_TYPES);
		expect(third).not.toBe(first);
		expect(third.router.closed).toBe(false);
	});

	it('stays when a viewer comes back in time', async () => {
		const first = await broadcastRouter.acquireViewerRouter(OTHER_PAYLOAD_TYPES);
		broadcastRouter.releaseViewerRouter(first);
		expect(await broadcastRouter.acquireViewerRouter(OTHER_PAYLOAD_TYPES)).toBe(first);
		expect(first.idleTimer.isArmed).toBe(false);
	});

	it('is set up once for viewers who come at the same time', async () => {
		const routers = await Promise.all([1, 2, 3].map(() => broadcastRouter.acquireViewerRouter(OTHER_PAYLOAD_TYPES)));
		expect(new Set(routers).size).toBe(1);
		expect(routers[0]!.viewerCount).toBe(3);
	});

	it('is refused beyond a bound on the kinds of viewers', async () => {
		const acquire = (h264: number): Promise<ViewerRouter> => broadcastRouter.acquireViewerRouter({ h264, opus: 111 });
		await Promise.all(range(35, 58).map(acquire));
		await expect(acquire(59)).rejects.toMatchObject({ code: 'SFU_UNAVAILABLE' });
		// Known kinds are still served.
		await expect(acquire(35)).resolves.toMatchObject({ viewerCount: 2 });
	});
});

describe('closing', () => {
	it('closes a stage once, with its reason, and its viewers with it', async () => {
		const { stage, homeRouter } = broadcastRouter;
		const reasons: string[] = [];
		stage.on('closed', (reason) => reasons.push(`stage ${reason}`));
		broadcastRouter.on('closed', (reason) => reasons.push(`router ${reason}`));
		await using viewer = await PlainViewer.open(homeRouter, stage.videoProducer.id);
		const piped = await broadcastRouter.acquireViewerRouter(OTHER_PAYLOAD_TYPES);
		await Promise.all([broadcastRouter.close('broadcast-ended'), broadcastRouter.close('server-shutdown')]);
		expect(reasons.toSorted()).toEqual(['router broadcast-ended', 'stage broadcast-ended']);
		expect([stage, broadcastRouter, homeRouter, piped.router].map(({ closed }) => closed)).not.toContain(false);
		expect(viewer.consumer.closed).toBe(true);
		expect(bench.sfu.pool.workers.map(({ routerCount }) => routerCount)).toEqual([0, 0]);
	});

	it('closes the router when the stage closes', async () => {
		await broadcastRouter.stage.close('broadcast-ended');
		await waitUntil(() => broadcastRouter.homeRouter.closed, 'the router is closed');
		expect(broadcastRouter.closed).toBe(true);
	});

	it('accepts no viewers after it has closed, and leaves no router behind', async () => {
		await broadcastRouter.close('broadcast-ended');
		await expect(broadcastRouter.acquireViewerRouter(OTHER_PAYLOAD_TYPES)).rejects.toThrow();
		expect(bench.sfu.pool.workers.map(({ routerCount }) => routerCount)).toEqual([0, 0]);
	});

	it('ignores media that comes after it has closed', async () => {
		const { stage } = broadcastRouter;
		await broadcastRouter.close('broadcast-ended');
		const picture = { payloads: picturePayloads(0, true), isKeyFrame: true, timelineTicks: 0, captureTimeMs: 0 };
		const sound = { bytes: Uint8Array.of(0xfc), timelineTicks: 0, captureTimeMs: 0 };
		expect(() => stage.video.writePicture(picture)).not.toThrow();
		expect(() => stage.audio.writeFrame(sound)).not.toThrow();
	});
});
