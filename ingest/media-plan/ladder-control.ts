/** The ladder of one contribution: planned once for its picture, and limited by room and load from then on. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { VideoRung } from '../../core/media/rung.ts';
import {
	besidePublisher,
	explainLadder,
	ladderPixelsPerSecond,
	limitLadder,
	withPublisher,
	worthyRungs,
	type LadderPlan,
	type LadderSetting,
	type RungSelection,
	type SourcePicture,
} from './ladder.ts';
import { LadderLoad } from './ladder-load.ts';
import { publisherRungs, type LayerPicture } from './publisher-rungs.ts';
import type { EncoderGrants, LadderLease } from './work-budget.ts';

/** After a change, rungs for the same picture are added this much later at the earliest: each starts an encoder. */
const GROW_AFTER_MS = 10_000;
/** A source that sends so many times what its rungs were planned for, for so long, gets better ones. */
const MORE_BITS = 2;
const MORE_BITS_MS = 5000;
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
	/** What the source sent then. */
	#plannedBps = 0;
	/** Since when it sends far more; undefined while it does not. */
	#moreSinceMs: number | undefined;
	/** Without the publisher's rungs. */
	#plan: LadderPlan | undefined;
	#changedAtMs = -Infinity;

	/** `setting`: which rungs the channel may have; asked again for each plan. */
	constructor(deps: LadderControlDependencies, setting: () => LadderSetting) {
		this.#deps = deps;
		this.#setting = setting;
		this.#lease = deps.encoderGrants.ladder();
	}

	/**
	 * The rungs for this picture now. The same rungs again unless its size, its rate, its layers, the room or the load
	 * has changed. `layers`: what the publisher sends besides.
	 */
	plan(source: SourcePicture, layers: readonly LayerPicture[] = []): LadderPlan {
		const nowMs = this.#deps.clock.monotonicMs();
		const own = publisherRungs(source, layers);
		const worthy = besidePublisher(this.#worthyRungs(source), own);
		const { highestCount } = this.#load;
		const fits = (pixels: number): boolean => this.#lease.fits(pixels);
		const next = limitLadder(worthy, source, { fits, highestCount });
		const present = this.#plan;
		const isMore = present !== undefined && next.rungs.length > present.rungs.length;
		if (present === undefined || !isMore || nowMs - this.#changedAtMs >= GROW_AFTER_MS) {
			this.#apply(next, source, own, nowMs);
		}
		return withPublisher(this.#plan!, own);
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
		const isOther = this.#worthy === undefined || key !== this.#worthyFor;
		if (isOther || this.#sendsMore(source)) {
			this.#worthyFor = key;
			this.#changedAtMs = isOther ? -Infinity : this.#changedAtMs;
			this.#plannedBps = source.bitrateBps;
			this.#moreSinceMs = undefined;
			this.#worthy = worthyRungs(source, choice);
		}
		return this.#worthy!;
	}

	/** Many broadcasts begin with a picture that stands still. */
	#sendsMore({ bitrateBps }: SourcePicture): boolean {
		const nowMs = this.#deps.clock.monotonicMs();
		const isMore = this.#plannedBps > 0 && bitrateBps >= MORE_BITS * this.#plannedBps;
		this.#moreSinceMs = isMore ? (this.#moreSinceMs ?? nowMs) : undefined;
		return isMore && nowMs - this.#moreSinceMs! >= MORE_BITS_MS;
	}

	#apply(next: RungSelection, source: SourcePicture, own: readonly VideoRung[], nowMs: number): void {
		const names = (plan: Pick<RungSelection, 'rungs'> | undefined): string | undefined =>
			plan?.rungs.map(({ name }) => name).join(' ');
		const setting = this.#setting();
		const reason = explainLadder(next, setting, this.#lease.limit, own);
		const ceilings = next.rungs.map(({ maxBitrateBps }) => maxBitrateBps).join(' ');
		const hasOtherRungs =
			names(next) !== names(this.#plan) ||
			ceilings !== this.#plan?.rungs.map(({ maxBitrateBps }) => maxBitrateBps).join(' ');
		if (hasOtherRungs) {
			this.#changedAtMs = nowMs;
			this.#lease.resize(next.rungs.length === 0 ? 0 : ladderPixelsPerSecond(source, next.rungs));
		}
		if (hasOtherRungs || reason !== this.#plan?.reason) {
			const { leftOut } = next;
			const fromPublisher = names({ rungs: own });
			this.#deps.logger.info(
				{ ...setting, rungs: names(next), fromPublisher, reason, leftOut },
				'the ladder of rungs has changed',
			);
		}
		this.#plan = { ...next, reason };
	}
}
