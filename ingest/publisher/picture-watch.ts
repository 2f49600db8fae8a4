/** Why a publisher's picture cannot be shown although part of it arrives, in words for the streamer. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { PICTURE_PROBLEMS, type PictureProblem } from '../bitstream/h264-assembler.ts';
import type { TrackProblem } from './publisher.ts';
import { trackProblem, type TrackProblemCode } from './track-problems.ts';

/** After this long without a usable picture the reason is reported. @internal for tests */
export const NO_PICTURE_MS = 3000;

/** The streamer's problem for each. */
export const PICTURE_PROBLEM_CODES = {
	'parameter-set-unreadable': 'video-config-unreadable',
	'parameter-set-too-long': 'video-config-unreadable',
	'too-many-parameter-sets': 'video-config-unreadable',
	'parameter-sets-missing': 'video-config-missing',
	'parameter-sets-unknown': 'video-config-missing',
	'key-frame-missing': 'video-key-frame-missing',
	'picture-damaged': 'video-damaged',
} as const satisfies Record<PictureProblem, TrackProblemCode>;

export class PictureWatch {
	readonly #deps: { clock: Clock };
	#usableAtMs: number;
	#problem: PictureProblem | undefined;

	constructor(deps: { clock: Clock }) {
		this.#deps = deps;
		this.#usableAtMs = deps.clock.monotonicMs();
	}

	/** A usable picture arrived. */
	usable(): void {
		this.#usableAtMs = this.#deps.clock.monotonicMs();
		this.#problem = undefined;
	}

	/** A picture was left out. */
	leftOut(problem: PictureProblem): void {
		this.#problem = problem;
	}

	/** At most one, and only after {@link NO_PICTURE_MS} without a usable picture. */
	get problems(): readonly TrackProblem[] {
		if (this.#problem === undefined || this.#deps.clock.monotonicMs() - this.#usableAtMs < NO_PICTURE_MS) {
			return [];
		}
		return [trackProblem(PICTURE_PROBLEM_CODES[this.#problem], PICTURE_PROBLEMS[this.#problem])];
	}
}
