/** The journal of one recording: entries go to a file at once, and from there to the database once a second. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import { SingleFlight } from '../../core/lifecycle/single-flight.ts';
import { Timer } from '../../core/lifecycle/timer.ts';
import { errorMessage } from '../../core/errors/errors.ts';
import { RateLimitedReport } from '../../core/limits/rate-limited-report.ts';
import type { Logger } from '../../core/logger.ts';
import type { JournalEntry } from './journal-entry.ts';
import type { JournalFile } from './journal-file.ts';

/** Where the entries of one recording end up. @internal for tests */
export interface JournalSink {
	/**
	 * Writes all or none; entries that are there already stay as they are. `refused`: another owner has taken over the
	 * recording. Rejects when the database does not answer.
	 */
	append(entries: readonly JournalEntry[]): Promise<'written' | 'refused'>;
}

/** Between two writes to the database. */
const FLUSH_MS = 1000;
/** Entries of a write; more follow in the next. */
const MAX_BATCH = 500;
/** Entries that wait for the database: a day of a broadcast with three tracks is 130,000. */
const MAX_WAITING = 50_000;

type JournalDependencies = { file: JournalFile; sink: JournalSink; clock: Clock; logger: Logger };

export class Journal {
	readonly #deps: JournalDependencies;
	readonly #waiting: JournalEntry[] = [];
	readonly #timer: Timer;
	readonly #flushing = new SingleFlight<void>();
	readonly #scope: CloseScope<'closed'>;
	readonly #failures: RateLimitedReport;
	/** The end of the file's work so far, which runs one by one. */
	#fileWork: Promise<void> = Promise.resolve();
	#isRefused = false;

	constructor(deps: JournalDependencies) {
		this.#deps = deps;
		const { clock, logger } = deps;
		this.#timer = new Timer(clock, () => void this.flush());
		this.#failures = new RateLimitedReport(clock, logger, 'the journal waits for the database', 30_000);
		this.#scope = new CloseScope(logger);
		this.#scope.onClose(() => this.#fileWork);
		this.#scope.onClose(() => this.flush());
		this.#scope.onClose(this.#timer.disarm);
	}

	/** Entries that the database does not have yet. */
	get waitingCount(): number {
		return this.#waiting.length;
	}

	/** Why no more entries are taken, as part of a sentence; undefined: they are. */
	get refusal(): string | undefined {
		if (this.#isRefused) {
			return 'the video was deleted, or another server has taken it over';
		}
		return this.#waiting.length >= MAX_WAITING ? 'the database has been away for too long' : undefined;
	}

	/** Resolves when the entry survives the end of the process. Rejects when the file cannot be written. */
	add(entry: JournalEntry): Promise<void> {
		this.#waiting.push(entry);
		this.#timer.armOnce(FLUSH_MS);
		return this.#onFile(() => this.#deps.file.append([entry]));
	}

	/** Writes what waits to the database, or fails quietly; the next second tries again. */
	flush(): Promise<void> {
		return this.#flushing.run(() => this.#flush());
	}

	/** A last attempt. What still waits stays in the file, for the next start. Idempotent. */
	close(): Promise<void> {
		return this.#scope.close('closed');
	}

	async #flush(): Promise<void> {
		try {
			while (this.#waiting.length > 0 && !this.#isRefused) {
				const batch = this.#waiting.slice(0, MAX_BATCH);
				this.#isRefused = (await this.#deps.sink.append(batch)) === 'refused';
				this.#waiting.splice(0, batch.length);
			}
			await this.#onFile(() => (this.#waiting.length === 0 ? this.#deps.file.clear() : Promise.resolve()));
		} catch (error) {
			this.#failures.count({ waitingCount: this.#waiting.length, reason: errorMessage(error) });
			if (!this.#scope.closed) {
				this.#timer.armOnce(FLUSH_MS);
			}
		}
	}

	#onFile(work: () => Promise<void>): Promise<void> {
		const done = this.#fileWork.then(work);
		this.#fileWork = done.catch(() => undefined);
		return done;
	}
}
