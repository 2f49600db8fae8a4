/** Keeps the packets of the newest GOP, so that a newcomer gets a picture without waiting for the next key frame. */
import type { StagePacket } from './stage-stream.ts';

/** With its unwrapped number in the live stream. */
export type KeptPacket = StagePacket & { liveSequence: number };

/** A GOP longer or larger than this is not kept: its burst takes longer than the wait for the next one. */
const MAX_PACKETS = 4096;
const MAX_BYTES = 4 * 1024 * 1024;

/** The packets since the last key frame, its parameter sets first. */
export class NewestGop {
	#packets: KeptPacket[] = [];
	#bytes = 0;
	#isComplete = false;

	/** True when there is a GOP that can be sent. */
	get isUsable(): boolean {
		return this.#isComplete && this.#packets.length > 0;
	}

	/** A key frame begins: drops what came before, but not its own packets that overtook its first one. */
	begin(timestampTicks: number): void {
		this.#packets = this.#packets.filter((packet) => packet.timestampTicks >= timestampTicks);
		this.#bytes = this.#packets.reduce((sum, packet) => sum + packet.payload.length, 0);
		this.#isComplete = true;
	}

	add(packet: KeptPacket): void {
		if (!this.#isComplete) {
			return;
		}
		this.#packets.push(packet);
		this.#bytes += packet.payload.length;
		if (this.#packets.length > MAX_PACKETS || this.#bytes > MAX_BYTES) {
			this.#packets = [];
			this.#isComplete = false;
		}
	}

	/** The packets in sequence order; late ones are put in place. */
	packets(): KeptPacket[] {
		return this.#packets.toSorted((one, other) => one.liveSequence - other.liveSequence);
	}
}
