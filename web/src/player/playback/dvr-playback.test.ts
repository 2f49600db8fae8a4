/** What is kept of a broadcast, over a scripted hls.js. */
import type * as HlsModule from 'hls.js';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../core/logger.ts';
import { FakeClock } from '../../../../core/testing/fake-clock.ts';
import { createDvrPlayback } from './dvr-playback.ts';
import { FakeVideo } from './testing/fake-video.ts';

const DATE_MS = 1_700_000_000_000;
const SEGMENT_SECONDS = 2;

class BaseLoader {
	static readonly texts: string[] = [];
	load(_context: object, _config: object, callbacks: { onSuccess: (response: { data: string }) => void }): void {
		const date = new Date(DATE_MS).toISOString();
		const response = { data: `#EXTM3U\n#EXT-X-PROGRAM-DATE-TIME:${date}\n#EXTINF:100,\nsegment1.m4s\n` };
		callbacks.onSuccess(response);
		BaseLoader.texts.push(response.data);
	}
}

class FakeHls {
	static isSupported = (): boolean => true;
	static readonly DefaultConfig = { loader: BaseLoader };
	static readonly made: FakeHls[] = [];
	readonly calls: string[] = [];
	readonly config: { pLoader: new (config: object) => BaseLoader };
	readonly listeners = new Map<string, (event: string, data: object) => void>();
	readonly levels = [{ videoCodec: 'avc1.42e01f', audioCodec: 'mp4a.40.2' }];
	currentLevel = 0;
	bandwidthEstimate = 3_000_000;

	constructor(config: FakeHls['config']) {
		this.config = config;
		FakeHls.made.push(this);
	}
	on = (event: string, listener: (event: string, data: object) => void): void =>
		void this.listeners.set(event, listener);
	set nextLevel(level: number) {
		this.calls.push(`next level ${level}`);
	}
	set startLevel(level: number) {
		this.calls.push(`start level ${level}`);
	}
	loadSource = (url: string): void => void this.calls.push(`load ${url}`);
	attachMedia = (): void => void this.calls.push('attach');
	destroy = (): void => void this.calls.push('destroy');
	startLoad = (from: number): void => void this.calls.push(`start ${from}`);
	recoverMediaError = (): void => void this.calls.push('recover');
	fire(event: string, data: object): void {
		this.listeners.get(event)!(event, data);
	}
}

const LIBRARY = {
	default: FakeHls,
	Events: {
		MANIFEST_PARSED: 'manifest',
		LEVEL_UPDATED: 'updated',
		FRAG_LOADED: 'loaded',
		ERROR: 'error',
	},
} as unknown as typeof HlsModule;

class BufferedVideo extends FakeVideo {
	seeking = false;
	readyState = 4;
	get buffered() {
		return { length: 1, start: () => 2, end: () => 8 };
	}
	getVideoPlaybackQuality = () => ({ droppedVideoFrames: 0 });
}

async function setUp({ speed = 1, gapAt = -1 } = {}) {
	FakeHls.made.length = 0;
	BaseLoader.texts.length = 0;
	const [clock, video] = [new FakeClock(), new BufferedVideo()];
	const deps = {
		clock,
		logger: silentLogger,
		serverClock: { toServerMs: (monotonicMs: number) => DATE_MS + monotonicMs, uncertaintyMs: 1 },
		isPageVisible: () => true,
		chance: () => 0,
	};
	const playback = createDvrPlayback(
		deps,
		{
			dvrUrl: 'http://localhost/hls/a/dvr.m3u8',
			fromCaptureTimeMs: DATE_MS + 5500,
			speed,
			knownBps: undefined,
			preference: undefined,
		},
		async () => LIBRARY,
	);
	playback.start(video as unknown as HTMLVideoElement, 'live', 'one');
	await clock.advance(0);
	/** Fifty segments. */
	function publish(): void {
		const fragments = Array.from({ length: 50 }, (_, index) => ({
			start: index * SEGMENT_SECONDS,
			duration: SEGMENT_SECONDS,
			programDateTime: DATE_MS + index * SEGMENT_SECONDS * 1000,
			gap: index === gapAt,
		}));
		FakeHls.made.at(-1)!.fire('updated', { details: { fragments, edge: 100, startSN: 1 } });
	}
	async function play(ms: number): Promise<void> {
		for (let passedMs = 0; passedMs < ms; passedMs += 40) {
			video.showFrame(clock.monotonicMs());
			await clock.advance(40);
			video.currentTime += video.paused ? 0 : 0.04 * video.playbackRate;
		}
	}
	const hls = (): FakeHls => FakeHls.made.at(-1)!;
	const fail = (data: object): void => hls().fire('error', { fatal: true, details: '', ...data });
	/** Where hls.js gets its start. */
	const start = (): string | undefined => {
		new (hls().config.pLoader)({}).load({}, {}, { onSuccess: () => undefined });
		return /TIME-OFFSET=([\d.]+)/.exec(BaseLoader.texts.at(-1)!)?.[1];
	};
	return { clock, video, playback, publish, play, hls, fail, start };
}

