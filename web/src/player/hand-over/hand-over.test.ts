/** Pauses, picture-in-picture and poor lines: the real HandOver in a fake page. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ChannelState } from '../../../../core/protocol/api/channel-description.ts';
import { silentLogger } from '../../../../core/logger.ts';
import { FakeClock } from '../../../../core/testing/fake-clock.ts';
import { TypedEmitter } from '../../../../core/lifecycle/typed-emitter.ts';
import { PlayedMoments } from '../measure/alignment.ts';
import { ListedQualities } from '../playback/quality.ts';
import { HandOver } from './hand-over.ts';
import type { PlaybackStart } from './hand-over-types.ts';
import { HandOverStage } from './hand-over-stage.ts';
import type { LineVerdict } from '../measure/line-judge.ts';
import { SEAT_KEPT_MS } from './pause-policy.ts';
import type { Playback, PlaybackEvents } from '../playback/playback.ts';
import type { PlaybackState } from '../playback/playback-state.ts';
import type { DeliveryTier } from '../../../../core/protocol/tiers.ts';

class FakeVideo extends EventTarget {
	paused = true;
	ended = false;
	muted = false;
	volume = 1;
	videoWidth = 0;
	videoHeight = 0;
	readyState = 1;
	isConnected = true;
	className = '';
	hidden = false;
	readonly style = { opacity: '' };
	readonly dataset: Record<string, string> = {};
	webkitDisplayingFullscreen = false;
	allowsPictureInPicture = true;

	async play(): Promise<void> {
		this.#set(false, 'play');
	}
	pause(): void {
		this.#set(true, 'pause');
	}
	async requestPictureInPicture(): Promise<void> {
		if (!this.allowsPictureInPicture) {
			throw new Error('InvalidStateError');
		}
		page.pictureInPictureElement = this;
	}
	remove(): void {
		this.isConnected = false;
	}
	#set(paused: boolean, event: 'play' | 'pause'): void {
		if (this.paused !== paused) {
			this.paused = paused;
			this.dispatchEvent(new Event(event));
		}
	}
}

const page = {
	pictureInPictureElement: null as FakeVideo | null,
	activeElement: null as FakeVideo | null,
	createElement: () => new FakeVideo(),
	async exitPictureInPicture(): Promise<void> {
		page.pictureInPictureElement = null;
	},
};

class FakePlayback extends TypedEmitter<PlaybackEvents> implements Playback {
	readonly shownMoments = new PlayedMoments();
	readonly delay: Playback['delay'];
	readonly error = undefined;
	readonly timeShift: Playback['timeShift'];
	readonly quality = new ListedQualities(undefined);
	readonly tier: DeliveryTier;
	readonly begin: PlaybackStart;
	state: PlaybackState = 'idle';
	verdict: LineVerdict = 'plays';
	hasPicture = true;
	readonly broadcastIds: Array<string | undefined> = [undefined];
	video: FakeVideo | undefined;

	constructor(tier: DeliveryTier, begin: PlaybackStart) {
		super(silentLogger);
		this.tier = tier;
		this.begin = begin;
		const shift = {
			isWatched: true,
			isShifted: begin.fromCaptureTimeMs !== undefined,
			hasLiveEdge: true,
			buffered: [],
			listed: undefined,
			reaches: () => true,
			seek: () => void (shift.isShifted = true),
			setSpeed() {},
			isStarved: false,
			expectPoorLine: () => void (shift.isStarved = true),
			alignWith() {},
			holdPosition: () => void (shift.isShifted = true),
			goLive: () => void (shift.isShifted = false),
		};
		this.timeShift = tier === 'll-hls' ? shift : undefined;
		const delay = {
			lastMediaAtMs: undefined,
			hasConnected: true,
			setTarget() {},
			playedSound: () => undefined,
			isSoundAlone: false,
			soundPlayedAtMs: undefined,
		};
		this.delay = tier === 'webrtc' ? delay : undefined;
	}
	start(video: HTMLVideoElement): void {
		this.video = video as unknown as FakeVideo;
		this.#set('connecting');
		this.video.dispatchEvent(new Event('loadstart'));
	}
	stop(): void {
		this.#set('stopped');
	}
	/** A frame of that capture time is on screen now. */
	show(captureTimeMs: number, atMs: number): void {
		this.shownMoments.add({ captureTimeMs, playedAtMs: atMs });
		this.#set('playing');
	}
	giveUpPicture(): void {
		this.hasPicture = false;
	}
	lineVerdict(): LineVerdict {
		return this.verdict;
	}
	/** Like a real one, which connects again. */
	channelReported(_channelState: ChannelState, broadcastId?: string): void {
		this.broadcastIds.push(broadcastId);
		if (broadcastId !== this.broadcastIds.at(-2)) {
			this.shownMoments.clear();
			this.#set('connecting');
		}
	}
	retry(): void {}
	statistics() {
		return {} as ReturnType<Playback['statistics']>;
	}
	#set(next: PlaybackState): void {
		const previous = this.state;
		this.state = next;
		if (previous !== next) {
			this.emit('stateChanged', next, previous);
		}
	}
}

