/** Keeps a channel's description fresh by polling: often while nothing plays, seldom while it plays. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { Timer } from '../../../core/lifecycle/timer.ts';
import type { ChannelDescription } from '../../../core/protocol/api/channel-description.ts';
import { TypedEmitter } from '../../../core/lifecycle/typed-emitter.ts';
import { ApiError } from './request.ts';

/** While nothing plays, a viewer waits for the answer. Shorter loads the server when a popular channel ends. */
const EAGER_INTERVAL_MS = 2500;
/** While it plays, only the title and the picture's size may change. */
const RELAXED_INTERVAL_MS = 10_000;

type ChannelWatchEvents = {
	described: [channel: ChannelDescription];
	/** There is no such channel. Polling continues: it may be created. */
	notFound: [];
	/** No usable answer. The last description stays. */
	unreachable: [error: ApiError];
};

type ChannelWatchDeps = { clock: Clock; fetchChannel: (signal: AbortSignal) => Promise<ChannelDescription> };

export class ChannelWatch extends TypedEmitter<ChannelWatchEvents> {
	readonly #deps: ChannelWatchDeps;
	readonly #abort = new AbortController();
	readonly #timer: Timer;
	#isEager = true;
	#isAsking = false;

	constructor(deps: ChannelWatchDeps) {
		super();
		this.#deps = deps;
		this.#timer = new Timer(deps.clock, () => void this.#ask());
	}

	/** Asks now, unless a request is under way. Also starts the watch. */
	askNow(): void {
		this.#timer.disarm();
		void this.#ask();
	}

	/** Sets how often to ask. Turning eager asks at once, because something has just changed. */
	setEager(isEager: boolean): void {
		const turnsEager = isEager && !this.#isEager;
		this.#isEager = isEager;
		if (turnsEager) {
			this.askNow();
		}
	}

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
			const channel = await this.#deps.fetchChannel(this.#abort.signal);
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
