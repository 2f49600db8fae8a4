/** A clip's description, and its title as the page's title. */
import { computed, onBeforeUnmount, ref, shallowRef, watchEffect } from 'vue';
import { systemClock } from '../../../../core/lifecycle/clock.ts';
import type { OwnClip } from '../../../../core/protocol/api/clip.ts';
import { fetchClip } from '../../api/clip-api.ts';
import { VideoWatch, type VideoAbsence } from '../../api/video-watch.ts';
import { clipTitle } from '../../app/texts/clip-words.ts';
import { useAccount } from '../account/account-store.ts';

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
	watch.on('described', (described) => {
		clip.value = described;
		absence.value = undefined;
	});
	watch.on('absent', (why) => (absence.value = why));
	watchEffect(() => {
		document.title = `${clip.value === undefined ? 'Clip' : clipTitle(clip.value)} · Spillway`;
	});
	void watch.askNow();
	onBeforeUnmount(() => watch.stop());
	return {
		clip,
		/** For a player. */
		playable: computed(() =>
			clip.value === undefined ? undefined : { ...clip.value, state: 'ready' as const, title: clipTitle(clip.value) },
		),
		/** What of its playlist it is. */
		range: () => clip.value && { startSeconds: clip.value.startSeconds, endSeconds: clip.value.endSeconds },
		absence,
		askNow: () => watch.askNow(),
		/** It was changed here. */
		replace: (changed: OwnClip) => void (clip.value = changed),
	};
}
