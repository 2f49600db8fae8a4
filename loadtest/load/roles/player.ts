/** The interface of a virtual viewer's player of one tier. */
import type { RoleContext } from './role.ts';

export type PlayerContext = Pick<RoleContext, 'clock' | 'config' | 'figures'>;

/** Counts a viewer under the size of their picture, `720p`; undefined: none. */
export function adjustRung(
	figures: PlayerContext['figures'],
	tier: 'webrtc' | 'hls',
	before: string | undefined,
	now: string | undefined,
): void {
	if (before === now) {
		return;
	}
	if (before !== undefined) {
		figures.adjust(`${tier}.rung.${before}`, -1);
	}
	if (now !== undefined) {
		figures.adjust(`${tier}.rung.${now}`, 1);
	}
}

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
