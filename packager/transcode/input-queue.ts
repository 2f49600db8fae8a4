/** Access units that wait for the encoder, bounded in time and bytes; drops some when the encoder is too slow. */
import type { AccessUnit } from '../../core/media/access-unit.ts';
import { ticksToMs } from '../../core/units.ts';

/** Most media time that may wait. Less costs pictures when the machine is busy; more shows viewers old pictures. */
const MAX_QUEUED_MS = 2000;
/** Most bytes that may wait: 2 s at 32 Mbit/s. @internal for tests */
export const MAX_QUEUED_BYTES = 8 * 1024 * 1024;

/** First in, first out. Always begins with a key frame. */
export class InputQueue {
	#units: AccessUnit[] = [];
	#bytes = 0;
	#needsKeyFrame = true;
	#droppedCount = 0;

	/** Units dropped so far. */
	get droppedCount(): number {
		return this.#droppedCount;
	}

	/** Units that wait. */
	get length(): number {
		return this.#units.length;
	}

	/** Media time between the oldest and the newest unit. */
	get queuedMs(): number {
		const first = this.#units[0];
		const last = this.#units.at(-1);
		return first === undefined || last === undefined
			? 0
			: ticksToMs(last.decodeTimeTicks - first.decodeTimeTicks, last.clockRate);
	}

	/** Adds a unit, or drops it, possibly with what waits. Returns false when something was dropped. */
	push(unit: AccessUnit): boolean {
		if (this.#needsKeyFrame && !unit.isKeyFrame) {
			this.#droppedCount++;
			return false;
		}
		const isOver = this.#isOver(unit);
		if (isOver) {
			// What waits is late already. A key frame starts again at once, otherwise the next one does.
			this.restart();
			if (!unit.isKeyFrame) {
				this.#droppedCount++;
				return false;
			}
		}
		this.#needsKeyFrame = false;
		this.#units.push(unit);
		this.#bytes += unit.bytes.length;
		return !isOver;
	}

	/** The oldest unit, left where it is. */
	peek(): AccessUnit | undefined {
		return this.#units[0];
	}

	/** Removes the oldest unit. */
	shift(): AccessUnit | undefined {
		const unit = this.#units.shift();
		this.#bytes -= unit?.bytes.length ?? 0;
		return unit;
	}

	/** The decoder is a new one, for which everything up to the next key frame is useless. */
	restart(): void {
		this.#droppedCount += this.#units.length;
		this.#units = [];
		this.#bytes = 0;
		this.#needsKeyFrame = true;
	}

	#isOver(unit: AccessUnit): boolean {
		const first = this.#units[0];
		if (first === undefined) {
			return false;
		}
		const waitingMs = ticksToMs(unit.decodeTimeTicks - first.decodeTimeTicks, unit.clockRate);
		return waitingMs > MAX_QUEUED_MS || this.#bytes + unit.bytes.length > MAX_QUEUED_BYTES;
	}
}
