/** Who may not write in one room, and until when. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import type { Restriction } from '../store/chat-store.ts';

/** Subjects that are remembered; the oldest entries go first. */
const MAX_RESTRICTIONS = 60_000;

/** In memory; the store and the room's entries fill it. */
export class ChatRestrictions {
	readonly #clock: Clock;
	readonly #bySubject = new Map<string, { untilMs: number | null; sinceMs: number }>();

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** Takes over what the database knows. */
	load(restrictions: readonly Restriction[]): void {
		this.#bySubject.clear();
		// Newest first as they come; the oldest must be the first to go.
		restrictions.toReversed().forEach(({ subject, untilMs, sinceMs }) => this.set([subject], untilMs, sinceMs));
	}

	/** `untilMs`: epoch; null: for good, which a timeout does not shorten. `sinceMs`: epoch, when it was laid on them. */
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

	/** They may write again. */
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

	/** Those of the subjects that are restricted, with the epoch milliseconds since when. */
	bindingSince(subjects: readonly string[]): Map<string, number> {
		return new Map(
			subjects.flatMap((subject) => {
				const known = this.#bySubject.get(subject);
				return known === undefined ? [] : [[subject, known.sinceMs] as const];
			}),
		);
	}
}
