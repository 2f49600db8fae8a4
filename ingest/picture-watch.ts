/** Why a publisher's picture cannot be shown although something of it comes: in words for the streamer. */
import type { Clock } from '../core/clock.ts';
import type { PictureProblem } from './bitstream/h264-assembler.ts';
import type { TrackProblem } from './publisher.ts';

/** Without a usable picture for this long there is a reason to tell. */
export const NO_PICTURE_MS = 3000;

const WORDS = {
	'video-config-missing': {
		message: 'Pictures come without the parameter sets (SPS and PPS) that players need, so they are left out.',
		advice:
			'Restart the stream. In a pipeline of your own, repeat SPS and PPS at each key frame (GStreamer: config-interval=-1), or name them in the offer.',
	},
	'video-config-unreadable': {
		message: 'The picture is left out, because its parameter sets (SPS and PPS) cannot be read.',
		advice: 'Restart the encoder. If that does not help, choose another H.264 encoder in it, such as x264.',
	},
	'video-key-frame-missing': {
		message: 'Pictures come, but no key frame to begin with, so none can be shown yet.',
		advice: 'Set the key-frame interval to 2 s in your encoder, and turn off intra refresh.',
	},
	'video-damaged': {
		message: 'The pictures that come are damaged, so none can be shown.',
		advice: 'Check the line to this server. If a relay stands in between, try without it.',
	},
} as const satisfies Record<string, { message: string; advice: string }>;

const CODE_OF = {
	'parameter-set-unreadable': 'video-config-unreadable',
	'parameter-set-too-long': 'video-config-unreadable',
	'too-many-parameter-sets': 'video-config-unreadable',
	'parameter-sets-missing': 'video-config-missing',
	'parameter-sets-unknown': 'video-config-missing',
	'key-frame-missing': 'video-key-frame-missing',
	'picture-damaged': 'video-damaged',
} as const satisfies Record<PictureProblem, keyof typeof WORDS>;

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
		const code = CODE_OF[this.#problem];
		return [{ kind: 'video', code, ...WORDS[code] }];
	}
}
