/** A tier for tests: records its input, and throws when a caller breaks the rules of TrackSink. */
import type { AccessUnit, TrackId } from '../../core/media/access-unit.ts';
import type { TrackConfig } from '../../core/media/codecs.ts';
import type { TrackSink } from '../../core/media/track-sink.ts';

export type RecordedRun = { run: number; tracks: Map<TrackId, TrackConfig>; units: AccessUnit[] };

export class FakeTrackSink implements TrackSink {
	readonly runs: RecordedRun[] = [];
	/** Everything but units, in order: `run 0 video0+audio0`, `interrupt`, `end`. */
	readonly calls: string[] = [];

	beginRun(run: number, tracks: ReadonlyMap<TrackId, TrackConfig>): void {
		this.#refuseAfterEnd();
		const previous = this.runs.at(-1);
		if (previous !== undefined && run <= previous.run) {
			throw new Error(`Run ${run} comes after run ${previous.run}.`);
		}
		this.runs.push({ run, tracks: new Map(tracks), units: [] });
		this.calls.push(`run ${run} ${[...tracks.keys()].toSorted().reverse().join('+')}`);
	}

	write(unit: AccessUnit): void {
		this.#refuseAfterEnd();
		const current = this.runs.at(-1);
		if (current === undefined || unit.run !== current.run || !current.tracks.has(unit.trackId)) {
			throw new Error(`A unit of ${unit.trackId} in run ${unit.run} was not announced.`);
		}
		const last = current.units.findLast(({ trackId }) => trackId === unit.trackId);
		if (last !== undefined && unit.decodeTimeTicks < last.decodeTimeTicks) {
			throw new Error(`${unit.trackId} goes back from ${last.decodeTimeTicks} to ${unit.decodeTimeTicks}.`);
		}
		current.units.push(unit);
	}

	pauseTrack(trackId: TrackId): void {
		this.#refuseAfterEnd();
		this.calls.push(`pause ${trackId}`);
	}

	interrupt(): void {
		this.#refuseAfterEnd();
		this.calls.push('interrupt');
	}

	end(): void {
		this.#refuseAfterEnd();
		this.calls.push('end');
	}

	/** Units of a track in the newest run. */
	unitsOf(trackId: TrackId, run = this.runs.at(-1)): AccessUnit[] {
		return run?.units.filter((unit) => unit.trackId === trackId) ?? [];
	}

	#refuseAfterEnd(): void {
		if (this.calls.at(-1) === 'end') {
			throw new Error('The sink has ended.');
		}
	}
}
