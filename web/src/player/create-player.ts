/** The player's public side, and the only file of this folder that pages import. A page draws the view of `changed`. */
import { chance } from '../../../core/lifecycle/back-off.ts';
import { systemClock, type CancelTimer } from '../../../core/lifecycle/clock.ts';
import { TypedEmitter } from '../../../core/lifecycle/typed-emitter.ts';
import type { ChannelDescription } from '../../../core/protocol/api/channel-description.ts';
import type { PictureLimit } from '../../../core/protocol/signaling/picture-limits.ts';
import type { TierDecision } from '../../../core/protocol/signaling/signaling-messages.ts';
import type { DeliveryTier } from '../../../core/protocol/tiers.ts';
import type { ServerClock } from '../api/server-clock.ts';
import { createBrowserLogger } from './browser-logger.ts';
import { HandOver } from './hand-over/hand-over.ts';
import type { LineProblem, PlaybackStart } from './hand-over/hand-over-types.ts';
import { HandOverStage } from './hand-over/hand-over-stage.ts';
import type { HandOverReading } from './hand-over/hand-over-timer.ts';
import { MediaSessionLink } from './hand-over/media-session-link.ts';
import type { WatchSettings } from './hand-over/screen.ts';
import { TierChooser } from './hand-over/tier-chooser.ts';
import { httpRequest } from './ladder/http-request.ts';
import { createDvrPlayback } from './playback/dvr-playback.ts';
import { hasMediaSource } from './playback/hls-library.ts';
import { createHlsPlayback } from './playback/hls-playback.ts';
import { preloadHls } from './playback/hls-preload.ts';
import type { PlaybackError, PlaybackErrorKind, PlaybackState } from './playback/playback-state.ts';
import type { Playback, PlaybackStatistics } from './playback/playback.ts';
import type { Quality, QualityPreference } from './playback/quality.ts';
import type { PlaybackDeps } from './playback/tier-playback.ts';
import { createWebrtcPlayback } from './playback/webrtc-playback.ts';
import { watchScreenPlace } from './screen-place.ts';
import { SignalingClient, type SocketLike } from './signaling/signaling-client.ts';
import { readLine, readSettings, readTier, writeLine, writeSettings, writeTier } from './viewer-memory.ts';
import { QualityChoice } from './quality-choice.ts';
import { RewindRangeWatch } from './rewind-range.ts';
import { Rewinder, type RewindView } from './rewinder.ts';
import { viewerStatistics } from './viewer-statistics.ts';

export type {
	LineProblem,
	PlaybackError,
	PlaybackErrorKind,
	PlaybackState,
	PlaybackStatistics,
	Player,
	Quality,
	QualityPreference,
	RewindView,
	WatchSettings,
};

const STATISTICS_INTERVAL_MS = 500;
/** hls.js is large: its download must not delay the first picture. */
const PRELOAD_AFTER_MS = 3000;
/** Between two notes of what the line carries. */
const LINE_INTERVAL_MS = 10_000;
/** Nearer to live than this, LL-HLS plays behind live; further away, whole segments of what is kept. */
const NEAR_LIVE_MS = 30_000;
/** How long the notice stays that rewinding has failed. */
const PROBLEM_SHOWN_MS = 12_000;
/** A line that brings a picture over WebRTC carries at least that, and most often more. */
const WEBRTC_SHARE = 1.2;

export type PlayerStatistics = PlaybackStatistics & { handOver: HandOverReading };

