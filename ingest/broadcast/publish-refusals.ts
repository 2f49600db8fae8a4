/** Why encoders were turned away lately, by channel: many encoders do not show what they are told, so the streamer reads it here. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError, type ErrorCode } from '../../core/errors/errors.ts';
import type { ChannelName } from '../../core/ids.ts';

/** One refusal. */
export type PublishRefusal = {
	/** Epoch milliseconds. */
	atMs: number;
	code: ErrorCode;
	/** A sentence for the streamer. */
	message: string;
};

/** A refusal that is older says nothing about now. */
const REMEMBERED_MS = 600_000;
/** Channels that are remembered; beyond them the oldest refusal is forgotten. */
const MAX_CHANNELS = 1000;

/** The last refusal of each channel. */
export class PublishRefusals {
	readonly #clock: Clock;
	// Oldest first.
	readonly #byChannel = new Map<ChannelName, PublishRefusal>();

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** Of this channel, unless it is long ago. */
	last(channelName: ChannelName): PublishRefusal | undefined {
		const refusal = this.#byChannel.get(channelName);
		return refusal !== undefined && this.#clock.nowMs() - refusal.atMs < REMEMBERED_MS ? refusal : undefined;
	}

	/** Remembers one. */
	note(channelName: ChannelName, error: SpillwayError): void {
		this.#byChannel.delete(channelName);
		this.#byChannel.set(channelName, { atMs: this.#clock.nowMs(), code: error.code, message: error.message });
		if (this.#byChannel.size > MAX_CHANNELS) {
			this.#byChannel.delete(this.#byChannel.keys().next().value!);
		}
	}

	/** Runs a check, and remembers what it throws. A check that passes makes the refusal before it pointless. */
	watch(channelName: ChannelName, check: () => void): void {
		try {
			check();
			this.#byChannel.delete(channelName);
		} catch (error) {
			if (error instanceof SpillwayError) {
				this.note(channelName, error);
			}
			throw error;
		}
	}
}
