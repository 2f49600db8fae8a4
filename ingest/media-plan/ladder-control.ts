/** The ladder of one contribution: planned once for its picture, and limited by room and load from then on. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { Logger } from '../../core/logger.ts';
import {
	explainLadder,
	ladderPixelsPerSecond,
	limitLadder,
	worthyRungs,
	type LadderPlan,
	type LadderSetting,
	type RungSelection,
	type SourcePicture,
} from './ladder.ts';
import { LadderLoad } from './ladder-load.ts';
import type { EncoderGrants, LadderLease } from './work-budget.ts';

/** After a change, rungs for the same picture are added this much later at the earliest: each starts an encoder. */
const GROW_AFTER_MS = 10_000;
/** A smaller change of the frame rate is measurement noise. */
const FRAME_RATE_STEP = 5;

type LadderControlDependencies = { clock: Clock; logger: Logger; encoderGrants: EncoderGrants };

export class LadderControl {
	readonly #deps: LadderControlDependencies;
	readonly #setting: () => LadderSetting;
	readonly #lease: LadderLease;
	readonly #load = new LadderLoad();
	/** What the source is worth, and for which source and choice that holds. */
	#worthy: RungSelection | undefined;
	#worthyFor = '';
	#plan: LadderPlan | undefined;
	#changedAtMs = -Infinity;

	/** `setting`: which rungs the channel may have; asked again for each plan. */
	constructor(deps: LadderControlDependencies, setting: () => LadderSetting) {
		this.#deps = deps;
		this.#setting = setting;
		this.#lease = deps.encoderGrants.ladder();
	}

	/**
	 * The rungs for this picture now. The same rungs again unless its size, its rate, the room or the load has changed.
	 */
	plan(source: SourcePicture): LadderPlan {
		const nowMs = this.#deps.clock.monotonicMs();
		const worthy = this.#worthyRungs(source);
		const { highestCount } = this.#load;
		const fits = (pixels: number): boolean => this.#lease.fits(pixels);
		const next = limitLadder(worthy, source, { fits, highestCount });
		const present = this.#plan;
		const isMore = present !== undefined && next.rungs.length > present.rungs.length;
		if (present === undefined || !isMore || nowMs - this.#changedAtMs >= GROW_AFTER_MS) {
			this.#apply(next, source, nowMs);
		}
		return this.#plan!;
	}

	/** `lagMs`: how far the encoder is behind its input; undefined without one. */
	observe(lagMs: number | undefined): void {
		if (lagMs !== undefined) {
			const nowMs = this.#deps.clock.monotonicMs();
			const { highestCount } = this.#load;
			this.#load.observe({ lagMs, count: this.#plan?.rungs.length ?? 0, nowMs });
			if (this.#load.highestCount < highestCount) {
				this.#lease.recordDrop();
			}
		}
	}

	/** Gives its room back. */
	release(): void {
		this.#lease.release();
	}

	#worthyRungs(source: SourcePicture): RungSelection {
		const { choice } = this.#setting();
		const rate = Math.round(source.frameRate / FRAME_RATE_STEP);
		const key = `${source.widthPixels}x${source.heightPixels}@${rate} ${choice.toString()}`;
		if (this.#worthy === undefined || key !== this.#worthyFor) {
			this.#worthyFor = key;
			this.#changedAtMs = -Infinity;
			this.#worthy = worthyRungs(source, choice);
		}
		return this.#worthy;
	}

	#apply(next: RungSelection, source: SourcePicture, nowMs: number): void {
		const names = (plan: RungSelection | undefined): string | undefined =>
			plan?.rungs.map(({ name }) => name).join(' ');
		const setting = this.#setting();
		const reason = explainLadder(next, setting, this.#lease.limit);
		const hasOtherRungs = names(next) !== names(this.#plan);
		if (hasOtherRungs) {
			this.#changedAtMs = nowMs;
			this.#lease.resize(next.rungs.length === 0 ? 0 : ladderPixelsPerSecond(source, next.rungs));
		}
		if (hasOtherRungs || reason !== this.#plan?.reason) {
			const { leftOut } = next;
			this.#deps.logger.info({ ...setting, rungs: names(next), reason, leftOut }, 'the ladder of rungs has changed');
		}
		this.#plan = { ...next, reason };
	}
}
