/**
 * Ends the connections of a credential that has ended, even without an announcement. The message of another server can
 * be lost, a log-in can expire, and a row can be deleted by hand.
 */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import { SingleFlight } from '../../core/lifecycle/single-flight.ts';
import { errorMessage } from '../../core/errors/errors.ts';
import type { Logger } from '../../core/logger.ts';

/** Connections outlive their credential by at most this, plus one query. @internal for tests */
export const CREDENTIAL_CHECK_INTERVAL_MS = 30_000;
/** Ids per query. */
const BATCH_SIZE = 1000;

type CredentialKind = {
	/** For the log. */
	name: string;
	/** The credential ids of the open connections. */
	inUse(): Iterable<string>;
	/** Returns the ids that are no longer valid. */
	findEnded(ids: readonly string[]): Promise<readonly string[]>;
	/** Must be idempotent, because the end may also be announced. */
	onEnded(id: string): void;
};

/** Queries the database once per interval. */
export class CredentialWatch {
	readonly #deps: { clock: Clock; logger: Logger };
	readonly #kind: CredentialKind;
	readonly #scope: CloseScope<'closed'>;
	readonly #checking = new SingleFlight<void>();

	constructor(deps: { clock: Clock; logger: Logger }, kind: CredentialKind) {
		this.#deps = deps;
		this.#kind = kind;
		this.#scope = new CloseScope(deps.logger);
		this.#scope.every(deps.clock, CREDENTIAL_CHECK_INTERVAL_MS, () => void this.#checking.run(() => this.#check()));
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
			// Without the database, connections stay open until the next check.
			this.#deps.logger.warn({ reason: errorMessage(error) }, `${this.#kind.name} could not be checked`);
		}
	}
}
