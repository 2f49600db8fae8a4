/** The estimate of the server's clock that everything on the page shares. */
import { onBeforeUnmount, ref, type Ref } from 'vue';
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { ServerClock } from './server-clock.ts';
import { fetchServerTime } from './channel-api.ts';

/** Started at its first use; runs as long as the page. */
export const serverClock = new ServerClock({ clock: systemClock, fetchTime: fetchServerTime });

const TICK_MS = 1000;

/**
 * The server's epoch milliseconds, updated once a second, for comparison with the server's dates: a viewer's clock may
 * be hours off. Undefined until it is known.
 */
export function useServerNow(): Ref<number | undefined> {
	serverClock.start();
	const read = (): number | undefined => serverClock.toServerMs(systemClock.monotonicMs());
	const now = ref(read());
	onBeforeUnmount(systemClock.setInterval(() => (now.value = read()), TICK_MS));
	return now;
}
