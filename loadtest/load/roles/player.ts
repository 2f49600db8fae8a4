/** What plays one tier for one virtual viewer, whichever tier it is. */
import type { RoleContext } from './role.ts';

/** What a player is made from. */
export type PlayerContext = Pick<RoleContext, 'clock' | 'config' | 'figures'>;

/** One viewer's leg. One use. */
export interface Player {
	/** Resolves when the first picture is there; rejects with the reason. */
	start(): Promise<void>;
	/** Leaves. Idempotent, never rejects. */
	close(): Promise<void>;
	/** Called once a second while it plays: figures that are looked at and not told. */
	each(): void;
	/** Latency now, where the player knows one apart from its packets. */
	latencyMs(): number | undefined;
	/** False while it stalls. */
	isPlaying(): boolean;
}
