/** The picture of a channel while its player has none: what it shows now, or that of its newest video. */
import { computed, onBeforeUnmount, ref, watch, type ComputedRef } from 'vue';
import type { ChannelDescription } from '../../../../core/protocol/api/channel-description.ts';
import { fetchVideos } from '../../api/video-api.ts';

/** The newest of all may have no picture: it was short, or of sound alone. */
const VIDEO_COUNT = 3;

/** Undefined: there is none, or none yet. */
export function useChannelPoster(channel: () => ChannelDescription): ComputedRef<string | undefined> {
	const newest = ref<string>();
	const abort = new AbortController();

	async function askForNewest(): Promise<void> {
		try {
			const { videos } = await fetchVideos(channel().name, { limit: VIDEO_COUNT }, abort.signal);
			newest.value = videos.find(({ posterUrl }) => posterUrl !== null)?.posterUrl ?? undefined;
		} catch {
			// There is the weir.
		}
	}
	watch(
		() => channel().state === 'offline',
		(isOffline) => {
			newest.value = undefined;
			if (isOffline) {
				void askForNewest();
			}
		},
		{ immediate: true },
	);
	onBeforeUnmount(() => abort.abort());
	return computed(() => channel().stillUrl ?? newest.value);
}
