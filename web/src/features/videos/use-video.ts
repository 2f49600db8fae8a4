/** A video's description, kept fresh while its page is open, with its title as the page's title. */
import { onBeforeUnmount, ref, shallowRef, watchEffect } from 'vue';
import { systemClock } from '../../../../core/lifecycle/clock.ts';
import type { OwnVideo } from '../../../../core/protocol/api/video.ts';
import { ApiError } from '../../api/request.ts';
import { fetchVideo } from '../../api/video-api.ts';
import { VideoWatch, type VideoAbsence } from '../../api/video-watch.ts';
import { videoTitle } from '../../app/texts/video-words.ts';
import { useAccount } from '../account/account-store.ts';

/** Watches the video until the component unmounts. */
export function useVideo(id: string) {
	const video = shallowRef<OwnVideo>();
	/** Of the newest answer; the last description stays. */
	const absence = ref<VideoAbsence>();
	const account = useAccount();
	const watch = new VideoWatch({ clock: systemClock, fetchVideo: fetchAsOwner });

	/** To an owner whose log-in has to be renewed, their private video looks like none. */
	async function fetchAsOwner(signal: AbortSignal): Promise<OwnVideo> {
		try {
			return await fetchVideo(id, signal);
		} catch (error) {
			const isHidden = error instanceof ApiError && [401, 403, 404].includes(error.httpStatus);
			if (!isHidden || account.state.value === 'logged-out') {
				throw error;
			}
			await account.load(account.state.value === 'logged-in');
			if (account.user.value === undefined) {
				throw error;
			}
			return fetchVideo(id, signal);
		}
	}

	watch.on('described', (described) => {
		video.value = described;
		absence.value = undefined;
	});
	watch.on('absent', (why) => (absence.value = why));
	watchEffect(() => {
		document.title = `${video.value === undefined ? 'Video' : videoTitle(video.value)} · Spillway`;
	});
	void watch.askNow();
	onBeforeUnmount(() => watch.stop());
	return { video, absence, askNow: () => watch.askNow() };
}
