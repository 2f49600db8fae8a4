/**
 * Ends what hangs on a credential that has ended, also where nobody heard of it: the message of another server may be
 * lost, a log-in may run out, a row may be deleted by hand.
 */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import { SingleFlight } from '../../core/lifecycle/single-flight.ts';
import { errorMessage } from '../../core/errors/errors.ts';
import type { Logger } from '../../core/logger.ts';

/** Connections outlive their credential by no more than this, plus one query. @internal for tests */
export const CREDENTIAL_CHECK_INTERVAL_MS = 30_000;
/** Ids that one query asks for. */
const BATCH_SIZE = 1000;

/** One kind of credential. */
type CredentialKind = {
	/** What this is about, for the log. */
	name: string;
	/** Ids that open connections hang on, now. */
	inUse(): Iterable<string>;
	/** Those of them that are worth nothing any more. */
	findEnded(ids: readonly string[]): Promise<readonly string[]>;
	/** Must be idempotent: the end may have been announced as well. */
	onEnded(id: string): void;
};

/** Asks the database once every half minute. */
export class CredentialWatch {
	readonly #logger: Logger;
	readonly #kind: CredentialKind;
	readonly #scope: CloseScope<'closed'>;
	readonly #checking = new SingleFlight<void>();

	constructor({ clock, logger }: { clock: Clock; logger: Logger }, kind: CredentialKind) {
		this.#logger = logger;
		this.#kind = kind;
		this.#scope = new CloseScope(logger);
		this.#scope.every(clock, CREDENTIAL_CHECK_INTERVAL_MS, () => void this.#checking.run(() => this.#check()));
	}

	close(): Promise<void> {
		return this.#scope.close('closed');
	}

	async #check(): Promise<void> {
		try {
			const ids = [...new Set(this.#kind.inUse())];
			for (let from = 0; from < ids.length && !this.#scope.closed; from += BATCH_SIZE) {
				for (const id of await this.#kind.findEnded(ids.slice(from, from + BATCH_SIZE))) {
					this.#kind.onEnded(id);
				}
			}
		} catch (error) {
			// The database is away: whoever is connected stays so until it is back.
			this.#logger.warn({ reason: errorMessage(error) }, `${this.#kind.name} could not be checked`);
		}
	}
}
