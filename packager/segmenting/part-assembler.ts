/** Carries out segmentation steps: collects samples, writes them as parts, passes the parts to the rendition. */
import { concatBytes } from '../cmaf/box-writer.ts';
import { writeFragment, type FragmentSample } from '../cmaf/fragment-writer.ts';
import type { Rendition } from '../rendition/rendition.ts';
import type { SegmentationStep } from './segmentation-policy.ts';

/** A sample as a track writer passes it, with the steps that place it. */
type IncomingSample = {
	bytes: Uint8Array;
	/** Its own time, to which the capture time belongs; the step may move its start a little. */
	sourceTicks: number;
	/**
	 * Where it is shown: at a fixed distance after its start (`relative`), or at its own time (`absolute`). Without
	 * reordering the picture moves with the start, which keeps pictures gapless. With B-frames the time stays: a picture
	 * that moves past its neighbour changes their order.
	 */
	presentation: { kind: 'relative' } | { kind: 'absolute'; ticks: number };
	isSync: boolean;
	captureTimeMs: number;
};

/** A known pair of media time and capture time. */
type CaptureAnchor = { ticks: number; captureTimeMs: number };

/** What a run of a track needs from its surroundings. */
export type PartAssemblerDependencies = {
	rendition: Rendition;
	timescale: number;
	/** Numbers the fragments through all runs of the track. */
	sequence: { next: number };
	/** What every key frame begins with, besides what it has. */
	keyFramePrefix?: Uint8Array | undefined;
	/** Called when a segment had to end without a key frame. */
	onForcedCut: () => void;
};

/** Lives as long as a run. */
export class PartAssembler {
	readonly #deps: PartAssemblerDependencies;
	#samples: FragmentSample[] = [];
	#partStartTicks = 0;
	#partCaptureTimeMs = 0;
	#anchor: CaptureAnchor;

	constructor(deps: PartAssemblerDependencies, anchor: CaptureAnchor) {
		this.#deps = deps;
		this.#anchor = anchor;
	}

	/** Capture time of a media time, by the sample started last. */
	captureTimeMsAt(ticks: number): number {
		return this.#anchor.captureTimeMs + ((ticks - this.#anchor.ticks) * 1000) / this.#deps.timescale;
	}

	/** Carries out the steps; `sample` is what their `start-sample` places. */
	apply(steps: readonly SegmentationStep[], sample?: IncomingSample): void {
		for (const step of steps) {
			switch (step.kind) {
				case 'start-sample':
					this.#start(sample!, step.startTicks);
					break;
				case 'finish-sample':
					this.#samples.at(-1)!.durationTicks = step.durationTicks;
					break;
				case 'finish-part':
					this.#finishPart(step.durationTicks);
					break;
				case 'hold-part':
					this.#addPart(step.startTicks, step.durationTicks, this.captureTimeMsAt(step.startTicks), []);
					break;
				case 'gap-part':
					this.#deps.rendition.addPart({
						startTicks: step.startTicks,
						durationTicks: step.durationTicks,
						isIndependent: false,
						sampleCount: 0,
						bytes: undefined,
						programDateTimeMs: this.captureTimeMsAt(step.startTicks),
					});
					break;
				case 'finish-segment':
					if (step.isForced) {
						this.#deps.onForcedCut();
					}
					this.#deps.rendition.finishSegment();
					break;
			}
		}
	}

	/** Carries out the last steps for now, and completes the segment that they end. */
	flush(steps: readonly SegmentationStep[]): void {
		this.apply(steps);
		this.#deps.rendition.completeSegment();
	}

	#start(sample: IncomingSample, startTicks: number): void {
		// What is shown at startTicks was captured at its own time; the policy moved it by a few ticks.
		this.#anchor = { ticks: sample.sourceTicks, captureTimeMs: sample.captureTimeMs };
		if (this.#samples.length === 0) {
			this.#partStartTicks = startTicks;
			this.#partCaptureTimeMs = this.captureTimeMsAt(startTicks);
		}
		const { keyFramePrefix } = this.#deps;
		this.#samples.push({
			bytes: sample.isSync && keyFramePrefix !== undefined ? concatBytes([keyFramePrefix, sample.bytes]) : sample.bytes,
			durationTicks: 0,
			compositionOffsetTicks: sample.presentation.kind === 'relative' ? 0 : sample.presentation.ticks - startTicks,
			isSync: sample.isSync,
		});
	}

	#finishPart(durationTicks?: number): void {
		const samples = this.#samples;
		if (samples.length === 0) {
			return;
		}
		this.#samples = [];
		const sampleTicks = samples.reduce((sum, sample) => sum + sample.durationTicks, 0);
		this.#addPart(this.#partStartTicks, durationTicks ?? sampleTicks, this.#partCaptureTimeMs, samples);
	}

	#addPart(startTicks: number, durationTicks: number, captureTimeMs: number, samples: readonly FragmentSample[]): void {
		const bytes = writeFragment({
			sequenceNumber: this.#deps.sequence.next++,
			baseMediaDecodeTimeTicks: startTicks,
			captureTimeMs,
			samples,
		});
		this.#deps.rendition.addPart({
			startTicks,
			durationTicks,
			isIndependent: samples.some((sample) => sample.isSync),
			sampleCount: samples.length,
			bytes,
			programDateTimeMs: captureTimeMs,
		});
	}
}
