/** Where the tracks of a broadcast go: the seam between ingest, which calls it, and a tier, which implements it. */
import type { AccessUnit, TrackId } from './access-unit.ts';
import type { TrackConfig } from './codecs.ts';

/** Receives the access units of one broadcast for one tier. Calls never throw and never wait. */
export interface TrackSink {
	/**
	 * The tracks of run `run` are these. Called once a run, before its first access unit, with a higher number each time.
	 */
	beginRun(run: number, tracks: ReadonlyMap<TrackId, TrackConfig>): void;
	/** In decode order within a track; tracks interleave freely. */
	write(accessUnit: AccessUnit): void;
	/** The publisher is gone and may come back; what was written stands meanwhile. The next beginRun() ends this. */
	interrupt(): void;
	/** Nothing follows. */
	end(): void;
}
