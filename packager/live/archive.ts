/** What of a running broadcast is kept beyond the live window, for those who rewind. */
import type { TrackId } from '../../core/media/access-unit.ts';

/** One segment that has left the window, or is about to. */
export type ArchivedSegment = {
	mediaSequence: number;
	/** Count of discontinuities before it. */
	run: number;
	/** Null for a gap before anything was received. */
	initName: string | null;
	/** As its EXTINF has it. */
	durationSeconds: number;
	/** Epoch milliseconds. */
	capturedAtMs: number;
	isGap: boolean;
};

/** Set on the broadcast by who keeps its media. */
export interface Archive {
	/** Of a track, oldest first, without holes in their numbers; empty for a track that is not kept. */
	segments(trackId: TrackId): readonly ArchivedSegment[];
	/** Bytes of a segment or init segment. Throws OBJECT_NOT_FOUND and OBJECT_STORE_UNAVAILABLE. */
	get(trackId: TrackId, file: string): Promise<Uint8Array>;
}
