/** Binds a HandOver to a component: reactive state, statistics, and the end of it all with the component or the page. */
import { onBeforeUnmount, ref, shallowRef, watch, type Ref, type ShallowRef } from 'vue';
import { systemClock, type CancelTimer } from '../../../../core/lifecycle/clock.ts';
import type { ChannelDescription } from '../../../../core/protocol/api/channel-description.ts';
import type { TierDecision, ViewerStatistics } from '../../../../core/protocol/signaling/signaling-messages.ts';
import { HandOver } from '../../player/hand-over/hand-over.ts';
import type { PlaybackStart } from '../../player/hand-over/hand-over-options.ts';
import { createHlsPlayback } from '../../player/playback/hls-playback.ts';
import { preloadHls } from '../../player/playback/hls-preload.ts';
import { MediaSessionLink } from '../../player/hand-over/media-session-link.ts';
import type { Playback, PlaybackStatistics } from '../../player/playback/playback.ts';
import type { HandOverReading } from '../../player/hand-over/hand-over-timer.ts';
import type { PlaybackError, PlaybackState } from '../../player/playback/playback-state.ts';
import type { LineProblem } from '../../app/texts/tier-words.ts';
import { chance } from '../../../../core/lifecycle/back-off.ts';
import type { TierPlayback } from '../../player/playback/tier-playback.ts';
import type { WatchSettings } from '../../player/hand-over/screen.ts';
import { TierChooser } from '../../player/hand-over/tier-chooser.ts';
import { createWebrtcPlayback } from '../../player/playback/webrtc-playback.ts';
import { SignalingClient, type SocketLike } from '../../player/signaling/signaling-client.ts';
import { createBrowserLogger } from '../../player/browser-logger.ts';
import { serverClock } from '../../api/server-time.ts';
import type { DeliveryTier } from '../../../../core/protocol/tiers.ts';

const STATISTICS_INTERVAL_MS = 500;
/** hls.js is large: it must not take the line from the first picture. */
const PRELOAD_AFTER_MS = 3000;
/** The player's states in the words of the socket. */
const REPORTED_STATES: Record<PlaybackState, ViewerStatistics['state']> = {
	idle: 'connecting',
	connecting: 'connecting',
	playing: 'playing',
	stalled: 'stalled',
	interrupted: 'interrupted',
	offline: 'interrupted',
	ended: 'interrupted',
	error: 'failed',
	// Closed during a pause; what takes its place is on its way.
	stopped: 'connecting',
};
const SETTINGS_KEY = 'spillway.watch';

/** What `window.__spillway.statistics` shows. */
export type PlayerStatistics = PlaybackStatistics & { handOver: HandOverReading };

/** What the page sees of its player. */
export type Player = {
	state: Ref<PlaybackState>;
	error: ShallowRef<PlaybackError | undefined>;
	statistics: ShallowRef<PlaybackStatistics | undefined>;
	tier: Ref<DeliveryTier>;
	pendingTier: Ref<DeliveryTier | undefined>;
	/** A tier that was chosen and did not come to play, while another plays on. */
	switchProblem: ShallowRef<{ tier: DeliveryTier; detail: string } | undefined>;
	settings: Ref<WatchSettings>;
	isSoundBlocked: Ref<boolean>;
	/** The viewer watches from within the window, after a pause; see `goLive`. */
	isBehindLive: Ref<boolean>;
	/** The signaling socket is open. */
	isSocketOpen: Ref<boolean>;
	/** What is wrong with the viewer's line, as far as the picture shows it. */
	lineProblem: Ref<LineProblem | undefined>;
	/** Everyone who watches, told by the socket; undefined without it. */
	viewerCount: Ref<number | undefined>;
	/** The server's newest decision on the tier, with its reason; undefined without a socket. */
	decision: ShallowRef<TierDecision | undefined>;
	/** The socket, for chat; undefined until `start`. */
	signaling: ShallowRef<SignalingClient | undefined>;
	/** The video element that is watched, for full screen on iPhones. */
	video: () => HTMLVideoElement | undefined;
	start(container: HTMLElement): void;
	choose(tier: DeliveryTier): void;
	/** Back to the front, in the tier that the server has for this viewer. */
	goLive(): void;
	retry(): void;
	setPaused(isPaused: boolean): void;
	setMuted(isMuted: boolean): void;
	setVolume(volume: number): void;
};

