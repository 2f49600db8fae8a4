/** One channel's description, kept fresh while its page is open. */
import { onBeforeUnmount, ref, shallowRef, type Ref } from 'vue';
import { systemClock } from '../../../../core/lifecycle/clock.ts';
import type { ChannelDescription } from '../../../../core/protocol/api/channel-description.ts';
import { ChannelWatch } from '../../api/channel-watch.ts';
import { fetchChannel } from '../../api/channel-api.ts';

/** What is known of a channel. `found` is undefined until the server has answered. */
type ChannelKnowledge = {
	channel: Ref<ChannelDescription | undefined>;
	isFound: Ref<boolean | undefined>;
	isUnreachable: Ref<boolean>;
	watch: ChannelWatch;
};

/** Watches the channel until the component goes. */
export function useChannel(name: string): ChannelKnowledge {
	const channel = shallowRef<ChannelDescription>();
	const isFound = ref<boolean>();
	const isUnreachable = ref(false);
	const watch = new ChannelWatch(systemClock, (signal) => fetchChannel(name, signal));
	watch.on('described', (description) => {
		channel.value = description;
		isFound.value = true;
		isUnreachable.value = false;
	});
	watch.on('notFound', () => {
		channel.value = undefined;
		isFound.value = false;
		isUnreachable.value = false;
	});
	watch.on('unreachable', () => {
		isUnreachable.value = true;
	});
	watch.askNow();
	onBeforeUnmount(() => watch.stop());
	return { channel, isFound, isUnreachable, watch };
}
