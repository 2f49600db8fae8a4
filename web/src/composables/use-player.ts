/** Binds a HandOver to a component: reactive state, statistics, and the end of it all with the component or the page. */
import { onBeforeUnmount, ref, shallowRef, watch, type Ref, type ShallowRef } from 'vue';
import { systemClock, type CancelTimer } from '../../../core/clock.ts';
import type { ChannelDescription, DeliveryTier } from '../../../core/protocol/channel-description.ts';
import { HandOver } from '../playback/hand-over.ts';
import { createHlsPlayback } from '../playback/hls-playback.ts';
import type { Playback, PlaybackStatistics } from '../playback/playback.ts';
import type { PlaybackError, PlaybackState } from '../playback/playback-state.ts';
import { chance } from '../playback/retry-policy.ts';
import type { TierPlayback } from '../playback/tier-playback.ts';
import type { WatchSettings } from '../playback/screen.ts';
import { createWebrtcPlayback } from '../playback/webrtc-playback.ts';
import { createBrowserLogger } from './browser-logger.ts';
import { serverClock } from './server-time.ts';

const STATISTICS_INTERVAL_MS = 500;
const SETTINGS_KEY = 'spillway.watch';

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
	/** The video element that is watched, for full screen on iPhones. */
	video: () => HTMLVideoElement | undefined;
	start(container: HTMLElement): void;
	choose(tier: DeliveryTier): void;
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
	let handOver: HandOver | undefined;
	let cancelStatistics: CancelTimer | undefined;

	function update(): void {
		const playback = handOver?.shown?.playback;
		state.value = playback?.state ?? 'idle';
		error.value = playback?.error;
		tier.value = handOver?.shown?.tier ?? tier.value;
		pendingTier.value = handOver?.pendingTier;
		if (handOver !== undefined) {
			settings.value = { ...handOver.settings };
		}
	}

	function start(container: HTMLElement): void {
		const description = channel.value!;
		serverClock.start();
		handOver = new HandOver({
			container,
			settings: settings.value,
			channelState: description.state,
			createPlayback: (wanted) => createPlayback(wanted, description),
		});
		handOver.on('changed', update);
		handOver.on('soundBlocked', () => {
			isSoundBlocked.value = true;
			update();
		});
		handOver.on('switchFailed', (failedTier, reason) => {
			switchProblem.value = { tier: failedTier, detail: reason?.detail ?? 'It brought no picture.' };
		});
		handOver.choose(tier.value);
		cancelStatistics = systemClock.setInterval(() => {
			statistics.value = handOver?.shown?.playback.statistics();
			error.value = handOver?.shown?.playback.error;
		}, STATISTICS_INTERVAL_MS);
		window.__spillway = {
			get statistics() {
				return handOver?.shown?.playback.statistics();
			},
		};
		window.addEventListener('pagehide', close);
	}

	function close(): void {
		cancelStatistics?.();
		handOver?.close();
		handOver = undefined;
		delete window.__spillway;
		window.removeEventListener('pagehide', close);
	}

	watch(channel, (description) => {
		if (description !== undefined) {
			handOver?.channelReported(description.state);
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
		video: () => handOver?.shown?.video,
		start,
		choose(wanted) {
			switchProblem.value = undefined;
			handOver?.choose(wanted);
		},
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

function createPlayback(tier: DeliveryTier, channel: ChannelDescription): Playback {
	const dependencies: ConstructorParameters<typeof TierPlayback>[1] = {
		clock: systemClock,
		logger: createBrowserLogger({ channel: channel.name, tier }),
		serverClock,
		isPageVisible: () => document.visibilityState === 'visible',
		chance,
	};
	return tier === 'webrtc'
		? createWebrtcPlayback(channel.whepUrl, dependencies)
		: createHlsPlayback(channel.hlsUrl, dependencies);
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
