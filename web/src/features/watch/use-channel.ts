/** A channel's description, kept fresh while its page is open, with its title as the page's title. */
import { onBeforeUnmount, ref, shallowRef, watchEffect } from 'vue';
import { systemClock } from '../../../../core/lifecycle/clock.ts';
import type { ChannelDescription } from '../../../../core/protocol/api/channel-description.ts';
import { ChannelWatch } from '../../api/channel-watch.ts';
import { fetchChannel } from '../../api/channel-api.ts';

/** Watches the channel until the component unmounts. */
export function useChannel(name: string) {
	const channel = shallowRef<ChannelDescription>();
	/** Undefined until the server has answered. */
	const isFound = ref<boolean>();
	const isUnreachable = ref(false);
	const watch = new ChannelWatch({ clock: systemClock, fetchChannel: (signal) => fetchChannel(name, signal) });
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
	watch.on('unreachable', () => (isUnreachable.value = true));
	watchEffect(() => (document.title = `${channel.value?.title || name} · Spillway`));
	watch.askNow();
	onBeforeUnmount(() => watch.stop());
	return { channel, isFound, isUnreachable, watch };
}