/** `channel` must hold a description when `start` is called; later ones are passed on to the playback. */
export function usePlayer(channel: Ref<ChannelDescription | undefined>, initialTier: DeliveryTier): Player {
	const state = ref<PlaybackState>('idle');
	const error = shallowRef<PlaybackError>();
	const statistics = shallowRef<PlaybackStatistics>();
	const tier = ref(initialTier);
	const pendingTier = ref<DeliveryTier>();
	const switchProblem = shallowRef<{ tier: DeliveryTier; detail: string }>();
	const settings = ref<WatchSettings>({ isPaused: false, ...readSettings() });
	const isSoundBlocked = ref(false);
	const isBehindLive = ref(false);
	const isSocketOpen = ref(false);
	const lineProblem = ref<LineProblem>();
	const viewerCount = ref<number>();
	const decision = shallowRef<TierDecision>();
	const signaling = shallowRef<SignalingClient>();
	let chooser: TierChooser | undefined;
	let handOver: HandOver | undefined;
	let cancelStatistics: CancelTimer | undefined;
	let cancelPreload: CancelTimer | undefined;
	let session: MediaSessionLink | undefined;

	function update(): void {
		const playback = handOver?.shown?.playback;
		const previous = state.value;
		state.value = playback?.state ?? 'idle';
		error.value = playback?.error;
		tier.value = handOver?.shown?.tier ?? tier.value;
		pendingTier.value = handOver?.pendingTier;
		if (handOver !== undefined) {
			settings.value = { ...handOver.settings };
			isBehindLive.value = handOver.isBehindLive;
			lineProblem.value = handOver.lineProblem;
		}
		if (previous !== 'playing' || state.value !== 'playing') {
			// It is said beside what plays on, and nowhere else.
			switchProblem.value = undefined;
		}
		session?.update(settings.value.isPaused, state.value);
		if (previous !== state.value) {
			signaling.value?.reportStatistics();
		}
	}

	function readStatistics(): PlayerStatistics | undefined {
		const reading = handOver?.shown?.playback.statistics();
		return reading === undefined ? undefined : { ...reading, handOver: handOver!.reading };
	}

	function start(container: HTMLElement): void {
		const description = channel.value!;
		serverClock.start();
		const canWebRtc = typeof RTCPeerConnection !== 'undefined';
		const logger = createBrowserLogger({ channel: description.name });
		handOver = new HandOver({
			container,
			settings: settings.value,
			channelState: description.state,
			createPlayback: (wanted, begin) => createPlayback(wanted, description, begin, () => signaling.value?.viewerId),
			clock: systemClock,
			logger,
			canHls: true,
			isPageVisible: () => document.visibilityState === 'visible',
		});
		handOver.channelReported(description.state, description.video?.frameRate);
		signaling.value = new SignalingClient(
			{
				clock: systemClock,
				logger,
				chance,
				url: new URL('/api/v1/signaling', location.href.replace(/^http/, 'ws')).href,
				channel: description.name,
				capabilities: { canWebRtc, canHls: true },
				// Its handlers take fewer arguments than the DOM's types say; nothing else differs.
				createSocket: (url) => new WebSocket(url) as unknown as SocketLike,
				serverClock,
				readStatistics: () => viewerStatistics(readStatistics(), settings.value.isPaused),
			},
			initialTier === 'll-hls',
		);
		session = new MediaSessionLink((isPaused) => handOver?.setPaused(isPaused));
		session.describe(description);
		listen(handOver, signaling.value);
		chooser = new TierChooser({ clock: systemClock, handOver, signaling: signaling.value, initialTier });
		chooser.start();
		signaling.value.start();
		cancelStatistics = systemClock.setInterval(() => {
			statistics.value = handOver?.shown?.playback.statistics();
			error.value = handOver?.shown?.playback.error;
			lineProblem.value = handOver?.lineProblem;
		}, STATISTICS_INTERVAL_MS);
		// Needed in an emergency, when the network is what is missing.
		cancelPreload = systemClock.setTimeout(() => void preloadHls(description.hlsUrl), PRELOAD_AFTER_MS);
		window.__spillway = {
			get statistics() {
				return readStatistics();
			},
			switchTier: (wanted) => chooser?.choose(wanted),
		};
		window.addEventListener('pagehide', close);
	}

	function listen(changes: HandOver, socket: SignalingClient): void {
		changes.on('changed', update);
		changes.on('soundBlocked', () => {
			isSoundBlocked.value = true;
			update();
		});
		changes.on('swapped', () => (switchProblem.value = undefined));
		changes.on('switchFailed', (failedTier, reason) => {
			switchProblem.value = { tier: failedTier, detail: reason?.detail ?? 'It brought no picture.' };
		});
		socket.on('stateChanged', (next) => (isSocketOpen.value = next === 'joined'));
		socket.on('presence', (count) => (viewerCount.value = count));
		socket.on('decided', (next) => (decision.value = next));
		socket.on('channel', (described) => handOver?.channelReported(described.state, described.video?.frameRate));
	}

	function close(): void {
		cancelStatistics?.();
		cancelPreload?.();
		chooser?.close();
		signaling.value?.close();
		session?.close();
		handOver?.close();
		handOver = undefined;
		delete window.__spillway;
		window.removeEventListener('pagehide', close);
	}

	watch(channel, (description) => {
		if (description !== undefined) {
			session?.describe(description);
			handOver?.channelReported(description.state, description.video?.frameRate);
		}
	});
	onBeforeUnmount(close);

	return {
		state,
		error,
		statistics,
		tier,
		pendingTier,
		switchProblem,
		settings,
		isSoundBlocked,
		isBehindLive,
		isSocketOpen,
		lineProblem,
		viewerCount,
		decision,
		signaling,
		video: () => handOver?.shown?.video,
		start,
		choose(wanted) {
			switchProblem.value = undefined;
			chooser?.choose(wanted);
		},
		goLive: () => chooser?.goLive(),
		retry: () => handOver?.shown?.playback.retry(),
		setPaused: (isPaused) => handOver?.setPaused(isPaused),
		setMuted(isMuted) {
			isSoundBlocked.value = false;
			handOver?.setMuted(isMuted);
			writeSettings(settings.value);
		},
		setVolume(volume) {
			isSoundBlocked.value = false;
			handOver?.setVolume(volume);
			handOver?.setMuted(volume === 0);
			writeSettings(settings.value);
		},
	};
}

