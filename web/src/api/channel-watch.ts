/**
 * Keeps a channel's description fresh by asking again and again: often while something is amiss, seldom while it plays.
 */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { Timer } from '../../../core/lifecycle/timer.ts';
import type { ChannelDescription } from '../../../core/protocol/api/channel-description.ts';
import { TypedEmitter } from '../../../core/lifecycle/typed-emitter.ts';
import { ApiError } from './request.ts';

/** While nothing plays, a viewer waits for the answer. Shorter is felt by the server when a popular channel ends. */
const EAGER_INTERVAL_MS = 2500;
/** While it plays, only the title and the picture's size may change. */
const RELAXED_INTERVAL_MS = 10_000;

type ChannelWatchEvents = {
	/** The server described the channel. */
	described: [channel: ChannelDescription];
	/** There is no such channel. Asking goes on: it may be created. */
	notFound: [];
	/** No usable answer. The last description stands. */
	unreachable: [error: ApiError];
};

/** One per page that shows a channel. */
export class ChannelWatch extends TypedEmitter<ChannelWatchEvents> {
	readonly #fetchChannel: (signal: AbortSignal) => Promise<ChannelDescription>;
	readonly #abort = new AbortController();
	readonly #timer: Timer;
	#isEager = true;
	#isAsking = false;

	constructor(clock: Clock, fetchChannel: (signal: AbortSignal) => Promise<ChannelDescription>) {
		super();
		this.#timer = new Timer(clock, () => void this.#ask());
		this.#fetchChannel = fetchChannel;
	}

	/** Asks now, unless an answer is under way. Also starts the watch. */
	askNow(): void {
		this.#timer.disarm();
		void this.#ask();
	}

	/** Sets how often to ask. Turning eager asks at once: something has just changed. */
	setEager(isEager: boolean): void {
		const turnsEager = isEager && !this.#isEager;
		this.#isEager = isEager;
		if (turnsEager) {
			this.askNow();
		}
	}

	/** Ends for good; nothing is reported afterwards. */
	stop(): void {
		this.#abort.abort();
		this.#timer.disarm();
	}

	async #ask(): Promise<void> {
		if (this.#isAsking || this.#abort.signal.aborted) {
			return;
		}
		this.#isAsking = true;
		try {
			const channel = await this.#fetchChannel(this.#abort.signal);
			if (!this.#abort.signal.aborted) {
				this.emit('described', channel);
			}
		} catch (error) {
			if (!this.#abort.signal.aborted) {
				this.#reportFailure(error);
			}
		} finally {
			this.#isAsking = false;
			if (!this.#abort.signal.aborted) {
				this.#timer.arm(this.#isEager ? EAGER_INTERVAL_MS : RELAXED_INTERVAL_MS);
			}
		}
	}

	#reportFailure(error: unknown): void {
		if (error instanceof ApiError && error.code === 'CHANNEL_NOT_FOUND') {
			this.emit('notFound');
		} else {
			this.emit('unreachable', error instanceof ApiError ? error : new ApiError('UNREACHABLE', String(error), 0));
		}
	}
}
