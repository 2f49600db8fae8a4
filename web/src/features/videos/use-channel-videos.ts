/** Videos of a channel, newest first, with older ones on request. */
import { computed, onBeforeUnmount, ref, shallowRef } from 'vue';
import type { OwnVideo } from '../../../../core/protocol/api/video.ts';
import { ApiError } from '../../api/request.ts';
import { fetchVideos } from '../../api/video-api.ts';
import { useAccount } from '../account/account-store.ts';

/** Loads the first ones now. */
export function useChannelVideos(channel: string, limit: number) {
	/** Undefined until the first answer. */
	const videos = shallowRef<readonly OwnVideo[]>();
	const next = ref<string | null>(null);
	const isBusy = ref(false);
	const isMissing = ref(false);
	/** Why the latest request failed. */
	const problem = ref<string>();
	const abort = new AbortController();

	async function load(before: string | undefined): Promise<void> {
		if (isBusy.value) {
			return;
		}
		isBusy.value = true;
		try {
			const answer = await fetchVideos(channel, { limit, before }, abort.signal);
			videos.value = before === undefined ? answer.videos : [...(videos.value ?? []), ...answer.videos];
			next.value = answer.next;
			problem.value = undefined;
		} catch (error) {
			if (!abort.signal.aborted) {
				isMissing.value = error instanceof ApiError && error.code === 'CHANNEL_NOT_FOUND';
				problem.value = error instanceof ApiError ? error.message : 'The server sent a list that cannot be read.';
			}
		} finally {
			isBusy.value = false;
		}
	}

	/** Loads the first ones again, and keeps older ones that are listed. A failure changes nothing. */
	async function refresh(): Promise<void> {
		if (isBusy.value || videos.value === undefined) {
			return;
		}
		const before = videos.value;
		const answer = await fetchVideos(channel, { limit }, abort.signal).catch(() => undefined);
		// Meanwhile older ones may have come, or one may have been deleted.
		if (answer !== undefined && videos.value === before) {
			const place = before.findIndex(({ id }) => id === answer.videos.at(-1)?.id);
			const older = place < 0 ? [] : before.slice(place + 1);
			videos.value = [...answer.videos, ...older];
			next.value = older.length === 0 ? answer.next : next.value;
		}
	}

	// Owners get more, and their log-in may have to be renewed first.
	void useAccount()
		.load()
		.then(() => load(undefined));
	onBeforeUnmount(() => abort.abort());
	return {
		videos,
		hasOlder: computed(() => next.value !== null),
		isBusy,
		isMissing,
		problem,
		loadOlder: () => load(next.value ?? undefined),
		reload: () => load(undefined),
		refresh,
		replace(video: OwnVideo): void {
			videos.value = videos.value?.map((other) => (other.id === video.id ? video : other));
		},
		remove(id: string): void {
			videos.value = videos.value?.filter((other) => other.id !== id);
		},
	};
}