function createPlayback(
	tier: DeliveryTier,
	channel: ChannelDescription,
	start: PlaybackStart,
	viewerId: () => string | undefined,
): Playback {
	const dependencies: ConstructorParameters<typeof TierPlayback>[1] = {
		clock: systemClock,
		logger: createBrowserLogger({ channel: channel.name, tier }),
		serverClock,
		isPageVisible: () => document.visibilityState === 'visible',
		chance,
		viewerId,
	};
	return tier === 'webrtc'
		? createWebrtcPlayback(channel.whepUrl, dependencies, start.delayMs)
		: createHlsPlayback(channel.hlsUrl, dependencies, start.fromCaptureTimeMs);
}

/** What the server is told; undefined while there is nothing to tell. */
function viewerStatistics(
	reading: PlayerStatistics | undefined,
	isPaused: boolean,
): Omit<ViewerStatistics, 'type'> | undefined {
	if (reading === undefined) {
		return undefined;
	}
	const { latencyMs } = reading;
	return {
		tier: reading.tier,
		state: isPaused ? 'paused' : REPORTED_STATES[reading.state],
		...(latencyMs === undefined || isPaused ? {} : { latencyMs: Math.round(latencyMs) }),
		stallCount: reading.stallCount,
		stalledForMs: Math.round(reading.stalledForMs),
		shownFrameCount: reading.framesShownCount,
		droppedFrameCount: reading.framesDroppedCount,
		bitrateBps: Math.round(reading.bitrateBps ?? 0),
	};
}

function readSettings(): { isMuted: boolean; volume: number } {
	try {
		const stored = JSON.parse(localStorage.getItem(SETTINGS_KEY) ?? '{}') as { isMuted?: unknown; volume?: unknown };
		const volume = typeof stored.volume === 'number' && stored.volume >= 0 && stored.volume <= 1 ? stored.volume : 1;
		return { isMuted: stored.isMuted === true, volume };
	} catch {
		// Storage is off, or holds something else.
		return { isMuted: false, volume: 1 };
	}
}

function writeSettings({ isMuted, volume }: WatchSettings): void {
	try {
		localStorage.setItem(SETTINGS_KEY, JSON.stringify({ isMuted, volume }));
	} catch {
		// Storage is off.
	}
}
