/** The LL-HLS tier over a scripted hls.js. */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../core/logger.ts';
import { FakeClock } from '../../../../core/testing/fake-clock.ts';
import { createHlsPlayback, type HlsBrowser } from './hls-playback.ts';
import { FakeVideo } from './testing/fake-video.ts';

const DATE_MS = 1_700_000_000_000;
const HOLD_BACK_SECONDS = 0.6;
const PART_SECONDS = 0.2;

class FakeHls {
	static isSupported = (): boolean => true;
	static readonly made: FakeHls[] = [];
	/** The broadcast that the channel's address leads to. */
	static running = 'one';
	readonly calls: string[] = [];
	readonly listeners = new Map<string, (event: string, data: object) => void>();
	readonly config = {};
	readonly inFlightFragments = {};
	readonly levels = [
		{ videoCodec: 'avc1.42e01f', audioCodec: 'mp4a.40.2', url: [`/hls/a/${FakeHls.running}/0/index.m3u8`] },
	];
	readonly currentLevel = 0;
	media = null;
	liveSyncPosition = null;
	lowLatencyMode = true;
	targetLatency = null;

	constructor() {
		FakeHls.made.push(this);
	}
	on(event: string, listener: (event: string, data: object) => void): void {
		this.listeners.set(event, listener);
	}
	loadSource = (url: string): void => void this.calls.push(`load ${url}`);
	attachMedia = (): void => void this.calls.push('attach');
	destroy = (): void => void this.calls.push('destroy');
	startLoad = (from: number): void => void this.calls.push(`start ${from}`);
	stopLoad = (): void => void this.calls.push('stop');
	recoverMediaError = (): void => void this.calls.push('recover');
	fire(event: string, data: object): void {
		this.listeners.get(event)!(event, data);
	}
}

class BufferedVideo extends FakeVideo {
	seeking = false;
	readyState = 4;
	bufferedToSeconds = 0;
	get buffered() {
		return { length: 1, start: () => 0, end: () => this.bufferedToSeconds };
	}
	get played() {
		return { length: this.currentTime > 0 ? 1 : 0 };
	}
	getVideoPlaybackQuality = () => ({ droppedVideoFrames: 3 });
}

async function setUp({ fromCaptureTimeMs = undefined as number | undefined, library = async () => LIBRARY } = {}) {
	FakeHls.made.length = 0;
	FakeHls.isSupported = () => true;
	FakeHls.running = 'one';
	const [clock, video] = [new FakeClock(), new BufferedVideo()];
	const loadLadder = async () => undefined;
	const browser = { hasMediaSource: () => true, loadLibrary: library, loadLadder } as unknown as HlsBrowser;
	const deps = {
		clock,
		logger: silentLogger,
		serverClock: { toServerMs: (monotonicMs: number) => DATE_MS + monotonicMs, uncertaintyMs: 1 },
		isPageVisible: () => true,
		chance: () => 0,
	};
	const playback = createHlsPlayback(deps, { hlsUrl: '/hls/a.m3u8', fromCaptureTimeMs }, browser);
	playback.start(video as unknown as HTMLVideoElement, 'live', 'one');
	await clock.advance(0);

	/** A playlist whose last part ends here, with one segment per second from media time 0 on. */
	function publish(edgeSeconds: number): void {
		const whole = Math.floor(edgeSeconds);
		FakeHls.made.at(-1)!.fire('updated', {
			details: {
				partHoldBack: HOLD_BACK_SECONDS,
				partTarget: PART_SECONDS,
				advanced: true,
				edge: edgeSeconds,
				startSN: 1,
				fragmentEnd: whole,
				fragments: Array.from({ length: whole }, (_, start) => ({ start, programDateTime: DATE_MS + start * 1000 })),
				fragmentHint: { start: whole, programDateTime: DATE_MS + whole * 1000 },
			},
		});
		video.bufferedToSeconds = edgeSeconds;
	}
	/** Five parts arrive per second, and the playhead moves. */
	async function play(ms: number): Promise<void> {
		for (let passedMs = 0; passedMs < ms; passedMs += 200) {
			publish(10 + clock.monotonicMs() / 1000);
			for (let frame = 0; frame < 5; frame++) {
				video.showFrame(clock.monotonicMs());
				await clock.advance(40);
				video.currentTime += (video.paused ? 0 : 0.04) * video.playbackRate;
			}
		}
	}
	const behindSeconds = (): number => 10 + clock.monotonicMs() / 1000 - video.currentTime;
	const fail = (data: object): void => FakeHls.made.at(-1)!.fire('error', { fatal: true, details: '', ...data });
	return { clock, video, playback, play, publish, behindSeconds, fail, hls: () => FakeHls.made.at(-1)! };
}

