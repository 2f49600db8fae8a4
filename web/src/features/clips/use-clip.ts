/** A clip's description, and its title as the page's title. */
import { computed, onBeforeUnmount, ref, shallowRef, watchEffect } from 'vue';
import { systemClock } from '../../../../core/lifecycle/clock.ts';
import { Timer } from '../../../../core/lifecycle/timer.ts';
import type { OwnClip } from '../../../../core/protocol/api/clip.ts';
import { fetchClip } from '../../api/clip-api.ts';
import { serverClock } from '../../api/server-time.ts';
import { VideoWatch, type VideoAbsence } from '../../api/video-watch.ts';
import { clipTitle } from '../../app/texts/clip-words.ts';
import { useAccount } from '../account/account-store.ts';

const YOUNG_MS = 12_000;
const SETTLING_MS = 3000;

export function useClip(id: string) {
	const clip = shallowRef<OwnClip>();
	/** Of the newest answer; the last description stays. */
	const absence = ref<VideoAbsence>();
	const account = useAccount();
	const watch = new VideoWatch({
		clock: systemClock,
		fetchVideo: async (signal) => {
			// Those who may change it get more, and their log-in may have to be renewed first.
			await account.load();
			return { ...(await fetchClip(id, signal)), state: 'ready' as const };
		},
	});
	/** The last picture of a new clip may still have to be recorded. */
	const settling = new Timer(systemClock, () => {
		const nowMs = serverClock.toServerMs(systemClock.monotonicMs()) ?? Infinity;
		if (clip.value !== undefined && nowMs - Date.parse(clip.value.createdAt) < YOUNG_MS) {
			void watch.askNow();
		}
	});
	serverClock.start();
	watch.on('described', (described) => {
		clip.value = described;
		absence.value = undefined;
		settling.arm(SETTLING_MS);
	});
	watch.on('absent', (why) => (absence.value = why));
	watchEffect(() => {
		document.title = `${clip.value === undefined ? 'Clip' : clipTitle(clip.value)} · Spillway`;
	});
	void watch.askNow();
	onBeforeUnmount(() => {
		watch.stop();
		settling.disarm();
	});
	return {
		clip,
		/** For a player. */
		playable: computed(() =>
			clip.value === undefined
				? undefined
				: { ...clip.value, state: 'ready' as const, title: clipTitle(clip.value), storyboardUrl: null },
		),
		/** What of its playlist it is. */
		range: () => clip.value && { startSeconds: clip.value.startSeconds, endSeconds: clip.value.endSeconds },
		absence,
		askNow: () => watch.askNow(),
		/** It was changed here. */
		replace: (changed: OwnClip) => void (clip.value = changed),
	};
}