const EPOCH_MS = 1_000_000;

function setUp(isPageVisible = () => true) {
	const clock = new FakeClock();
	const legs: FakePlayback[] = [];
	const events: string[] = [];
	const stage = new HandOverStage(
		{
			clock,
			logger: silentLogger,
			container: { append: () => undefined } as unknown as HTMLElement,
			createPlayback: (tier, begin) => {
				legs.push(new FakePlayback(tier, begin));
				return legs.at(-1)!;
			},
			isPageVisible,
		},
		{ level: { isMuted: false, volume: 1 }, channelState: 'live' satisfies ChannelState },
	);
	const handOver = new HandOver(
		{ clock, logger: silentLogger, stage },
		{ canHls: true, canRewind: true, isPaused: false },
	);
	handOver.on('swapped', (tier) => events.push(`swapped ${tier}`));
	handOver.on('tierFailed', (tier, cause) => events.push(`failed ${tier} ${cause}`));
	handOver.on('mayChange', () => events.push('may change'));
	/** Every open leg that is not paused shows 25 frames per second, `behindMs` behind live. */
	async function play(ms: number, behindMs = 100): Promise<void> {
		for (let passedMs = 0; passedMs < ms; passedMs += 40) {
			for (const leg of legs) {
				if (leg.video?.paused === false && leg.state !== 'stopped' && leg.hasPicture && leg.verdict === 'plays') {
					leg.show(EPOCH_MS + clock.monotonicMs() - behindMs, clock.monotonicMs());
				}
			}
			await clock.advance(40);
		}
	}
	async function watch(tier: DeliveryTier): Promise<{ leg: FakePlayback; video: FakeVideo }> {
		handOver.choose(tier);
		await clock.advance(1);
		await play(1000);
		return { leg: legs.at(-1)!, video: legs.at(-1)!.video! };
	}
	return { clock, legs, events, handOver, play, watch };
}

beforeEach(() => {
	page.pictureInPictureElement = null;
	vi.stubGlobal('document', page);
	vi.stubGlobal('window', new EventTarget());
});
afterEach(() => vi.unstubAllGlobals());

