/** Binds a player to a component: reactive state, closed with the component. */
import { computed, onBeforeUnmount, shallowRef, watch, type ComputedRef, type Ref, type ShallowRef } from 'vue';
import type { ChannelDescription } from '../../../../core/protocol/api/channel-description.ts';
import type { DeliveryTier } from '../../../../core/protocol/tiers.ts';
import { serverClock } from '../../api/server-time.ts';
import { createPlayer, type Player, type PlayerView } from '../../player/create-player.ts';

type BoundView = { readonly [Key in keyof PlayerView]: ComputedRef<PlayerView[Key]> };

/** The player for components: a ref for each part of its view, and its actions. */
export type BoundPlayer = BoundView &
	Pick<
		Player,
		| 'choose'
		| 'chooseQuality'
		| 'goLive'
		| 'pictureAt'
		| 'retry'
		| 'seek'
		| 'seekBy'
		| 'setMuted'
		| 'setPaused'
		| 'setSpeed'
		| 'setVolume'
	> & {
		/** The socket, for chat; undefined until `start`. */
		signaling: ShallowRef<Player['signaling']>;
		/** The watched video element, for full screen on iPhones. */
		video: () => HTMLVideoElement | undefined;
		start(container: HTMLElement): void;
	};

/** `channel` must hold a description when `start` is called; later ones are passed on to the player. */
export function usePlayer(
	channel: Ref<ChannelDescription | undefined>,
	initialTier: DeliveryTier | undefined,
): BoundPlayer {
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

	const keys = Object.keys(player.view) as Array<keyof PlayerView>;
	const parts = Object.fromEntries(keys.map((key) => [key, computed(() => view.value[key])])) as BoundView;

	return {
		...parts,
		signaling,
		video: () => player.video,
		start(container) {
			player.start(container, channel.value!);
			// The socket opens later: chat is created before its first message.
			signaling.value = player.signaling;
		},
		choose: (tier) => player.choose(tier),
		chooseQuality: (id) => player.chooseQuality(id),
		goLive: () => player.goLive(),
		pictureAt: (monotonicMs) => player.pictureAt(monotonicMs),
		retry: () => player.retry(),
		seek: (captureTimeMs) => player.seek(captureTimeMs),
		seekBy: (seconds) => player.seekBy(seconds),
		setSpeed: (speed) => player.setSpeed(speed),
		setPaused: (isPaused) => player.setPaused(isPaused),
		setMuted: (isMuted) => player.setMuted(isMuted),
		setVolume: (volume) => player.setVolume(volume),
	};
}
