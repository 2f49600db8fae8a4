/** Keeps what is known of the viewer's pause, and says what follows from it. */
import type { Clock } from '../../../../core/lifecycle/clock.ts';
import { givesUpSeat, playOn, type Pause, type PlayOn } from './pause-policy.ts';
import type { Screen } from './screen.ts';
import { isElsewhere } from './video-surfaces.ts';

/** One per player. */
export class PauseWatch {
	readonly #options: { clock: Clock; canHls: boolean; isPageVisible: () => boolean };
	#pause: Pause | undefined;

	constructor(options: { clock: Clock; canHls: boolean; isPageVisible: () => boolean }) {
		this.#options = options;
	}

	/** Where the viewer paused. */
	get captureTimeMs(): number | undefined {
		return this.#pause?.captureTimeMs;
	}

	/** The viewer pauses. Before the last pause was over, that one counts. */
	begin(
		shown: Screen | undefined,
		facts: { isBehindLive: boolean; isResting: boolean; isOfHiddenPage: boolean },
	): void {
		if (this.#pause === undefined || !facts.isResting) {
			this.#pause = {
				sinceMs: this.#options.clock.monotonicMs(),
				captureTimeMs: shown?.playback.shownMoments.latest?.captureTimeMs,
				wasBehindLive: facts.isBehindLive,
				isOfHiddenPage: facts.isOfHiddenPage,
			};
		}
	}

	/** They are seen to go on. */
	end(): void {
		this.#pause = undefined;
	}

	/** How to go on; see {@link playOn}. */
	playOn(shown: Screen | undefined, isResting: boolean): PlayOn {
		return shown === undefined || this.#pause === undefined
			? 'go-on'
			: playOn(this.#pause, this.#options.clock.monotonicMs(), shown.tier, isResting);
	}

	/** What is due while it lasts. */
	check(shown: Screen, isResting: boolean): 'play' | 'give-up-seat' | 'wait' {
		const pause = this.#pause;
		const { clock, canHls, isPageVisible } = this.#options;
		if (pause === undefined) {
			return 'wait';
		}
		if (pause.isOfHiddenPage && isPageVisible()) {
			return 'play';
		}
		const facts = { tier: shown.tier, pausedForMs: clock.monotonicMs() - pause.sinceMs, canHls };
		return !isResting && givesUpSeat({ ...facts, isElsewhere: isElsewhere(shown.video) }) ? 'give-up-seat' : 'wait';
	}
}
