/**
 * Where two playbacks of one broadcast stand against each other, by capture time. Pure. A position is the capture time that
 * is on screen (or in the ear) at an instant; no clock of the server's is needed to compare two of them.
 */
import { median } from '../../../core/percentiles.ts';

/** Something of known capture time that was shown or heard: server's epoch milliseconds, and our monotonic ones. */
export type PlayedMoment = { captureTimeMs: number; playedAtMs: number };

/** Older than this says nothing about now: the picture stands still. */
const MAX_AGE_MS = 600;
/** Frames that the median is taken over: a third of a second at 30 a second. One frame alone may be a refresh early or late. */
const MOMENT_COUNT = 11;

/** The last few moments of one playback. */
export class PlayedMoments {
	#moments: PlayedMoment[] = [];

	/** A frame was shown, or sound was played. The same frame told twice counts once. */
	add(moment: PlayedMoment): void {
		if (this.#moments.at(-1)?.captureTimeMs !== moment.captureTimeMs) {
			this.#moments.push(moment);
			this.#moments.splice(0, this.#moments.length - MOMENT_COUNT);
		}
	}

	/** The newest of them, however old. */
	get latest(): PlayedMoment | undefined {
		return this.#moments.at(-1);
	}

	/** What came before belongs to another connection, another delay. */
	clear(): void {
		this.#moments = [];
	}

	/** The capture time that is played at that monotonic time; undefined while nothing moves. */
	positionMs(nowMs: number): number | undefined {
		const recent = this.#moments.filter((moment) => moment.playedAtMs > nowMs - MAX_AGE_MS);
		return recent.length === 0
			? undefined
			: median(recent.map((moment) => moment.captureTimeMs + nowMs - moment.playedAtMs));
	}
}

/** Milliseconds by which one is ahead of, that is nearer to live than, the other; undefined while either is unknown. */
export function aheadMs(one: number | undefined, other: number | undefined): number | undefined {
	return one === undefined || other === undefined ? undefined : one - other;
}
