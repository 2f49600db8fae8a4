/** Selects the stage's pictures, the publisher's or an encoder's, and hands over without a gap or a repetition. */
import { StateMachine, type TransitionTable } from '../../core/lifecycle/state-machine.ts';
import { debugOnly, type Logger } from '../../core/logger.ts';
import type { AccessUnit } from '../../core/media/access-unit.ts';
import { msToTicks, VIDEO_CLOCK_RATE } from '../../core/units.ts';

/** handing-over: the source's pictures go out up to a set position, and the encoder's follow. */
type SourceSwitchState = 'none' | 'source' | 'handing-over' | 'encoder';

/**
 * source-shown: a picture of the source goes out. The others are key frames of the encoder. in-step: already shown, and
 * the encoder keeps up. behind: shown long ago. ahead: newer than all pictures that went out.
 */
type SourceSwitchEvent = 'source-shown' | 'encoder-in-step' | 'encoder-behind' | 'encoder-ahead' | 'restarted';

/** @internal for tests */
export const SOURCE_SWITCH_TRANSITIONS = {
	none: {
		'source-shown': 'source',
		'encoder-in-step': 'none',
		'encoder-behind': 'none',
		'encoder-ahead': 'encoder',
		restarted: 'none',
	},
	source: {
		'source-shown': 'source',
		'encoder-in-step': 'handing-over',
		'encoder-behind': 'source',
		'encoder-ahead': 'encoder',
		restarted: 'none',
	},
	'handing-over': {
		'source-shown': 'handing-over',
		'encoder-in-step': 'handing-over',
		'encoder-behind': 'source',
		'encoder-ahead': 'encoder',
		restarted: 'none',
	},
	encoder: { restarted: 'none' },
} as const satisfies TransitionTable<SourceSwitchState, SourceSwitchEvent>;

/** The encoder's key-frame interval: short enough to join quickly, long enough for the quality. */
export const ENCODER_GOP_SECONDS = 1;
/** The picture stands still at the hand-over for as long as the encoder is behind. */
const MAX_HAND_OVER_LAG_MS = 500;
/** Key frames fall on the first picture of a second; timestamps in milliseconds are off by one at most. */
const HAND_OVER_MARGIN_TICKS = 180;

export class SourceSwitch {
	readonly #machine: StateMachine<SourceSwitchState, SourceSwitchEvent>;
	/** Of the newest picture that went out. */
	#shownTicks = -Infinity;
	/** While handing over: from this position on the encoder feeds the stage. */
	#handOverTicks = Infinity;

	constructor(logger: Logger) {
		this.#machine = new StateMachine({
			table: SOURCE_SWITCH_TRANSITIONS,
			initial: 'none',
			logger: debugOnly(logger),
		});
	}

	/** True while the source's pictures go out. */
	get isShowingSource(): boolean {
		return this.#machine.state === 'source' || this.#machine.state === 'handing-over';
	}

	/** True when a picture of the source may go out at this position. */
	isOpenToSource(timelineTicks: number): boolean {
		const { state } = this.#machine;
		return state !== 'encoder' && !(state === 'handing-over' && timelineTicks >= this.#handOverTicks);
	}

	/** A picture of the source, at a position that is open to it. Returns false when a key frame is needed first. */
	showSource({ isKeyFrame, presentationTimeTicks }: AccessUnit): boolean {
		if (!isKeyFrame && !this.isShowingSource) {
			return false;
		}
		this.#machine.handle('source-shown');
		this.#shownTicks = Math.max(this.#shownTicks, presentationTimeTicks);
		return true;
	}

	/**
	 * Decides whether a picture of the encoder goes out, and whether it is the first one. The source's pictures go out
	 * ahead of the encoder's, which are then shown already. So the source stops one GOP of the encoder later, just before
	 * the encoder's next key frame, unless the encoder is still catching up.
	 */
	showEncoded({ isKeyFrame, presentationTimeTicks }: AccessUnit): 'no' | 'first' | 'next' {
		const isNext = this.#machine.state === 'encoder';
		if (!isNext) {
			if (!isKeyFrame) {
				return 'no';
			}
			if (presentationTimeTicks <= this.#shownTicks) {
				const lagTicks = this.#shownTicks - presentationTimeTicks;
				const isInStep = lagTicks < msToTicks(MAX_HAND_OVER_LAG_MS, VIDEO_CLOCK_RATE);
				this.#machine.handle(isInStep ? 'encoder-in-step' : 'encoder-behind');
				this.#handOverTicks = presentationTimeTicks + ENCODER_GOP_SECONDS * VIDEO_CLOCK_RATE - HAND_OVER_MARGIN_TICKS;
				return 'no';
			}
			this.#machine.handle('encoder-ahead');
		}
		this.#shownTicks = presentationTimeTicks;
		return isNext ? 'next' : 'first';
	}

	/** The stage is new and has shown nothing. */
	stageReplaced(): void {
		this.#shownTicks = -Infinity;
	}

	/** Both sources start again. */
	restart(): void {
		this.#machine.handle('restarted');
	}
}
