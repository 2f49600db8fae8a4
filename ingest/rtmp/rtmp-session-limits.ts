/** The bounds of one RTMP session: how long it may take, how much it may send, and how much of that waits. */
import { SpillwayError } from '../../core/errors/errors.ts';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { Timer } from '../../core/lifecycle/timer.ts';
import type { RtmpMessage } from '../../core/wire/rtmp/rtmp-messages.ts';

/** Our chunks and, since FFmpeg copies the size, its too: a whole picture in few writes. */
export const OUTBOUND_CHUNK_SIZE_BYTES = 65_536;
/** Encoders use fewer than ten. */
export const MAX_CHUNK_STREAM_COUNT = 64;
/** Encoders create one, and those that publish several times on one connection one each time. */
export const MAX_STREAM_COUNT = 16;
/**
 * Publishers of whose stream nothing can be used after this long are let go with the reason. Twice the time that
 * encoders take to send the first picture.
 */
export const UNUSABLE_AFTER_MS = 5000;
/** What a message costs beyond its payload, so that empty ones are not free. */
const MESSAGE_OVERHEAD_BYTES = 128;

/** How long a connection may take. All absolute, except the last. */
type RtmpSessionTimeouts = {
	/** From the connection to the end of the handshake. */
	handshakeTimeoutMs: number;
	/** From the handshake to the accepted key. */
	publishTimeoutMs: number;
	/** Without a byte, once publishing. */
	idleTimeoutMs: number;
};

/** Defaults are in rtmp-server.ts. */
export type RtmpSessionLimits = RtmpSessionTimeouts & {
	/** Largest RTMP message of a publisher. */
	maxMessageBytes: number;
	/** Sum of all its incomplete messages. */
	maxBufferedBytes: number;
	/**
	 * Both, and the sum of what comes while the key is being checked, for those who have not shown a key that is good.
	 */
	maxStrangerBytes: number;
	/** A connection that leaves more than this unread is closed. All that we send are short answers. */
	maxPendingWriteBytes: number;
	/** How long a refused key waits for its answer, so that guessing is slow. */
	refusalDelayMs: number;
};

/** The deadlines of one connection: absolute ones until it publishes, then one that each received byte renews. */
export class ReceiveDeadlines {
	readonly #clock: Clock;
	readonly #timeouts: RtmpSessionTimeouts;
	readonly #timer: Timer;
	/** What has to happen before the timer fires; undefined while it publishes. */
	#awaited: string | undefined;
	#receivedAtMs = 0;

	/** Starts with the handshake's deadline. `onExpired` is called at most once. */
	constructor(clock: Clock, timeouts: RtmpSessionTimeouts, onExpired: (what: string) => void) {
		this.#clock = clock;
		this.#timeouts = timeouts;
		this.#timer = new Timer(clock, () => this.#onTimer(onExpired));
		this.#expect('handshake', timeouts.handshakeTimeoutMs);
	}

	/** The handshake is over, or it publishes no longer: now it has to publish. */
	publishAwaited(): void {
		this.#expect('accepted publish', this.#timeouts.publishTimeoutMs);
	}

	/** It publishes; now it must not fall silent. */
	publishAccepted(): void {
		this.#awaited = undefined;
		this.#receivedAtMs = this.#clock.monotonicMs();
		this.#timer.arm(this.#timeouts.idleTimeoutMs);
	}

	/** Something arrived. */
	received(): void {
		this.#receivedAtMs = this.#clock.monotonicMs();
	}

	/** Nothing is due any longer. */
	cancel(): void {
		this.#timer.disarm();
	}

	#expect(what: string, withinMs: number): void {
		this.#awaited = `no ${what} within ${withinMs} ms`;
		this.#timer.arm(withinMs);
	}

	// Re-armed when it fires, not when bytes arrive: a busy publisher sends some hundred pieces a second.
	#onTimer(onExpired: (what: string) => void): void {
		const { idleTimeoutMs } = this.#timeouts;
		const remainingMs = this.#receivedAtMs + idleTimeoutMs - this.#clock.monotonicMs();
		if (this.#awaited === undefined && remainingMs > 0) {
			this.#timer.arm(remainingMs);
		} else {
			onExpired(this.#awaited ?? `nothing received for ${idleTimeoutMs} ms`);
		}
	}
}

/** Messages that came while the key was being checked, in order and within a bound. */
export class WaitingMessages {
	readonly #maxBytes: number;
	#messages: RtmpMessage[] = [];
	#bytes = 0;

	constructor(maxBytes: number) {
		this.#maxBytes = maxBytes;
	}

	/** Memory held. */
	get bytes(): number {
		return this.#bytes;
	}

	/** Throws RTMP_PROTOCOL_ERROR beyond the bound. */
	add(message: RtmpMessage): void {
		this.#bytes += message.payload.length + MESSAGE_OVERHEAD_BYTES;
		if (this.#bytes > this.#maxBytes) {
			throw new SpillwayError('RTMP_PROTOCOL_ERROR', ['too much was sent before the key was checked']);
		}
		this.#messages.push(message);
	}

	/** Gives all, and keeps none. */
	take(): RtmpMessage[] {
		const messages = this.#messages;
		this.#messages = [];
		this.#bytes = 0;
		return messages;
	}
}
