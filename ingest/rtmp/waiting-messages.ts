/** Messages that came while the key was being checked, within a bound. Knows nothing of what they say. */
import { SpillwayError } from '../../core/errors/errors.ts';
import type { RtmpMessage } from '../../core/wire/rtmp/rtmp-messages.ts';

/** What a message costs beyond its payload, so that empty ones are not free. */
const MESSAGE_OVERHEAD_BYTES = 128;

/** Keeps messages in order until they are taken. */
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

	/** Adds one. Throws RTMP_PROTOCOL_ERROR beyond the bound. */
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
