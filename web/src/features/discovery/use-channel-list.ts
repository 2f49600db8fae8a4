/** The start page's channels, polled while it is open and reloaded when the filter changes. */
import { onBeforeUnmount, ref, shallowRef, watch, type Ref } from 'vue';
import { systemClock } from '../../../../core/lifecycle/clock.ts';
import { Timer } from '../../../../core/lifecycle/timer.ts';
import type { ChannelDescription } from '../../../../core/protocol/api/channel-description.ts';
import type { Category } from '../../../../core/protocol/api/channel-list.ts';
import { type ChannelFilter, fetchCategories, fetchChannels } from '../../api/channel-api.ts';
import { ApiError } from '../../api/request.ts';

const REFRESH_MS = 5000;

export function useChannelList(filter: Ref<ChannelFilter>) {
	/** Undefined until the first answer. */
	const channels = shallowRef<readonly ChannelDescription[]>();
	/** The filter of `channels`: while a request with another one is under way, the old list stays. */
	const answeredFilter = ref<ChannelFilter>({ ...filter.value });
	const categories = shallowRef<readonly Category[]>([]);
	/** The latest request failed: the list may be old. */
	const isUnreachable = ref(false);
	let request = new AbortController();
	const timer = new Timer(systemClock, () => void ask());
	let isOver = false;

	async function ask(): Promise<void> {
		timer.disarm();
		request.abort();
		const own = (request = new AbortController());
		const asked = { ...filter.value };
		try {
			const [found, used] = await Promise.all([
				fetchChannels(asked, own.signal),
				// A failure of the categories must not hide the list.
				fetchCategories(own.signal).catch(() => categories.value),
			]);
			if (own.signal.aborted) {
				return;
			}
			channels.value = found;
			categories.value = used;
			answeredFilter.value = asked;
			isUnreachable.value = false;
		} catch (error) {
			if (own.signal.aborted) {
				return;
			}
			isUnreachable.value = !(error instanceof ApiError) || error.httpStatus === 0 || error.httpStatus >= 500;
		}
		if (!isOver) {
			timer.arm(REFRESH_MS);
		}
	}

	watch(filter, () => void ask(), { deep: true, immediate: true });
	onBeforeUnmount(() => {
		isOver = true;
		request.abort();
		timer.disarm();
	});
	return { channels, answeredFilter, categories, isUnreachable };
}