describe('a playback of what is kept', () => {
	it('begins at the capture time, and stays behind live', async () => {
		const { video, playback, publish, play, start } = await setUp();
		expect(start()).toBe('5.500');
		publish();
		video.currentTime = 5.5;
		await play(1000);
		expect(playback.state).toBe('playing');
		expect(Math.abs(playback.shownMoments.latest!.captureTimeMs - DATE_MS - 6460)).toBeLessThan(50);
		playback.timeShift!.goLive();
		expect([playback.timeShift!.isShifted, playback.timeShift!.hasLiveEdge]).toEqual([true, false]);
	});

	it('knows what is listed and loaded, by capture time', async () => {
		const { playback, publish } = await setUp({ gapAt: 3 });
		publish();
		expect(playback.timeShift!.listed).toEqual({
			startMs: DATE_MS,
			endMs: DATE_MS + 100_000,
			gaps: [{ startMs: DATE_MS + 6000, endMs: expect.closeTo(DATE_MS + 8000, -2) }],
			isSliding: false,
		});
		expect(playback.timeShift!.buffered).toEqual([
			{ startMs: DATE_MS + 2000, endMs: expect.closeTo(DATE_MS + 8000, -2) },
		]);
	});

	it('jumps, also before anything has come', async () => {
		const { video, playback, publish, start } = await setUp();
		playback.timeShift!.seek(DATE_MS + 40_000);
		expect(start()).toBe('40.000');
		publish();
		playback.timeShift!.seek(DATE_MS + 60_500);
		expect(video.currentTime).toBe(60.5);
	});

	it('steps over stretches without media', async () => {
		const { video, publish, play } = await setUp({ gapAt: 3 });
		publish();
		video.currentTime = 5.5;
		await play(1200);
		expect(video.currentTime).toBeGreaterThan(8);
	});

	it('plays at the chosen speed, but not faster than live near its end', async () => {
		const { video, playback, publish, play } = await setUp({ speed: 2 });
		publish();
		video.currentTime = 90;
		await play(200);
		expect(video.playbackRate).toBe(2);
		playback.timeShift!.setSpeed(0.5);
		await play(200);
		expect(video.playbackRate).toBe(0.5);
		playback.timeShift!.setSpeed(1.5);
		video.currentTime = 96;
		await play(200);
		expect(video.playbackRate).toBe(1);
	});

	it('connects again where it was after a failure', async () => {
		const { clock, video, publish, play, fail, start } = await setUp();
		publish();
		video.currentTime = 30;
		await play(400);
		fail({ type: 'networkError', details: 'fragLoadError', response: { code: 500 } });
		await clock.advance(2000);
		expect(FakeHls.made).toHaveLength(2);
		expect(Number(start())).toBeCloseTo(30.4, 1);
	});

	it('plays to its end when the broadcast is over, also after a pause, and is then over for good', async () => {
		const { clock, video, playback, publish, play } = await setUp();
		publish();
		video.currentTime = 30;
		await play(400);
		video.paused = true;
		playback.channelReported('offline', undefined);
		await play(5000);
		expect(playback.state).toBe('playing');
		video.paused = false;
		await play(1000);
		Object.assign(video, { ended: true, paused: true });
		await clock.advance(200);
		expect(playback.state).toBe('ended');
		playback.channelReported('live', 'two');
		await clock.advance(5000);
		expect([playback.state, FakeHls.made.length]).toEqual(['ended', 1]);
	});

	it('is over when the server no longer has it', async () => {
		const { clock, video, playback, publish, play, fail } = await setUp();
		publish();
		video.currentTime = 30;
		await play(400);
		playback.channelReported('offline', undefined);
		fail({ type: 'networkError', details: 'fragLoadError', response: { code: 404 } });
		await clock.advance(2000);
		fail({ type: 'networkError', details: 'manifestLoadError', response: { code: 404 } });
		expect(playback.state).toBe('ended');
	});

	it('lists its qualities, and plays the chosen one from the next segment on', async () => {
		const { hls, playback } = await setUp();
		hls().fire('manifest', {
			levels: [
				{ width: 640, height: 360, frameRate: 30, bitrate: 800_000 },
				{ width: 1920, height: 1080, frameRate: 60, bitrate: 6_000_000 },
			],
		});
		expect(playback.quality.qualities.map(({ heightPixels }) => heightPixels)).toEqual([1080, 360]);
		expect(playback.quality.shownQuality?.heightPixels).toBe(360);
		playback.quality.prefer({ kind: 'picture', heightPixels: 1080, frameRate: 60, isSource: true });
		expect(hls().calls.at(-1)).toBe('next level 1');
		playback.quality.prefer(undefined);
		expect(hls().calls.at(-1)).toBe('next level -1');
	});

	it('reports a playlist that does not come', async () => {
		const { playback, fail } = await setUp();
		fail({ type: 'networkError', details: 'manifestLoadError', response: { code: 403 } });
		expect([playback.state, playback.error?.kind]).toEqual(['error', 'refused']);
	});
});
