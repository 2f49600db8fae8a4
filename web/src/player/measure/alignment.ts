/**
 * The positions of two playbacks of one broadcast relative to each other, by capture time. Pure. A position is the
 * capture time on screen (or in the sound) at an instant; comparing two of them does not need the server's clock.
 */
import { median } from '../../../../core/percentiles.ts';

/** A frame or sound that was played: the server's epoch milliseconds, and our monotonic ones. */
export type PlayedMoment = { captureTimeMs: number; playedAtMs: number };

/** A frame older than this has no current position: the picture is frozen. */
const MAX_AGE_MS = 600;
/** For the median: a third of a second at 30 frames per second. A single frame may be a refresh early or late. */
const MOMENT_COUNT = 11;
/** A new WebRTC leg plays the first GOP within a tenth of a second, which passes every position on the way. */
const STEADY_FOR_MS = 250;
/** Two to three frames at 30 per second. */
const STEADY_WITHIN_MS = 80;

/** The last few moments of one playback. */
export class PlayedMoments {
	#moments: PlayedMoment[] = [];

	/** A frame was shown, or sound was played. The same frame counts once. */
	add(moment: PlayedMoment): void {
		if (this.#moments.at(-1)?.captureTimeMs !== moment.captureTimeMs) {
			this.#moments.push(moment);
			this.#moments.splice(0, this.#moments.length - MOMENT_COUNT);
		}
	}

	get latest(): PlayedMoment | undefined {
		return this.#moments.at(-1);
	}

	/**
	 * What was on the screen at a monotonic time. A frame is reported a refresh before it is painted; the frames of the
	 * last third of a second are known.
	 */
	shownAt(atMs: number): PlayedMoment | undefined {
		return this.#moments.findLast(({ playedAtMs }) => playedAtMs <= atMs) ?? this.#moments[0];
	}

	/** Drops the moments of an earlier connection. */
	clear(): void {
		this.#moments = [];
	}

	/** The capture time on screen at a monotonic time; undefined while nothing moves. */
	positionMs(nowMs: number): number | undefined {
		const recent = this.#recent(nowMs);
		return recent.length === 0
			? undefined
			: median(recent.map((moment) => moment.captureTimeMs + nowMs - moment.playedAtMs));
	}

	/** True while it plays at the pace of the clock, so that its position can be extrapolated. */
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

/** Milliseconds by which the first is nearer to live than the second; undefined while either is unknown. */
export function aheadMs(one: number | undefined, other: number | undefined): number | undefined {
	return one === undefined || other === undefined ? undefined : one - other;
}
