/** The list of live channels, kept fresh while the page that shows it is open. */
import { onBeforeUnmount, onMounted, ref, type Ref } from 'vue';
import { systemClock, type CancelTimer } from '../../../core/clock.ts';
import type { ChannelDescription } from '../../../core/protocol/channel-description.ts';
import { fetchLiveChannels } from '../signaling/channel-api.ts';

const REFRESH_MS = 5000;

/** `channels` is undefined until the first answer; `isUnreachable` says that the latest question brought none. */
export function useLiveChannels(): { channels: Ref<ChannelDescription[] | undefined>; isUnreachable: Ref<boolean> } {
	const channels = ref<ChannelDescription[]>();
	const isUnreachable = ref(false);
	const abort = new AbortController();
	let cancelTimer: CancelTimer | undefined;

	async function refresh(): Promise<void> {
		try {
			channels.value = await fetchLiveChannels(abort.signal);
			isUnreachable.value = false;
		} catch {
			// The old list stands, with a word that it is old.
			isUnreachable.value = true;
		}
		if (!abort.signal.aborted) {
			cancelTimer = systemClock.setTimeout(() => void refresh(), REFRESH_MS);
		}
	}

	onMounted(() => void refresh());
	onBeforeUnmount(() => {
		abort.abort();
		cancelTimer?.();
	});
	return { channels, isUnreachable };
}
