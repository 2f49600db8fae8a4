/** Binds a player to a component: reactive state, and its end with the component. */
import { computed, onBeforeUnmount, shallowRef, watch, type ComputedRef, type Ref, type ShallowRef } from 'vue';
import type { ChannelDescription } from '../../../../core/protocol/api/channel-description.ts';
import type { DeliveryTier } from '../../../../core/protocol/tiers.ts';
import { serverClock } from '../../api/server-time.ts';
import { createPlayer, type Player, type PlayerView } from '../../player/create-player.ts';

/** What components see of the player: each part of its view by itself, and what it does. */
export type BoundPlayer = { readonly [Key in keyof PlayerView]: ComputedRef<PlayerView[Key]> } & Pick<
	Player,
	'choose' | 'goLive' | 'retry' | 'setPaused' | 'setMuted' | 'setVolume'
> & {
		/** The socket, for chat; undefined until `start`. */
		signaling: ShallowRef<Player['signaling']>;
		/** The video element that is watched, for full screen on iPhones. */
		video: () => HTMLVideoElement | undefined;
		start(container: HTMLElement): void;
	};

/** `channel` must hold a description when `start` is called; later ones are passed on to the player. */
export function usePlayer(channel: Ref<ChannelDescription | undefined>, initialTier: DeliveryTier): BoundPlayer {
	const player = createPlayer({ serverClock }, { initialTier });
	const view = shallowRef(player.view);
	const signaling = shallowRef<Player['signaling']>();
	player.on('changed', (next) => (view.value = next));
	watch(channel, (description) => {
		if (description !== undefined) {
			player.channelReported(description);
		}
	});
	onBeforeUnmount(player.close);

	return {
		state: computed(() => view.value.state),
		error: computed(() => view.value.error),
		statistics: computed(() => view.value.statistics),
		tier: computed(() => view.value.tier),
		pendingTier: computed(() => view.value.pendingTier),
		switchProblem: computed(() => view.value.switchProblem),
		settings: computed(() => view.value.settings),
		isSoundBlocked: computed(() => view.value.isSoundBlocked),
		isBehindLive: computed(() => view.value.isBehindLive),
		isSocketOpen: computed(() => view.value.isSocketOpen),
		lineProblem: computed(() => view.value.lineProblem),
		viewerCount: computed(() => view.value.viewerCount),
		decision: computed(() => view.value.decision),
		signaling,
		video: () => player.video,
		start(container) {
			player.start(container, channel.value!);
			// The socket opens later than now: chat is made before its first message.
			signaling.value = player.signaling;
		},
		choose: (tier) => player.choose(tier),
		goLive: () => player.goLive(),
		retry: () => player.retry(),
		setPaused: (isPaused) => player.setPaused(isPaused),
		setMuted: (isMuted) => player.setMuted(isMuted),
		setVolume: (volume) => player.setVolume(volume),
	};
}
