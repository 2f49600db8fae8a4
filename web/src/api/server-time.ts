/** The one estimate of the server's clock that all players on the page share. */
import { onBeforeUnmount, ref, type Ref } from 'vue';
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { ServerClock } from './server-clock.ts';
import { fetchServerTime } from './channel-api.ts';

/** Started by whoever needs it first; runs as long as the page. */
export const serverClock = new ServerClock(systemClock, (signal) => fetchServerTime(signal));

const TICK_MS = 1000;

/**
 * The time on the server, epoch milliseconds, once a second: whatever is reckoned from the server's times is reckoned
 * with it, because a viewer's clock may be hours off. Undefined until it is known.
 */
export function useServerNow(): Ref<number | undefined> {
	serverClock.start();
	const read = (): number | undefined => serverClock.toServerMs(systemClock.monotonicMs());
	const now = ref(read());
	onBeforeUnmount(systemClock.setInterval(() => (now.value = read()), TICK_MS));
	return now;
}
