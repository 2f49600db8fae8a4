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
	/** Of its packets, kept or not. */
	#count = 0;
	#lowest = Infinity;
	#highest = -Infinity;
	#isComplete = false;

	/** True when there is a GOP that can be sent. */
	get isUsable(): boolean {
		return this.#isComplete && this.#packets.length > 0;
	}

	get packetCount(): number {
		return this.#packets.length;
	}

	/** True when `next` follows the newest packet, and none since the key frame is missing. */
	isWholeUpTo(next: number): boolean {
		return next === this.#highest + 1 && this.#count > this.#highest - this.#lowest;
	}

	/** A key frame begins: drops what came before, but not its own packets that overtook its first one. */
	begin(timestampTicks: number): void {
		this.#packets = this.#packets.filter((packet) => packet.timestampTicks >= timestampTicks);
		this.#bytes = this.#packets.reduce((sum, packet) => sum + packet.payload.length, 0);
		[this.#count, this.#lowest, this.#highest] = [0, Infinity, -Infinity];
		this.#packets.forEach((packet) => this.#countIn(packet));
		this.#isComplete = true;
	}

	add(packet: KeptPacket): void {
		this.#countIn(packet);
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

	#countIn({ liveSequence }: KeptPacket): void {
		this.#count++;
		this.#lowest = Math.min(this.#lowest, liveSequence);
		this.#highest = Math.max(this.#highest, liveSequence);
	}
}
