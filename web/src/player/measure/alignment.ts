/**
 * Where two playbacks of one broadcast stand against each other, by capture time. Pure. A position is the capture time
 * that is on screen (or in the ear) at an instant; no clock of the server's is needed to compare two of them.
 */
import { median } from '../../../../core/percentiles.ts';

/** Something of known capture time that was shown or heard: server's epoch milliseconds, and our monotonic ones. */
export type PlayedMoment = { captureTimeMs: number; playedAtMs: number };

/** Older than this says nothing about now: the picture stands still. */
const MAX_AGE_MS = 600;
/**
 * Frames that the median is taken over: a third of a second at 30 a second. One frame alone may be a refresh early or
 * late.
 */
const MOMENT_COUNT = 11;
/**
 * A new WebRTC leg runs through the GOP that it gets first within a tenth of a second, past every position that is
 * looked for.
 */
const STEADY_FOR_MS = 250;
/** Two to three frames at 30 a second. */
const STEADY_WITHIN_MS = 80;

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
		const recent = this.#recent(nowMs);
		return recent.length === 0
			? undefined
			: median(recent.map((moment) => moment.captureTimeMs + nowMs - moment.playedAtMs));
	}

	/** True while it plays at the pace of the clock, so that its position will still hold in a moment. */
	isSteady(nowMs: number): boolean {
		const recent = this.#recent(nowMs);
		const behindMs = recent.map((moment) => moment.playedAtMs - moment.captureTimeMs);
		const lastsMs = recent.length === 0 ? 0 : recent.at(-1)!.playedAtMs - recent[0]!.playedAtMs;
		return lastsMs >= STEADY_FOR_MS && Math.max(...behindMs) - Math.min(...behindMs) <= STEADY_WITHIN_MS;
	}

	#recent(nowMs: number): PlayedMoment[] {
		return this.#moments.filter((moment) => moment.playedAtMs > nowMs - MAX_AGE_MS);
	}
}

/** Milliseconds by which one is ahead of, that is nearer to live than, the other; undefined while either is unknown. */
export function aheadMs(one: number | undefined, other: number | undefined): number | undefined {
	return one === undefined || other === undefined ? undefined : one - other;
}
