/** The interface between ingest, which calls it, and a tier, which implements it. */
import type { AccessUnit, TrackId } from './access-unit.ts';
import type { TrackConfig } from './codecs.ts';
import type { Rung } from './rung.ts';

/** Receives the access units of one broadcast for one tier. Calls never throw and never wait. */
export interface TrackSink {
	/**
	 * The tracks of run `run`. Called once a run, before its first access unit, with a higher number each time. `rungs`:
	 * those of the tracks that are rungs of the ladder; the others are the source's, and lead.
	 */
	beginRun(run: number, tracks: ReadonlyMap<TrackId, TrackConfig>, rungs?: ReadonlyMap<TrackId, Rung>): void;
	/** A rung of this run has no media for now; its next unit, a key frame, ends this. */
	pauseTrack(trackId: TrackId): void;
	/** In decode order within a track; tracks interleave freely. */
	write(accessUnit: AccessUnit): void;
	/** The publisher is lost and may return; written units stay valid. The next beginRun() ends this. */
	interrupt(): void;
	/** No further calls follow. */
	end(): void;
}