/** What a page shows of its player; a new object for each change. */
export type PlayerView = {
	readonly state: PlaybackState;
	readonly error: PlaybackError | undefined;
	readonly statistics: PlaybackStatistics | undefined;
	readonly tier: DeliveryTier;
	readonly pendingTier: DeliveryTier | undefined;
	/** A tier that was chosen and did not start to play, while another one still plays. */
	readonly switchProblem: { tier: DeliveryTier; detail: string } | undefined;
	readonly settings: WatchSettings;
	/** What can be chosen in this tier, from the best down; may change. */
	readonly qualities: readonly Quality[];
	/** The viewer's choice, which may not be among them; undefined: the player chooses. */
	readonly preference: QualityPreference;
	/** What it means among them; undefined: the player chooses. */
	readonly quality: Quality | undefined;
	/** What is played now. */
	readonly shownQuality: Quality | undefined;
	readonly isSoundBlocked: boolean;
	/** After a pause or a jump, the viewer watches behind live; see {@link Player.goLive}. */
	readonly isBehindLive: boolean;
	/** How far back it goes, and where they are; undefined while nothing can be rewound. */
	readonly rewind: RewindView | undefined;
	/** Rewinding has just failed, and why, as far as known. */
	readonly rewindProblem: { detail: string } | undefined;
	/** The player has joined the channel over the signaling socket. */
	readonly isSocketOpen: boolean;
	/** What is wrong with the viewer's line; undefined while nothing is. */
	readonly lineProblem: LineProblem | undefined;
	/** Why the picture over WebRTC is not the best; undefined: it is, or the server has not said. */
	readonly pictureLimit: PictureLimit | undefined;
	/** Everyone who watches, in either tier; undefined without a socket. */
	readonly viewerCount: number | undefined;
	/** The server's newest decision on the tier, with its reason; undefined without a socket. */
	readonly decision: TierDecision | undefined;
};

type PlayerEvents = { changed: [view: PlayerView] };

/**
 * A player for one channel. It plays from {@link Player.start} on, in the container passed there. `initialTier`:
 * undefined for the one that was chosen in this tab before, or else real time.
 */
export function createPlayer(
	deps: { serverClock: ServerClock },
	{ initialTier = readTier() ?? 'webrtc' }: { initialTier: DeliveryTier | undefined },
): Player {
	return new Player(deps, { initialTier });
}

class Player extends TypedEmitter<PlayerEvents> {
	readonly #deps: { serverClock: ServerClock };
	readonly #initialTier: DeliveryTier;
	#view: PlayerView;
	#handOver: HandOver | undefined;
	#signaling: SignalingClient | undefined;
	#chooser: TierChooser | undefined;
	#session: MediaSessionLink | undefined;
	#range: RewindRangeWatch | undefined;
	#rewinder: Rewinder | undefined;
	#isBroadcastRunning = true;
	#cancelProblem: CancelTimer | undefined;
	readonly #qualities = new QualityChoice();
	/** By the server: the line does not carry the best picture over WebRTC. */
	#isLineLimited = false;
	#cancelStatistics: CancelTimer | undefined;
	#cancelLine: CancelTimer | undefined;
	#cancelPreload: CancelTimer | undefined;
	#endScreenWatch: (() => void) | undefined;