const LIBRARY = {
	default: FakeHls,
	Events: { LEVEL_UPDATED: 'updated', ERROR: 'error', FRAG_LOADED: 'loaded' },
};

describe('an LL-HLS playback', () => {
	it('loads, plays, and keeps the playlist’s hold-back', async () => {
		const { hls, video, playback, play, behindSeconds } = await setUp();
		expect(hls().calls).toEqual(['load /hls/a.m3u8', 'attach']);
		video.currentTime = 9;
		await play(20_000);
		expect(playback.state).toBe('playing');
		expect(behindSeconds()).toBeCloseTo(HOLD_BACK_SECONDS, 1);
		expect(playback.statistics()).toMatchObject({
			videoCodec: 'avc1.42e01f',
			framesDroppedCount: 3,
			targetDistanceMs: HOLD_BACK_SECONDS * 1000,
			isStarved: false,
		});
		expect(playback.statistics().latencyMs).toBeDefined();
	});

	it('does not move the playhead before the start', async () => {
		const { video, play } = await setUp();
		video.paused = true;
		await play(2000);
		expect([video.currentTime, video.playbackRate]).toEqual([0, 1]);
	});

	it('jumps forward to the edge from far behind, and never back', async () => {
		const { video, playback, play, behindSeconds } = await setUp();
		video.currentTime = 1;
		await play(400);
		expect(behindSeconds()).toBeLessThan(1);
		const { currentTime } = video;
		playback.timeShift!.goLive();
		expect(video.currentTime).toBeGreaterThanOrEqual(currentTime);
		video.currentTime += 5;
		playback.timeShift!.goLive();
		expect(video.currentTime).toBeGreaterThan(currentTime + 4.9);
	});

	it.each([
		['ends a stall by a seek to the same place once there is enough to play', 0.05, 1],
		['leaves a stall of the decoder alone', 0.4, 0],
	])('%s', async (_title, aheadSeconds, expected) => {
		const { clock, video, play, publish } = await setUp();
		video.currentTime = 9.4;
		await play(1000);
		let seekCount = 0;
		const { currentTime } = video;
		const set = (to: number): void => void (seekCount += to === currentTime ? 1 : 0);
		Object.defineProperty(video, 'currentTime', { get: () => currentTime, set });
		video.readyState = 2;
		video.bufferedToSeconds = currentTime + aheadSeconds;
		video.dispatchEvent(new Event('waiting'));
		await clock.advance(300);
		expect(seekCount).toBe(0);
		publish(currentTime + 0.7);
		await clock.advance(300);
		expect(seekCount).toBe(expected);
	});

	it('plays from a capture time and keeps that distance until goLive()', async () => {
		const { video, playback, play, behindSeconds } = await setUp({ fromCaptureTimeMs: DATE_MS + 3500 });
		await play(2000);
		expect(playback.timeShift!.isShifted).toBe(true);
		expect(behindSeconds()).toBeGreaterThan(6);
		expect(video.playbackRate).toBe(1);
		playback.timeShift!.goLive();
		expect(playback.timeShift!.isShifted).toBe(false);
		expect(behindSeconds()).toBeLessThan(1);
	});

	it('plays at the edge when that capture time has left the window', async () => {
		const { playback, play } = await setUp({ fromCaptureTimeMs: DATE_MS - 60_000 });
		await play(400);
		expect(playback.timeShift!.isShifted).toBe(false);
	});

	it('keeps its place after a pause', async () => {
		const { video, playback, play, behindSeconds } = await setUp();
		video.currentTime = 9.4;
		await play(2000);
		playback.timeShift!.holdPosition();
		video.paused = true;
		await play(5000);
		video.paused = false;
		await play(2000);
		expect(behindSeconds()).toBeGreaterThan(5);
	});

	it.each([
		['manifestLoadError', 404, 'offline', undefined],
		['manifestLoadError', 503, 'connecting', { kind: 'refused', fatal: false }],
		['manifestLoadTimeOut', 0, 'connecting', { kind: 'unreachable', fatal: false }],
		['manifestLoadError', 502, 'connecting', { kind: 'unreachable', fatal: false }],
		['manifestLoadError', 403, 'error', { kind: 'refused', fatal: true }],
		['manifestIncompatibleCodecsError', 0, 'error', { kind: 'undecodable', fatal: true }],
		['levelLoadError', 500, 'connecting', { kind: 'connection-lost', fatal: false }],
		['levelLoadError', 0, 'connecting', { kind: 'unreachable', fatal: false }],
	] as const)('maps %s (%i) to its state and error', async (details, code, state, error) => {
		const { playback, fail } = await setUp();
		fail({ details, type: 'networkError', response: { code } });
		expect(playback.state).toBe(state);
		expect(playback.error).toEqual(error === undefined ? undefined : expect.objectContaining(error));
	});

	it('ignores what hls.js repairs itself, and restarts loading after a stall that nudging did not end', async () => {
		const { playback, fail, hls } = await setUp();
		fail({ fatal: false, details: 'fragLoadError', type: 'networkError' });
		fail({ details: 'bufferStalledError', type: 'mediaError' });
		expect([playback.error, hls().calls.slice(2)]).toEqual([undefined, ['start -1']]);
	});

	it('resets a decoder once in five seconds, and fails the second time', async () => {
		const { clock, playback, fail, hls } = await setUp();
		fail({ details: 'bufferAppendError', type: 'mediaError' });
		await clock.advance(5100);
		fail({ details: 'bufferAppendError', type: 'mediaError' });
		expect(hls().calls.slice(2)).toEqual(['recover', 'recover']);
		fail({ details: 'bufferAppendError', type: 'mediaError' });
		expect(playback.error).toMatchObject({ kind: 'undecodable', fatal: false });
	});

	it('replaces hls.js after a failure, and destroys the old one', async () => {
		const { clock, video, playback, fail } = await setUp();
		video.playbackRate = 1.1;
		fail({ details: 'levelLoadError', type: 'networkError', response: { code: 500 } });
		expect([FakeHls.made[0]!.calls.at(-1), video.playbackRate]).toEqual(['destroy', 1]);
		await clock.advance(500);
		expect(FakeHls.made).toHaveLength(2);
		playback.stop();
		expect(FakeHls.made[1]!.calls.at(-1)).toBe('destroy');
		FakeHls.made[1]!.fire('error', { fatal: true, details: '', type: 'networkError' });
		await clock.advance(10_000);
		expect(FakeHls.made).toHaveLength(2);
	});

	it.each([0, 30_000])(
		'loads the next broadcast at its live edge when the old one has ended, %i ms behind live',
		async (pausedMs) => {
			const { clock, video, playback, play, behindSeconds } = await setUp();
			video.currentTime = 9.4;
			await play(3000);
			if (pausedMs > 0) {
				playback.timeShift!.holdPosition();
				video.paused = true;
				await play(pausedMs);
				video.paused = false;
				await play(1000);
				expect(behindSeconds()).toBeGreaterThan(20);
			}
			FakeHls.running = 'two';
			playback.channelReported('live', 'two');
			await play(400);
			expect(FakeHls.made).toHaveLength(1);
			// As a browser does at the end of the media.
			Object.assign(video, { ended: true, paused: true });
			await clock.advance(100);
			expect(FakeHls.made.map(({ calls }) => calls.at(-1))).toEqual(['destroy', 'attach']);
			expect(playback.timeShift!.isShifted).toBe(false);
			Object.assign(video, { ended: false, paused: false });
			await play(10_000);
			expect([playback.state, FakeHls.made.length]).toEqual(['playing', 2]);
			expect(behindSeconds()).toBeLessThan(1);
		},
	);

	it('reports a library that cannot load or is not supported', async () => {
		const away = await setUp({ library: () => Promise.reject(new Error('offline')) });
		expect(away.playback.error).toMatchObject({ kind: 'unreachable', fatal: false });
		FakeHls.isSupported = () => false;
		const late = Promise.withResolvers<typeof LIBRARY>();
		const poor = await setUp({ library: () => late.promise });
		FakeHls.isSupported = () => false;
		late.resolve(LIBRARY);
		await poor.clock.advance(0);
		expect(poor.playback.error).toMatchObject({ kind: 'unsupported', fatal: true });
	});

	it('does not start with a library that loads after the stop', async () => {
		const late = Promise.withResolvers<typeof LIBRARY>();
		const { clock, playback } = await setUp({ library: () => late.promise });
		playback.stop();
		late.resolve(LIBRARY);
		await clock.advance(0);
		expect(FakeHls.made).toHaveLength(0);
	});
});
