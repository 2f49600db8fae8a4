/** The plan of one contribution, from what is known of its stream, its layers, its encoder and the server's room. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { Logger } from '../../core/logger.ts';
import { displaySize } from '../../core/media/codecs.ts';
import { EncoderAdmission } from '../media-plan/encoder-admission.ts';
import { LadderControl } from '../media-plan/ladder-control.ts';
import type { LadderPlan, LadderSetting } from '../media-plan/ladder.ts';
import { originOf, planMedia, SOURCE_TRACKS, type MediaPlan, type StreamFacts } from '../media-plan/media-planner.ts';
import type { StreamObserver } from '../media-plan/stream-observer.ts';
import type { EncoderGrants } from '../media-plan/work-budget.ts';
import type { PublisherLayers } from './publisher-layers.ts';

export type PlanMakerDependencies = {
	clock: Clock;
	logger: Logger;
	observer: StreamObserver;
	layers: Pick<PublisherLayers, 'pictures'>;
	/** Whether a picture may be re-encoded. */
	encoderGrants: EncoderGrants;
	/** Which rungs the channel may have. */
	ladderSetting: () => LadderSetting;
};

export class PlanMaker {
	readonly #deps: PlanMakerDependencies;
	readonly #admission: EncoderAdmission;
	readonly #ladder: LadderControl;
	/** Chosen since the last interval. */
	#rungs: LadderPlan | undefined;

	constructor(deps: PlanMakerDependencies) {
		this.#deps = deps;
		this.#admission = new EncoderAdmission(deps);
		this.#ladder = new LadderControl(deps, deps.ladderSetting);
	}

	/** Facts of the tracks that can be shown. */
	get facts(): StreamFacts {
		const { facts, hasPicture } = this.#deps.observer;
		return hasPicture ? facts : { ...facts, video: undefined };
	}

	/** `hasLadder`: enough is known of the picture to choose its rungs. */
	plan(hasLadder = false): MediaPlan {
		const { observer, layers } = this.#deps;
		const { facts } = this;
		const { video } = observer;
		if (video === undefined) {
			return this.#admission.plan(facts, undefined);
		}
		if (hasLadder && this.#rungs === undefined) {
			const { frameRate, videoBitrateBps: bitrateBps } = observer.health;
			// The source's picture has to go out as it is, or its key frames and its delay differ from the layers'.
			const passes = originOf(planMedia(facts), SOURCE_TRACKS.video.id, 'stage') === 'source';
			const own = passes ? layers.pictures : [];
			this.#rungs = this.#ladder.plan({ ...displaySize(video), frameRate, bitrateBps }, own);
		}
		// An encoder's cost follows what arrives: times that run too fast do not lower it.
		const frameRate = (): number => Math.max(observer.health.frameRate, observer.arrivalFrameRate);
		return this.#admission.plan(facts, { ...video, frameRate }, hasLadder ? this.#rungs : undefined);
	}

	/** Another interval begins: the rungs are chosen again. `lagMs`: how far the encoder is behind, if there is one. */
	observe(lagMs: number | undefined): void {
		this.#ladder.observe(lagMs);
		this.#rungs = undefined;
	}

	/** The picture is another one. */
	restart(): void {
		this.#rungs = undefined;
	}

	/** Gives all encoders' room back. */
	release(): void {
		this.#admission.release();
		this.#ladder.release();
	}
}
