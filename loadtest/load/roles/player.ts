/** The interface of a virtual viewer's player of one tier. */
import type { RoleContext } from './role.ts';

export type PlayerContext = Pick<RoleContext, 'clock' | 'config' | 'figures'>;

/** One use. */
export interface Player {
	/** Resolves with the first picture; rejects with the reason. */
	start(): Promise<void>;
	/** Leaves. Idempotent, never rejects. */
	close(): Promise<void>;
	/** Called once a second while it plays, for figures that need polling. */
	each(): void;
	/** Latency now; undefined where only packets have one. */
	latencyMs(): number | undefined;
	/** False while it stalls. */
	isPlaying(): boolean;
}