describe('a pause', () => {
	it.each(['webrtc', 'll-hls'] as const)('is the same from the element and from the page, in %s', async (tier) => {
		const { handOver, clock, watch } = setUp();
		const { video } = await watch(tier);
		video.pause();
		expect(handOver.settings.isPaused).toBe(true);
		void video.play();
		expect(handOver.settings.isPaused).toBe(false);
		handOver.setPaused(true);
		expect(video.paused).toBe(true);
		handOver.setPaused(false);
		await clock.advance(1);
		expect(video.paused).toBe(false);
	});

	it('is not set by the end of a broadcast', async () => {
		const { handOver, watch } = setUp();
		const { video } = await watch('ll-hls');
		video.ended = true;
		video.pause();
		expect(handOver.settings.isPaused).toBe(false);
	});

	it('gives up the seat at once when the server needs it, and stays paused without a second leg', async () => {
		const { handOver, legs, play, watch } = setUp();
		const { leg } = await watch('webrtc');
		handOver.setPaused(true);
		handOver.choose('ll-hls', 'seats-full');
		expect(leg.state).toBe('stopped');
		await play(60_000);
		expect(legs).toHaveLength(1);
		expect(handOver.settings.isPaused).toBe(true);
	});

	it('continues in LL-HLS from the paused picture, which stays until the same one is there', async () => {
		const { handOver, legs, events, play, watch } = setUp();
		const { video } = await watch('webrtc');
		const pausedAtMs = legs[0]!.shownMoments.latest!.captureTimeMs;
		handOver.setPaused(true);
		await play(SEAT_KEPT_MS - 1000);
		handOver.setPaused(false);
		expect(legs[1]).toMatchObject({ tier: 'll-hls', begin: { fromCaptureTimeMs: pausedAtMs } });
		await play(200);
		expect([video.paused, legs[1]!.video!.paused, handOver.isBehindLive]).toEqual([true, true, false]);
		legs[1]!.show(pausedAtMs, 0);
		await play(400, SEAT_KEPT_MS);
		expect(events).toEqual(['swapped ll-hls']);
		expect([legs[0]!.state, legs[1]!.video!.paused, handOver.isBehindLive]).toEqual(['stopped', false, true]);
		handOver.goLive('ll-hls');
		expect(handOver.isBehindLive).toBe(false);
	});

	it('gives up the seat after some seconds', async () => {
		const { handOver, legs, play, watch } = setUp();
		await watch('webrtc');
		handOver.setPaused(true);
		await play(SEAT_KEPT_MS + 1000);
		expect([legs.length, legs[0]!.state]).toEqual([1, 'stopped']);
	});

	it('ends a change of tiers under way', async () => {
		const { handOver, legs, play, watch } = setUp();
		await watch('webrtc');
		handOver.choose('ll-hls');
		handOver.setPaused(true);
		await play(60_000);
		expect(handOver.shown!.video).toBe(legs[0]!.video);
		expect(handOver.settings.isPaused).toBe(true);
		expect(legs.filter(({ state }) => state === 'playing')).toHaveLength(0);
	});

	it('of a hidden page by the browser ends when the page is visible again', async () => {
		let isVisible = true;
		const { handOver, clock, watch } = setUp(() => isVisible);
		const { video } = await watch('webrtc');
		isVisible = false;
		video.pause();
		await clock.advance(60_000);
		expect(handOver.settings.isPaused).toBe(true);
		isVisible = true;
		await clock.advance(100);
		expect(handOver.settings.isPaused).toBe(false);
	});
});

describe('a new broadcast', () => {
	it('reaches both legs, and ends a precaution that the end of the old one was the cause of', async () => {
		const { handOver, legs, events, clock, play, watch } = setUp();
		const { leg } = await watch('webrtc');
		Object.assign(leg.delay!, { lastMediaAtMs: clock.monotonicMs() });
		await clock.advance(500);
		expect([legs.length, handOver.pendingTier]).toEqual([2, 'll-hls']);
		handOver.channelReported('live', 30, 'two');
		expect(legs.map(({ broadcastIds }) => broadcastIds.at(-1))).toEqual(['two', 'two']);
		await clock.advance(100);
		expect([legs[1]!.state, handOver.pendingTier]).toEqual(['stopped', undefined]);
		Object.assign(leg.delay!, { lastMediaAtMs: Infinity });
		await play(3000);
		expect([legs.length, leg.state, events]).toEqual([2, 'playing', []]);
	});

	it('is still left for LL-HLS when its WebRTC does not come', async () => {
		const { handOver, legs, events, clock, play, watch } = setUp();
		const { leg } = await watch('webrtc');
		leg.hasPicture = false;
		handOver.channelReported('live', 30, 'two');
		await clock.advance(1400);
		expect(legs).toHaveLength(1);
		await play(2000);
		expect(events).toEqual(['swapped ll-hls', 'failed webrtc connection-lost']);
	});
});

