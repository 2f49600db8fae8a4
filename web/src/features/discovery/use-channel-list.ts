/** The channels that the start page shows, kept fresh while it is open and asked anew when the filter changes. */
import { onBeforeUnmount, ref, shallowRef, watch, type Ref } from 'vue';
import { systemClock } from '../../../../core/lifecycle/clock.ts';
import { Timer } from '../../../../core/lifecycle/timer.ts';
import type { ChannelDescription } from '../../../../core/protocol/api/channel-description.ts';
import type { Category } from '../../../../core/protocol/api/channel-list.ts';
import { type ChannelFilter, fetchCategories, fetchChannels } from '../../api/channel-api.ts';
import { ApiError } from '../../api/request.ts';

const REFRESH_MS = 5000;

/** What the page shows. */
type ChannelListing = {
	/** Undefined until the first answer. */
	channels: Ref<readonly ChannelDescription[] | undefined>;
	/** The filter that `channels` are the answer to: while another is under way, the old list stands. */
	answeredFilter: Ref<ChannelFilter>;
	categories: Ref<readonly Category[]>;
	/** The latest question brought no answer: the list may be old. */
	isUnreachable: Ref<boolean>;
};

/** `filter` is read anew for each question. */
export function useChannelList(filter: Ref<ChannelFilter>): ChannelListing {
	const channels = shallowRef<readonly ChannelDescription[]>();
	const answeredFilter = ref<ChannelFilter>({ ...filter.value });
	const categories = shallowRef<readonly Category[]>([]);
	const isUnreachable = ref(false);
	let question = new AbortController();
	const timer = new Timer(systemClock, () => void ask());
	let isOver = false;

	async function ask(): Promise<void> {
		timer.disarm();
		question.abort();
		const own = (question = new AbortController());
		const asked = { ...filter.value };
		try {
			const [found, used] = await Promise.all([
				fetchChannels(asked, own.signal),
				// The filter is a convenience: without it, the list is still a list.
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
		question.abort();
		timer.disarm();
	});
	return { channels, answeredFilter, categories, isUnreachable };
}
