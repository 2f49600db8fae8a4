/** The interface of a role (viewers, chatters, a publisher) inside its process. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import type { Figures } from '../figures/figures.ts';
import type { RoleConfig } from '../figures/messages.ts';

export type RoleContext = {
	clock: Clock;
	config: RoleConfig;
	figures: Figures;
	/** A line for the operator; the parent shows few of them. */
	note(text: string): void;
};

/** Tiers in the names of figures. */
export const TIER_NAMES = { webrtc: 'webrtc', 'll-hls': 'hls' } as const;

/** Does the work of one process. */
export interface Role {
	/** Resolves once the role has begun; rejects when it cannot. */
	start(): Promise<void>;
	/** One more viewer arrives. */
	arrive?(): void;
	/** Viewers leave, spread over the time. */
	leave?(count: number, overMs: number): void;
	/** Ends everything as the protocols require. Idempotent; the caller bounds its time. */
	stop(): Promise<void>;
}

/** Passes the first `count` texts to `note`; later ones are only counted by figures. */
export function firstNotes(note: RoleContext['note'], count: number): RoleContext['note'] {
	let left = count;
	return (text) => {
		if (left-- > 0) {
			note(text);
		}
	};
}
