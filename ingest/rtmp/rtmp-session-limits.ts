/** The limits of one RTMP session: time, bytes, and the messages that wait for the key check. */
import { SpillwayError } from '../../core/errors/errors.ts';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { Timer } from '../../core/lifecycle/timer.ts';
import type { RtmpMessage } from '../../core/wire/rtmp/rtmp-messages.ts';

/** FFmpeg copies this size for its own chunks: a whole picture in few writes. */
export const OUTBOUND_CHUNK_SIZE_BYTES = 65_536;
/** Encoders use fewer than ten. */
export const MAX_CHUNK_STREAM_COUNT = 64;
/** Encoders create one for each publish on a connection. */
export const MAX_STREAM_COUNT = 16;
/** A publisher without usable media is closed after this long, twice an encoder's usual time to the first picture. */
export const UNUSABLE_AFTER_MS = 5000;
/** Cost of a message in addition to its payload, so that empty ones are not free. */
const MESSAGE_OVERHEAD_BYTES = 128;

/** How long a connection may take. All absolute, except the last. */
type RtmpSessionTimeouts = {
	/** From the connection to the end of the handshake. */
	handshakeTimeoutMs: number;
	/** From the handshake to the accepted key. */
	publishTimeoutMs: number;
	/** Without a byte while publishing. */
	idleTimeoutMs: number;
};

/** Defaults are in rtmp-server.ts. */
export type RtmpSessionLimits = RtmpSessionTimeouts & {
	/** Largest RTMP message of a publisher. */
	maxMessageBytes: number;
	/** Sum of all its incomplete messages. */
	maxBufferedBytes: number;
	/** Both, and the messages during the key check, for a connection without an accepted key. */
	maxUnauthenticatedBytes: number;
	/** A connection that leaves more than this unread is closed; the server sends only short answers. */
	maxPendingWriteBytes: number;
	/** How long a refused key waits for its answer, so that guessing is slow. */
	refusalDelayMs: number;
};

/** The deadlines of one connection: absolute ones until it publishes, then one that each received byte renews. */
export class ReceiveDeadlines {
	readonly #deps: { clock: Clock; onExpired: (what: string) => void };
	readonly #timeouts: RtmpSessionTimeouts;
	readonly #timer: Timer;
	/** The reason if the timer fires; undefined while the connection publishes. */
	#awaited: string | undefined;
	#receivedAtMs = 0;

	/** Starts with the handshake's deadline. `onExpired` is called at most once. */
	constructor(deps: { clock: Clock; onExpired: (what: string) => void }, timeouts: RtmpSessionTimeouts) {
		this.#deps = deps;
		this.#timeouts = timeouts;
		this.#timer = new Timer(deps.clock, () => this.#onTimer());
		this.#expect('handshake', timeouts.handshakeTimeoutMs);
	}

	/** The handshake or a publisher has ended: a publish has to follow. */
	publishAwaited(): void {
		this.#expect('accepted publish', this.#timeouts.publishTimeoutMs);
	}

	/** It publishes and must not fall silent. */
	publishAccepted(): void {
		this.#awaited = undefined;
		this.received();
		this.#timer.arm(this.#timeouts.idleTimeoutMs);
	}

	/** Bytes arrived. */
	received(): void {
		this.#receivedAtMs = this.#deps.clock.monotonicMs();
	}

	cancel(): void {
		this.#timer.disarm();
	}

	#expect(what: string, withinMs: number): void {
		this.#awaited = `no ${what} within ${withinMs} ms`;
		this.#timer.arm(withinMs);
	}

	// Re-armed when it fires, not when bytes arrive: a busy publisher sends some hundred pieces a second.
	#onTimer(): void {
		const { idleTimeoutMs } = this.#timeouts;
		const remainingMs = this.#receivedAtMs + idleTimeoutMs - this.#deps.clock.monotonicMs();
		if (this.#awaited === undefined && remainingMs > 0) {
			this.#timer.arm(remainingMs);
		} else {
			this.#deps.onExpired(this.#awaited ?? `nothing received for ${idleTimeoutMs} ms`);
		}
	}
}

/** Messages that arrive during the key check, in order and within a limit. */
export class WaitingMessages {
	readonly #maxBytes: number;
	readonly #messages: RtmpMessage[] = [];
	#bytes = 0;

	constructor(maxBytes: number) {
		this.#maxBytes = maxBytes;
	}

	/** Memory held. */
	get bytes(): number {
		return this.#bytes;
	}

	/** Throws RTMP_PROTOCOL_ERROR beyond the limit. */
	add(message: RtmpMessage): void {
		this.#bytes += message.payload.length + MESSAGE_OVERHEAD_BYTES;
		if (this.#bytes > this.#maxBytes) {
			throw new SpillwayError('RTMP_PROTOCOL_ERROR', ['too much was sent before the key was checked']);
		}
		this.#messages.push(message);
	}

	/** Removes and returns all. */
	drain(): RtmpMessage[] {
		this.#bytes = 0;
		return this.#messages.splice(0);
	}
}
