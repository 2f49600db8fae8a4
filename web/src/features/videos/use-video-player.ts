/** Binds a video player to a component: reactive view, resumes where the viewer stopped, closed with the component. */
import { computed, onBeforeUnmount, ref, shallowRef, watch, type Ref } from 'vue';
import { systemClock } from '../../../../core/lifecycle/clock.ts';
import { Timer } from '../../../../core/lifecycle/timer.ts';
import type { OwnVideo } from '../../../../core/protocol/api/video.ts';
import { videoTitle } from '../../app/texts/video-words.ts';
import {
	createVideoPlayer,
	type MediaRange,
	type VideoPlayer,
	type VideoPlayerView,
} from '../../player/video/create-video-player.ts';
import { ResumeMemory } from './resume-memory.ts';

/** Between two notes of where the viewer is. */
const NOTE_INTERVAL_SECONDS = 5;
/** The first media of a recording may be announced before they can be loaded. */
const FIRST_MEDIA_MS = 2000;
/** An address may name a time after the end. */
const BEFORE_END_SECONDS = 2;

type Options = {
	/** From the address. */
	askedSeconds: number | undefined;
	isAutoplay: boolean;
	/** What of its playlist is played; undefined: all, and it is remembered where the viewer stops. */
	range?: () => MediaRange | undefined;
	/** Loads the description again. */
	reload: () => Promise<void>;
};

/** What a player needs to know of a video, or of a clip. */
export type Playable = Pick<
	OwnVideo,
	| 'id'
	| 'title'
	| 'startedAt'
	| 'state'
	| 'playlistUrl'
	| 'posterUrl'
	| 'storyboardUrl'
	| 'durationSeconds'
	| 'channelName'
>;

export type BoundVideoPlayer = ReturnType<typeof useVideoPlayer>;

/** Starts when there is both a container and something to play. */
export function useVideoPlayer(
	video: Readonly<Ref<Playable | undefined>>,
	{ askedSeconds, isAutoplay, reload, range }: Options,
) {
	const player: VideoPlayer = createVideoPlayer();
	const memory = new ResumeMemory();
	const view = shallowRef<VideoPlayerView>(player.view);
	const isReloading = ref(false);
	/** Where the viewer had stopped, when it plays from there. */
	const resumedAtSeconds = ref<number>();
	let container: HTMLElement | undefined;
	let isStarted = false;
	/** At first it is noted at once. */
	let notedSeconds = -Infinity;
	/** Of the address whose description was loaded again. */
	let reloadedUrl: string | undefined;

	function note(): void {
		const { hasStarted, positionSeconds, durationSeconds } = player.view;
		if (hasStarted && video.value !== undefined && range === undefined) {
			notedSeconds = positionSeconds;
			const isComplete = video.value.state === 'ready' && durationSeconds > 0;
			memory.note(video.value.id, positionSeconds, isComplete ? durationSeconds : undefined);
		}
	}

	async function reloadOnce(): Promise<void> {
		reloadedUrl = video.value?.playlistUrl ?? undefined;
		isReloading.value = true;
		await reload();
		isReloading.value = false;
		const { problem, hasStarted } = player.view;
		if (problem?.kind === 'gone' && !hasStarted && video.value?.state === 'recording') {
			firstMedia.arm(FIRST_MEDIA_MS);
		}
	}
	const firstMedia = new Timer(systemClock, () => {
		reloadedUrl = undefined;
		player.retry();
	});

	player.on('changed', (next) => {
		view.value = next;
		if (Math.abs(next.positionSeconds - notedSeconds) >= NOTE_INTERVAL_SECONDS) {
			note();
		}
		if (next.problem?.kind === 'gone' && !isReloading.value && reloadedUrl !== video.value?.playlistUrl) {
			void reloadOnce();
		}
	});

	function tryToStart(): void {
		const { playlistUrl, id, durationSeconds, channelName } = video.value ?? { playlistUrl: null };
		if (container === undefined || isStarted || playlistUrl === null) {
			return;
		}
		isStarted = true;
		const latest = Math.max(0, durationSeconds! - BEFORE_END_SECONDS);
		const stoppedAt = askedSeconds === undefined && range === undefined ? memory.read(id!) : undefined;
		const startSeconds = Math.min(askedSeconds ?? stoppedAt ?? 0, latest);
		resumedAtSeconds.value = stoppedAt !== undefined && startSeconds > 0 ? startSeconds : undefined;
		const title = videoTitle(video.value!);
		player.start(container, {
			playlistUrl,
			startSeconds,
			range: range?.(),
			isAutoplay,
			title,
			channelName: channelName!,
		});
	}

	watch(
		() => [video.value?.playlistUrl, range?.()?.startSeconds, range?.()?.endSeconds] as const,
		([playlistUrl]) => {
			if (!isStarted) {
				tryToStart();
			} else if (playlistUrl !== undefined && playlistUrl !== null) {
				player.replace(playlistUrl, range?.());
			}
		},
	);
	// Leaving the site does not unmount.
	window.addEventListener('pagehide', note);
	onBeforeUnmount(() => {
		window.removeEventListener('pagehide', note);
		firstMedia.disarm();
		note();
		player.close();
	});

	return {
		view: computed(() => view.value),
		isReloading,
		resumedAtSeconds,
		start(element: HTMLElement): void {
			container = element;
			tryToStart();
		},
		/** Loads the description and the video again. */
		async retry(): Promise<void> {
			const before = video.value?.playlistUrl;
			await reloadOnce();
			if (video.value?.playlistUrl === before) {
				player.retry();
			}
		},
		player,
	};
}
