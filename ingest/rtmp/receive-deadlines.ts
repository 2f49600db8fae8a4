/** The deadlines of one RTMP connection: absolute ones until it publishes, then one that each received byte renews. */
import type { CancelTimer, Clock } from '../../core/lifecycle/clock.ts';

/** How long a connection may take. All absolute, except the last. */
export type RtmpSessionTimeouts = {
	/** From the connection to the end of the handshake. */
	handshakeTimeoutMs: number;
	/** From the handshake to the accepted key. */
	publishTimeoutMs: number;
	/** Without a byte, once publishing. */
	idleTimeoutMs: number;
};

/** Runs one timer at a time, however many bytes arrive. */
export class ReceiveDeadlines {
	readonly #clock: Clock;
	readonly #timeouts: RtmpSessionTimeouts;
	readonly #onExpired: (what: string) => void;
	#cancelTimer: CancelTimer;
	#receivedAtMs = 0;

	/** Starts with the handshake's deadline. `onExpired` is called at most once. */
	constructor(clock: Clock, timeouts: RtmpSessionTimeouts, onExpired: (what: string) => void) {
		this.#clock = clock;
		this.#timeouts = timeouts;
		this.#onExpired = onExpired;
		this.#cancelTimer = this.#start(timeouts.handshakeTimeoutMs, 'no handshake');
	}

	/** The handshake is over; now it has to publish. */
	handshakeCompleted(): void {
		this.#cancelTimer();
		this.#cancelTimer = this.#start(this.#timeouts.publishTimeoutMs, 'no accepted publish');
	}

	/** It publishes; now it must not fall silent. */
	publishAccepted(): void {
		this.#cancelTimer();
		this.#receivedAtMs = this.#clock.monotonicMs();
		this.#watchIdle(this.#timeouts.idleTimeoutMs);
	}

	/** It publishes no longer; now it has to publish again, or go. */
	publishEnded(): void {
		this.handshakeCompleted();
	}

	/** Something arrived. */
	received(): void {
		this.#receivedAtMs = this.#clock.monotonicMs();
	}

	/** Nothing is due any longer. */
	cancel(): void {
		this.#cancelTimer();
	}

	#start(delayMs: number, what: string): CancelTimer {
		return this.#clock.setTimeout(() => this.#onExpired(`${what} within ${delayMs} ms`), delayMs);
	}

	// Re-armed when it fires, not when bytes arrive: a busy publisher sends some hundred pieces a second.
	#watchIdle(delayMs: number): void {
		this.#cancelTimer = this.#clock.setTimeout(() => {
			const remainingMs = this.#receivedAtMs + this.#timeouts.idleTimeoutMs - this.#clock.monotonicMs();
			if (remainingMs > 0) {
				this.#watchIdle(remainingMs);
			} else {
				this.#onExpired(`nothing received for ${this.#timeouts.idleTimeoutMs} ms`);
			}
		}, delayMs);
	}
}
