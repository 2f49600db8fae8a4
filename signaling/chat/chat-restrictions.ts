/** Who may not write in one room, and until when. */
import type { Clock } from '../../core/clock.ts';
import type { Restriction } from './chat-store.ts';

/** Subjects that are remembered; the oldest entries go first. */
const MAX_RESTRICTIONS = 60_000;

/** In memory; the store and the room's entries fill it. */
export class ChatRestrictions {
	readonly #clock: Clock;
	readonly #untilMs = new Map<string, number | null>();

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** Takes over what the database knows. */
	load(restrictions: readonly Restriction[]): void {
		this.#untilMs.clear();
		// Newest first as they come; the oldest must be the first to go.
		restrictions.toReversed().forEach(({ subject, untilMs }) => this.set([subject], untilMs));
	}

	/** `untilMs`: epoch; null: for good, which a time-out does not shorten. */
	set(subjects: readonly string[], untilMs: number | null): void {
		for (const subject of subjects) {
			if (untilMs !== null && this.#untilMs.get(subject) === null) {
				continue;
			}
			this.#untilMs.delete(subject);
			this.#untilMs.set(subject, untilMs);
			if (this.#untilMs.size > MAX_RESTRICTIONS) {
				this.#untilMs.delete(this.#untilMs.keys().next().value!);
			}
		}
	}

	/** They may write again. */
	lift(subjects: readonly string[]): void {
		subjects.forEach((subject) => this.#untilMs.delete(subject));
	}

	/** Milliseconds left; Infinity for a ban; 0 when the subject may write. */
	remainingMs(subject: string): number {
		const untilMs = this.#untilMs.get(subject);
		if (untilMs === undefined) {
			return 0;
		}
		const remainingMs = untilMs === null ? Infinity : untilMs - this.#clock.nowMs();
		if (remainingMs <= 0) {
			this.#untilMs.delete(subject);
			return 0;
		}
		return remainingMs;
	}
}
