/** The chat of a player's channel: created with the player's socket, closed with the component. */
import { onBeforeUnmount, shallowRef, watch, type Ref, type ShallowRef } from 'vue';
import { systemClock } from '../../../../core/lifecycle/clock.ts';
import type { ChatSource } from './chat-source.ts';
import { createSocketChat, type ChatSocket, type SocketChat } from './socket-chat.ts';
import { serverClock } from '../../api/server-time.ts';

type WatchedPlayer = {
	readonly state: Readonly<Ref<string>>;
	readonly statistics: Readonly<Ref<{ latencyMs?: number | undefined } | undefined>>;
	readonly signaling: Readonly<Ref<ChatSocket | undefined>>;
};

/** Undefined until the player has its socket. */
export function useChat(player: WatchedPlayer): ShallowRef<ChatSource | undefined> {
	const chat = shallowRef<SocketChat>();

	/** Capture time of the picture on the screen: now on the server's clock, less the latency measured. */
	function captureTimeMs(): number | undefined {
		const latencyMs = player.state.value === 'playing' ? player.statistics.value?.latencyMs : undefined;
		const nowMs = serverClock.toServerMs(systemClock.monotonicMs());
		return latencyMs === undefined || nowMs === undefined ? undefined : nowMs - latencyMs;
	}

	watch(
		player.signaling,
		(signaling) => {
			chat.value?.close();
			chat.value =
				signaling === undefined ? undefined : createSocketChat(signaling, { clock: systemClock, captureTimeMs });
		},
		// Sync: before the first message can arrive.
		{ immediate: true, flush: 'sync' },
	);
	onBeforeUnmount(() => chat.value?.close());
	return chat;
}
