/** The one estimate of the server's clock that all players on the page share. */
import { systemClock } from '../../../core/clock.ts';
import { fetchServerTime } from '../signaling/channel-api.ts';
import { ServerClock } from '../signaling/server-clock.ts';

/** Started by the first player; runs as long as the page. */
export const serverClock = new ServerClock(systemClock, (signal) => fetchServerTime(signal));