describe('picture-in-picture and full screen', () => {
	it('moves picture-in-picture to the leg that is swapped in', async () => {
		const { handOver, legs, play, watch } = setUp();
		const { video } = await watch('webrtc');
		await video.requestPictureInPicture();
		handOver.choose('ll-hls', 'worker-lost', true);
		await play(2000);
		expect(page.pictureInPictureElement).toBe(legs[1]!.video);
		expect(video.isConnected).toBe(false);
	});

	it('closes picture-in-picture that cannot be moved', async () => {
		const { handOver, legs, play, watch } = setUp();
		const { video } = await watch('webrtc');
		await video.requestPictureInPicture();
		handOver.choose('ll-hls', 'worker-lost', true);
		legs[1]!.video!.allowsPictureInPicture = false;
		await play(2000);
		expect(page.pictureInPictureElement).toBeNull();
	});

	it('keeps a paused leg in picture-in-picture, and closes both when the seat is taken', async () => {
		const { handOver, play, watch } = setUp();
		const { leg, video } = await watch('webrtc');
		await video.requestPictureInPicture();
		handOver.setPaused(true);
		await play(SEAT_KEPT_MS * 3);
		expect(leg.state).toBe('playing');
		handOver.choose('ll-hls');
		expect(page.pictureInPictureElement).toBeNull();
	});

	it("delays a planned change until the viewer leaves an iPhone's full screen", async () => {
		const { handOver, legs, events, clock, watch } = setUp();
		const { video } = await watch('webrtc');
		video.webkitDisplayingFullscreen = true;
		handOver.choose('ll-hls');
		await clock.advance(5000);
		expect(legs).toHaveLength(1);
		video.webkitDisplayingFullscreen = false;
		await clock.advance(100);
		expect(events).toEqual(['may change']);
	});
});

describe('a line that does not carry the WebRTC picture', () => {
	it('gives up the picture first, then LL-HLS takes over, with one event', async () => {
		const { legs, events, play, watch } = setUp();
		const { leg } = await watch('webrtc');
		leg.verdict = 'line-too-poor';
		await play(2000);
		expect(leg.hasPicture).toBe(false);
		expect(events).toEqual(['failed webrtc line-too-poor', 'swapped ll-hls']);
		expect(legs.map(({ timeShift }) => timeShift?.isStarved)).toEqual([undefined, true]);
	});

	it('closes the leg where the server cannot stop the picture', async () => {
		const { handOver, events, play, watch } = setUp();
		handOver.on('tierFailed', () => handOver.dropPicture());
		const { leg } = await watch('webrtc');
		leg.verdict = 'line-too-poor';
		await play(2000);
		expect(leg.state).toBe('stopped');
		expect(events.at(-1)).toBe('swapped ll-hls');
	});

	it('ends a trial of WebRTC before it starves the shown leg', async () => {
		const { handOver, legs, events, play, watch } = setUp();
		await watch('ll-hls');
		handOver.choose('webrtc', 'fits');
		legs[1]!.verdict = 'line-too-poor';
		await play(200);
		expect(legs[1]!.state).toBe('stopped');
		expect(events).toEqual(['failed webrtc line-too-poor']);
		expect(handOver.pendingTier).toBeUndefined();
	});

	it('does not try WebRTC where the line starves LL-HLS', async () => {
		const { handOver, legs, events, watch } = setUp();
		const { leg } = await watch('ll-hls');
		(leg.timeShift as { isStarved: boolean }).isStarved = true;
		handOver.choose('webrtc', 'fits');
		expect(legs).toHaveLength(1);
		expect(events).toEqual(['failed webrtc line-too-poor']);
	});
});
