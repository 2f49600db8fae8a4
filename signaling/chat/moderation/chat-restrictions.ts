/** The restrictions of one room: who may not write, and until when. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import type { Restriction } from '../store/chat-store.ts';

/** Beyond it the oldest restriction is evicted. */
const MAX_RESTRICTIONS = 60_000;

/** Kept in memory, from the store and the room's entries. */
export class ChatRestrictions {
	readonly #clock: Clock;
	readonly #bySubject = new Map<string, { untilMs: number | null; sinceMs: number }>();

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** Replaces all restrictions by those of the database. */
	load(restrictions: readonly Restriction[]): void {
		this.#bySubject.clear();
		// The list has the newest first; eviction needs the oldest first.
		restrictions.toReversed().forEach(({ subject, untilMs, sinceMs }) => this.set([subject], untilMs, sinceMs));
	}

	/** `untilMs`: end as epoch ms; null: a ban, which a timeout does not shorten. `sinceMs`: start as epoch ms. */
	set(subjects: readonly string[], untilMs: number | null, sinceMs: number): void {
		for (const subject of subjects) {
			const known = this.#bySubject.get(subject);
			if (untilMs !== null && known?.untilMs === null) {
				continue;
			}
			this.#bySubject.delete(subject);
			this.#bySubject.set(subject, { untilMs, sinceMs: Math.min(sinceMs, known?.sinceMs ?? sinceMs) });
			if (this.#bySubject.size > MAX_RESTRICTIONS) {
				this.#bySubject.delete(this.#bySubject.keys().next().value!);
			}
		}
	}

	lift(subjects: readonly string[]): void {
		subjects.forEach((subject) => this.#bySubject.delete(subject));
	}

	/** Milliseconds left; Infinity for a ban; 0 when the subject may write. */
	remainingMs(subject: string): number {
		const known = this.#bySubject.get(subject);
		if (known === undefined) {
			return 0;
		}
		const remainingMs = known.untilMs === null ? Infinity : known.untilMs - this.#clock.nowMs();
		if (remainingMs <= 0) {
			this.#bySubject.delete(subject);
			return 0;
		}
		return remainingMs;
	}

	/** The restricted ones of the subjects, each with its start as epoch ms. */
	bindingSince(subjects: readonly string[]): Map<string, number> {
		return new Map(
			subjects.flatMap((subject) => {
				const known = this.#bySubject.get(subject);
				return known === undefined ? [] : [[subject, known.sinceMs] as const];
			}),
		);
	}
}
