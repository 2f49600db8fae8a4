/** What a role (viewers, chatters, a publisher) gets and gives inside its process. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import type { Figures } from '../figures/figures.ts';
import type { RoleConfig } from '../figures/messages.ts';

/** Handed to every role. */
export type RoleContext = {
	clock: Clock;
	config: RoleConfig;
	figures: Figures;
	/** A line for the operator; the parent shows few of them. */
	note(text: string): void;
};

/** Does the work of one process. */
export interface Role {
	/** Resolves once the role has begun; rejects when it cannot. */
	start(): Promise<void>;
	/** One more viewer comes. */
	arrive?(): void;
	/** Viewers go, spread over the time. */
	leave?(count: number, overMs: number): void;
	/** Ends everything, with the protocols' goodbyes. Idempotent, and bounded in time by the caller. */
	stop(): Promise<void>;
}