	constructor(deps: { serverClock: ServerClock }, { initialTier }: { initialTier: DeliveryTier }) {
		super();
		this.#deps = deps;
		this.#initialTier = initialTier;
		this.#view = {
			state: 'idle',
			error: undefined,
			statistics: undefined,
			tier: initialTier,
			pendingTier: undefined,
			switchProblem: undefined,
			settings: { isPaused: false, ...readSettings() },
			qualities: [],
			preference: this.#qualities.preference,
			quality: undefined,
			shownQuality: undefined,
			isSoundBlocked: false,
			isBehindLive: false,
			rewind: undefined,
			rewindProblem: undefined,
			isSocketOpen: false,
			lineProblem: undefined,
			pictureLimit: undefined,
			viewerCount: undefined,
			decision: undefined,
		};
	}

	get view(): PlayerView {
		return this.#view;
	}

	/** The socket, for chat; undefined until {@link start}. */
	get signaling(): Pick<SignalingClient, 'state' | 'send' | 'on'> | undefined {
		return this.#signaling;
	}

	get video(): HTMLVideoElement | undefined {
		return this.#handOver?.shown?.video;
	}

	start(container: HTMLElement, channel: ChannelDescription): void {
		const { serverClock } = this.#deps;
		serverClock.start();
		const logger = createBrowserLogger({ channel: channel.name });
		const { isPaused, ...level } = this.#view.settings;
		const stage = new HandOverStage(
			{
				clock: systemClock,
				logger,
				container,
				createPlayback: (tier, start) => this.#createPlayback(tier, channel, start),
				isPageVisible: () => document.visibilityState === 'visible',
			},
			{ level, channelState: channel.state },
		);
		const canRewind = hasMediaSource();
		const handOver = new HandOver({ clock: systemClock, logger, stage }, { canHls: true, canRewind, isPaused });
		this.#handOver = handOver;
		this.#prepareRewinding(handOver, channel, canRewind);
		this.#report(channel);
		const signaling = new SignalingClient(
			{
				clock: systemClock,
				logger,
				chance,
				// Its handlers take fewer arguments than the DOM's types say; nothing else differs.
				createSocket: (url) => new WebSocket(url) as unknown as SocketLike,
				serverClock,
				readStatistics: () =>
					viewerStatistics(this.#readStatistics(), { ...this.#view, isPaused: handOver.settings.isPaused }),
			},
			{
				url: new URL('/api/v1/signaling', location.href.replace(/^http/, 'ws')).href,
				channel: channel.name,
				capabilities: { canWebRtc: typeof RTCPeerConnection !== 'undefined', canHls: true },
				isPinnedToHls: this.#initialTier === 'll-hls',
			},
		);
		this.#signaling = signaling;
		this.#session = new MediaSessionLink((isPaused) => handOver.setPaused(isPaused), {
			seekBy: (seconds) => this.seekBy(seconds),
		});
		this.#session.describe(channel);
		this.#listen(handOver, signaling);
		this.#chooser = new TierChooser({ clock: systemClock, handOver, signaling }, { initialTier: this.#initialTier });
		this.#chooser.start();
		signaling.start();
		this.#qualities.start((wish) => signaling.wishPicture(wish));
		this.#endScreenWatch = watchScreenPlace(systemClock, container, (place) => this.#qualities.screenChanged(place));
		this.#cancelStatistics = systemClock.setInterval(() => {
			const { shown, lineProblem } = handOver;
			const qualities = this.#readQualities();
			const reading = shown?.playback.statistics();
			// LL-HLS plays small black pictures with sound alone.
			const isHidden = qualities.shownQuality?.kind === 'sound-only';
			const statistics =
				reading && isHidden ? { ...reading, widthPixels: undefined, heightPixels: undefined } : reading;
			const { rewind, isBehindLive } = this.#readPlace();
			this.#set({ statistics, error: shown?.playback.error, lineProblem, rewind, isBehindLive, ...qualities });
		}, STATISTICS_INTERVAL_MS);
		this.#cancelLine = systemClock.setInterval(() => this.#rememberLine(), LINE_INTERVAL_MS);
		// Needed in an emergency, when the network may be gone.
		this.#cancelPreload = systemClock.setTimeout(() => void preloadHls(channel.hlsUrl), PRELOAD_AFTER_MS);
		const readStatistics = (): PlayerStatistics | undefined => this.#readStatistics();
		window.__spillway = {
			get statistics() {
				return readStatistics();
			},
			switchTier: (tier) => this.#chooser?.choose(tier),
		};
		window.addEventListener('pagehide', this.close);
	}

	/** Applies the channel's state as the page knows it. */
	channelReported(channel: ChannelDescription): void {
		this.#session?.describe(channel);
		this.#report(channel);
	}

	choose(tier: DeliveryTier): void {
		writeTier(tier);
		this.#set({ switchProblem: undefined });
		this.#chooser?.choose(tier);
	}

	/** Plays this quality of the list, here and on every channel; undefined: what the line and the screen allow. */
	chooseQuality(id: string | undefined): void {
		const chosen = this.#view.qualities.find((quality) => quality.id === id);
		this.#qualities.choose(chosen);
		this.#handOver?.preferQuality(this.#qualities.preference);
		this.#set(this.#readQualities());
	}

	/** The picture that was on the screen at that time: when it was captured, the server's epoch milliseconds. */
	pictureAt(monotonicMs: number): { captureTimeMs: number; tier: DeliveryTier } | undefined {
		const playback = this.#handOver?.shown?.playback;
		const moment = playback?.shownMoments.shownAt(monotonicMs);
		return moment && { captureTimeMs: moment.captureTimeMs, tier: playback!.tier };
	}

	/** Returns to live, in the tier that the server has a place for. */
	goLive(): void {
		this.#rewinder?.goLive();
	}

	/** Plays from there on: a capture time of {@link PlayerView.rewind}. Near its end: goes to live. */
	seek(captureTimeMs: number): void {
		this.#rewinder?.seek(captureTimeMs);
		this.#update();
	}

	seekBy(seconds: number): void {
		this.#rewinder?.seekBy(seconds);
		this.#update();
	}

	/** Behind live; 1 is normal. */
	setSpeed(speed: number): void {
		this.#rewinder?.setSpeed(speed);
		this.#update();
	}

	retry(): void {
		this.#handOver?.shown?.playback.retry();
	}

	setPaused(isPaused: boolean): void {
		this.#handOver?.setPaused(isPaused);
	}

	setMuted(isMuted: boolean): void {
		this.#set({ isSoundBlocked: false });
		this.#handOver?.setMuted(isMuted);
		writeSettings(this.#view.settings);
	}

	setVolume(volume: number): void {
		this.#set({ isSoundBlocked: false });
		this.#handOver?.setVolume(volume);
		this.#handOver?.setMuted(volume === 0);
		writeSettings(this.#view.settings);
	}

	/** Ends everything and empties the container; also called when the page is left. Idempotent. */
	readonly close = (): void => {
		this.#cancelStatistics?.();
		this.#cancelLine?.();
		this.#rememberLine();
		this.#cancelPreload?.();
		this.#endScreenWatch?.();
		this.#cancelProblem?.();
		this.#range?.close();
		this.#chooser?.close();
		this.#signaling?.close();
		this.#session?.close();
		this.#handOver?.close();
		this.#handOver = undefined;
		delete window.__spillway;
		window.removeEventListener('pagehide', this.close);
	};

	#report(channel: ChannelDescription): void {
		const { state, video, broadcastId } = channel;
		this.#handOver?.channelReported(state, video?.frameRate, broadcastId ?? undefined);
		this.#qualities.channelReported(channel);
		this.#isBroadcastRunning = state !== 'offline';
		this.#range?.broadcastReported(state === 'offline' ? undefined : (broadcastId ?? undefined));
	}

	#prepareRewinding(handOver: HandOver, { hlsUrl }: ChannelDescription, canRewind: boolean): void {
		if (canRewind) {
			this.#range = new RewindRangeWatch(
				{
					clock: systemClock,
					request: httpRequest(systemClock),
					isPageVisible: () => document.visibilityState === 'visible',
				},
				{ dvrUrl: dvrUrlOf(hlsUrl), onChanged: () => this.#update() },
			);
		}
		this.#rewinder = new Rewinder({
			clock: systemClock,
			serverClock: this.#deps.serverClock,
			handOver,
			isBroadcastRunning: () => this.#isBroadcastRunning,
			range: () => this.#range?.range,
			goLive: () => this.#chooser?.goLive(),
		});
		handOver.on('rewindFailed', (error) => {
			this.#rewinder?.forget();
			this.#set({ rewindProblem: { detail: error?.detail ?? 'Nothing came from there in time.' } });
			this.#cancelProblem?.();
			this.#cancelProblem = systemClock.setTimeout(() => this.#set({ rewindProblem: undefined }), PROBLEM_SHOWN_MS);
		});
	}

	#readPlace(): Pick<PlayerView, 'rewind' | 'isBehindLive'> {
		return { rewind: this.#rewinder?.view, isBehindLive: this.#handOver?.isBehindLive ?? this.#view.isBehindLive };
	}

	#set(change: Partial<PlayerView>): void {
		this.#view = { ...this.#view, ...change };
		this.emit('changed', this.#view);
	}

	#listen(handOver: HandOver, signaling: SignalingClient): void {
		handOver.on('changed', () => this.#update());
		handOver.on('soundBlocked', () => {
			this.#set({ isSoundBlocked: true });
			this.#update();
		});
		handOver.on('swapped', () => this.#set({ switchProblem: undefined }));
		handOver.on('switchFailed', (tier, reason) =>
			this.#set({ switchProblem: { tier, detail: reason?.detail ?? 'It brought no picture.' } }),
		);
		signaling.on('stateChanged', (state) => this.#set({ isSocketOpen: state === 'joined' }));
		signaling.on('presence', (viewerCount) => this.#set({ viewerCount }));
		signaling.on('decided', (decision) => this.#set({ decision }));
		signaling.on('picture', (picture) => {
			const { rungs, shown, limitedBy } = picture;
			this.#isLineLimited = limitedBy === 'line';
			handOver.setSmallerPictureLeft(rungs.length > 1 && shown !== rungs[0]!.rung);
			this.#qualities.pictureReported(picture);
			this.#set({ pictureLimit: limitedBy ?? undefined });
		});
		signaling.on('channel', (channel) => this.#report(channel));
	}

	#update(): void {
		const { shown, pendingTier, settings, lineProblem } = this.#handOver ?? {};
		const previous = this.#view;
		const state = shown?.playback.state ?? 'idle';
		const isSteady = previous.state === 'playing' && state === 'playing';
		this.#set({
			state,
			error: shown?.playback.error,
			tier: shown?.tier ?? previous.tier,
			pendingTier,
			settings: settings === undefined ? previous.settings : { ...settings },
			...this.#readPlace(),
			lineProblem: this.#handOver === undefined ? previous.lineProblem : lineProblem,
			// Shown only while another tier plays on.
			switchProblem: isSteady ? previous.switchProblem : undefined,
			...this.#readQualities(),
		});
		this.#session?.update(this.#view.settings.isPaused, state);
		if (previous.state !== state) {
			this.#signaling?.reportStatistics();
		}
	}

	#readQualities(): Pick<PlayerView, 'qualities' | 'preference' | 'quality' | 'shownQuality'> {
		const control = this.#handOver?.shown?.playback.quality;
		return {
			qualities: control?.qualities ?? [],
			preference: this.#qualities.preference,
			quality: control?.quality,
			shownQuality: control?.shownQuality,
		};
	}

	#rememberLine(): void {
		const { lineBps } = this.#handOver?.shown?.playback.statistics() ?? {};
		if (lineBps !== undefined) {
			writeLine(lineBps);
		}
	}

	/** What is known of the line before LL-HLS is loaded over it, in bits a second. */
	get #knownBps(): number | undefined {
		const shown = this.#handOver?.shown;
		const remembered = readLine();
		// The sound alone says nothing of the line.
		const hasPicture = shown?.tier === 'webrtc' && shown.playback.delay?.isSoundAlone !== true;
		const { bitrateBps } = hasPicture ? shown.playback.statistics() : {};
		if (bitrateBps === undefined) {
			return remembered;
		}
		return Math.max(bitrateBps * WEBRTC_SHARE, this.#isLineLimited ? 0 : (remembered ?? 0));
	}

	#readStatistics(): PlayerStatistics | undefined {
		const reading = this.#handOver?.shown?.playback.statistics();
		return reading === undefined ? undefined : { ...reading, handOver: this.#handOver!.reading };
	}

	#createPlayback(tier: DeliveryTier, channel: ChannelDescription, start: PlaybackStart): Playback {
		const deps: PlaybackDeps = {
			clock: systemClock,
			logger: createBrowserLogger({ channel: channel.name, tier }),
			serverClock: this.#deps.serverClock,
			isPageVisible: () => document.visibilityState === 'visible',
			chance,
			viewerId: () => this.#signaling?.viewerId,
		};
		if (tier === 'webrtc') {
			const { webrtc: qualities } = this.#qualities;
			return createWebrtcPlayback(deps, { whepUrl: channel.whepUrl, delayMs: start.delayMs, qualities });
		}
		const { fromCaptureTimeMs } = start;
		const { hlsUrl } = channel;
		const speed = this.#rewinder?.speed ?? 1;
		const line = { knownBps: this.#knownBps, preference: this.#qualities.preference, speed };
		const nowMs = this.#deps.serverClock.toServerMs(systemClock.monotonicMs()) ?? Infinity;
		return fromCaptureTimeMs === undefined || !hasMediaSource() || nowMs - fromCaptureTimeMs < NEAR_LIVE_MS
			? createHlsPlayback(deps, { hlsUrl, fromCaptureTimeMs, ...line })
			: createDvrPlayback(deps, { dvrUrl: dvrUrlOf(hlsUrl), fromCaptureTimeMs, ...line });
	}
}

/** What is kept of a broadcast is beside its live playlist. */
function dvrUrlOf(hlsUrl: string): string {
	return new URL('dvr.m3u8', new URL(hlsUrl, location.href)).href;
}
