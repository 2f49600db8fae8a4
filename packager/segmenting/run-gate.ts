/** Holds the first access units of a run until all its tracks can begin at the same time. Pure. */
import type { AccessUnit, TrackId } from '../../core/media/access-unit.ts';
import type { TrackConfig } from '../../core/media/codecs.ts';
import type { Rung } from '../../core/media/rung.ts';

/** Sound is held this long for the first key frame; a run whose picture comes later begins with sound alone. */
const LONGEST_HOLD_SECONDS = 3;
/** Bound of the held units: more than come in that time in two sounds at 48 kHz and five rungs. */
const MOST_HELD_UNITS = 1024;

/** Where the run begins, and the units held so far, in order. */
export type RunStart = { startSeconds: number; captureTimeMs: number; accessUnits: AccessUnit[] };

/** The track whose pictures lead a run: the source's first one, or else the rung with the most pictures. */
export function leadingPicture(
	tracks: ReadonlyMap<TrackId, TrackConfig>,
	rungs: ReadonlyMap<TrackId, Rung>,
): TrackId | undefined {
	const videos = [...tracks].filter(([, { kind }]) => kind === 'video').map(([trackId]) => trackId);
	const rateOf = (trackId: TrackId): number => {
		const rung = rungs.get(trackId);
		return rung?.kind === 'video' ? rung.frameRate : Infinity;
	};
	return videos.sort((one, other) => rateOf(other) - rateOf(one) || trackNumber(one) - trackNumber(other))[0];
}

/** The number in a track's name. */
export function trackNumber(trackId: TrackId): number {
	return Number(/\d+$/.exec(trackId)?.[0]);
}

/** One gate per run, used until it opens. */
export class RunGate {
	readonly #leaderId: TrackId | undefined;
	readonly #held: AccessUnit[] = [];
	#firstSound: AccessUnit | undefined;

	/** `leaderId`: the run begins with the first key frame of this track; undefined: with its first sound. */
	constructor(leaderId: TrackId | undefined) {
		this.#leaderId = leaderId;
	}

	/** Returns the start of the run as soon as it is known, and undefined before. */
	admit(accessUnit: AccessUnit): RunStart | undefined {
		if (this.#leaderId === undefined || accessUnit.trackId === this.#leaderId) {
			return accessUnit.isKeyFrame ? startAt(accessUnit, [...this.#held, accessUnit]) : undefined;
		}
		this.#held.push(accessUnit);
		const isFull = this.#held.length >= MOST_HELD_UNITS;
		if (accessUnit.kind !== 'audio') {
			return isFull ? startAt(this.#firstSound ?? this.#held[0]!, this.#held) : undefined;
		}
		this.#firstSound ??= accessUnit;
		// Of one track, because an encoder's sound comes late.
		const isSame = accessUnit.trackId === this.#firstSound.trackId;
		const heldSeconds = isSame ? secondsOf(accessUnit) - secondsOf(this.#firstSound) : 0;
		const isOver = heldSeconds >= LONGEST_HOLD_SECONDS || heldSeconds < 0 || isFull;
		return isOver ? startAt(this.#firstSound, this.#held) : undefined;
	}
}

function startAt(first: AccessUnit, accessUnits: AccessUnit[]): RunStart {
	return { startSeconds: secondsOf(first), captureTimeMs: first.captureTimeMs, accessUnits };
}

/** Presentation time in seconds of the broadcast's timeline. */
export function secondsOf(accessUnit: AccessUnit): number {
	return accessUnit.presentationTimeTicks / accessUnit.clockRate;
}
