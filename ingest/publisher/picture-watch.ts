/** Why a publisher's picture cannot be shown although something of it comes: in words for the streamer. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { PICTURE_PROBLEMS, type PictureProblem } from '../bitstream/h264-assembler.ts';
import type { TrackProblem } from './publisher.ts';
import { trackProblem, type TrackProblemCode } from './track-problems.ts';

/** Without a usable picture for this long there is a reason to tell. @internal for tests */
export const NO_PICTURE_MS = 3000;

/** What the streamer is told of each. */
export const PICTURE_PROBLEM_CODES = {
	'parameter-set-unreadable': 'video-config-unreadable',
	'parameter-set-too-long': 'video-config-unreadable',
	'too-many-parameter-sets': 'video-config-unreadable',
	'parameter-sets-missing': 'video-config-missing',
	'parameter-sets-unknown': 'video-config-missing',
	'key-frame-missing': 'video-key-frame-missing',
	'picture-damaged': 'video-damaged',
} as const satisfies Record<PictureProblem, TrackProblemCode>;

/** Watches one publisher's picture. */
export class PictureWatch {
	readonly #clock: Clock;
	#usableAtMs: number;
	#problem: PictureProblem | undefined;

	constructor(clock: Clock) {
		this.#clock = clock;
		this.#usableAtMs = clock.monotonicMs();
	}

	/** A picture came that can be shown. */
	usable(): void {
		this.#usableAtMs = this.#clock.monotonicMs();
		this.#problem = undefined;
	}

	/** One was left out. */
	leftOut(problem: PictureProblem): void {
		this.#problem = problem;
	}

	/** At most one, and only when no picture could be shown for {@link NO_PICTURE_MS}. */
	get problems(): readonly TrackProblem[] {
		if (this.#problem === undefined || this.#clock.monotonicMs() - this.#usableAtMs < NO_PICTURE_MS) {
			return [];
		}
		return [trackProblem(PICTURE_PROBLEM_CODES[this.#problem], PICTURE_PROBLEMS[this.#problem])];
	}
}
