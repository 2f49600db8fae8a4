/** Turns the access units of one track in one run into segmentation steps, for video and for audio. */
import type { AccessUnit } from '../../core/media/access-unit.ts';
import type { AudioTrackConfig } from '../../core/media/codecs.ts';
import { AAC_FRAME_SAMPLES, VIDEO_CLOCK_RATE } from '../../core/units.ts';
import { planAudioFrame } from './audio-continuity.ts';
import type { LeaderBorders } from './leader-borders.ts';
import { PartAssembler, type PartAssemblerDependencies } from './part-assembler.ts';
import { SegmentationPolicy } from './segmentation-policy.ts';

/** What happened to an access unit. `jumped`: its time is so far off that only a new run can hold it. */
export type WriteResult = 'written' | 'dropped' | 'jumped';

export interface TrackWriter {
	/** Writes the next access unit in decode order. */
	write(accessUnit: AccessUnit): WriteResult;
	/** End of the media written, in seconds of the broadcast's timeline. */
	readonly endSeconds: number;
	/** Nothing came until then: fills with silence, or with GAP parts where silence cannot be made. */
	fillUntil(seconds: number): void;
	/** Publishes what is open, because nothing follows for now. */
	flush(): void;
}

/** Where a run of a track begins. */
export type TrackStart = Omit<PartAssemblerDependencies, 'timescale'> & {
	/** Seconds of the broadcast's timeline at which all tracks of the run begin, and when that was captured. */
	startSeconds: number;
	captureTimeMs: number;
};

// Beyond these a timestamp is not a pause but another timeline (F-15). The slowest pictures are ten seconds apart.
const JUMP_AHEAD_SECONDS = 30;
const JUMP_BACK_SECONDS = 1;

function assemblerOf(start: TrackStart, timescale: number): PartAssembler {
	const ticks = Math.round(start.startSeconds * timescale);
	return new PartAssembler({ ...start, timescale }, { ticks, captureTimeMs: start.captureTimeMs });
}

/** Video in 90 kHz ticks. Frames before the first key frame are dropped. */
export class VideoTrackWriter implements TrackWriter {
	readonly #policy = new SegmentationPolicy(VIDEO_CLOCK_RATE);
	readonly #assembler: PartAssembler;
	readonly #startTicks: number;
	readonly #presentationDelayTicks: number;
	readonly #borders: LeaderBorders | undefined;
	#shiftTicks: number | undefined;
	#isReordered = false;
	#lastDecodeTicks = -Infinity;

	/** `presentationDelayTicks`: as in the run's init segment. `borders`: what the tracks that follow this one need. */
	constructor(start: TrackStart, presentationDelayTicks: number, borders?: LeaderBorders) {
		this.#presentationDelayTicks = presentationDelayTicks;
		this.#borders = borders;
		this.#assembler = assemblerOf(start, VIDEO_CLOCK_RATE);
		this.#startTicks = Math.round(start.startSeconds * VIDEO_CLOCK_RATE);
	}

	get endSeconds(): number {
		return (this.#policy.endTicks ?? this.#startTicks) / VIDEO_CLOCK_RATE;
	}

	write(accessUnit: AccessUnit): WriteResult {
		const { isKeyFrame, captureTimeMs, bytes } = accessUnit;
		const reorderTicks = accessUnit.presentationTimeTicks - accessUnit.decodeTimeTicks;
		if (this.#shiftTicks === undefined) {
			if (!isKeyFrame) {
				return 'dropped';
			}
			// With B-frames a key frame is shown some frames after it is decoded. All decode times of the run move by that,
			// so that decode and presentation begin together. `tfdt` is then the presentation time of the segment's first
			// picture, as hls.js, PROGRAM-DATE-TIME and `prft` expect. The init segment's edit list undoes it: presentation
			// times, and so lip sync, do not change.
			this.#shiftTicks = reorderTicks;
			this.#policy.startAt(this.#startTicks);
		}
		this.#isReordered ||= reorderTicks !== this.#shiftTicks || reorderTicks !== 0;
		const sourceTicks = accessUnit.decodeTimeTicks + this.#shiftTicks;
		const aheadTicks = sourceTicks - (this.#policy.endTicks ?? sourceTicks);
		if (aheadTicks > JUMP_AHEAD_SECONDS * VIDEO_CLOCK_RATE || aheadTicks < -JUMP_BACK_SECONDS * VIDEO_CLOCK_RATE) {
			return 'jumped';
		}
		if (sourceTicks <= this.#lastDecodeTicks) {
			return 'dropped';
		}
		this.#lastDecodeTicks = sourceTicks;
		const { presentationTimeTicks: presentationTicks, decodeTimeTicks: decodeTicks } = accessUnit;
		const steps = this.#policy.addFrame(sourceTicks, isKeyFrame);
		this.#assembler.apply(steps, {
			bytes,
			// A picture is captured when it is shown, not when it is decoded.
			sourceTicks: this.#isReordered ? presentationTicks : sourceTicks,
			presentation: this.#isReordered
				? { kind: 'absolute', ticks: presentationTicks + this.#presentationDelayTicks }
				: { kind: 'relative' },
			isSync: isKeyFrame,
			captureTimeMs,
		});
		this.#borders?.record(steps, this.#policy.endTicks, { presentationTicks, decodeTicks, isKeyFrame });
		return 'written';
	}

	fillUntil(seconds: number): void {
		this.#policy.startAt(this.#startTicks);
		const steps = this.#policy.addGapUntil(Math.round(seconds * VIDEO_CLOCK_RATE));
		this.#assembler.apply(steps);
		this.#borders?.record(steps, this.#policy.endTicks);
	}

	flush(): void {
		const steps = this.#policy.flush();
		this.#assembler.flush(steps);
		this.#borders?.record(steps, this.#policy.endTicks);
	}
}

/** AAC in ticks of its sample rate. */
export class AudioTrackWriter implements TrackWriter {
	readonly #policy: SegmentationPolicy;
	readonly #assembler: PartAssembler;
	readonly #sampleRate: number;
	readonly #startTicks: number;
	readonly #silentFrame: Uint8Array | undefined;
	#hasStarted = false;

	constructor(start: TrackStart, config: AudioTrackConfig) {
		this.#sampleRate = config.sampleRate;
		this.#policy = new SegmentationPolicy(config.sampleRate);
		this.#assembler = assemblerOf(start, config.sampleRate);
		this.#startTicks = Math.round(start.startSeconds * config.sampleRate);
		this.#silentFrame = silentAacFrame(config);
	}

	get endSeconds(): number {
		return this.#expectedTicks / this.#sampleRate;
	}

	write(accessUnit: AccessUnit): WriteResult {
		const frameTicks = accessUnit.durationTicks ?? AAC_FRAME_SAMPLES;
		const sourceTicks = accessUnit.decodeTimeTicks;
		const aheadTicks = sourceTicks - this.#expectedTicks;
		if (aheadTicks > JUMP_AHEAD_SECONDS * this.#sampleRate) {
			return 'jumped';
		}
		if (!this.#hasStarted) {
			// Sound before the run's first picture is left out, so that both tracks begin together: hls.js 1.7.4 aligns
			// renditions by their discontinuities (alignDiscontinuities).
			if (aheadTicks < -frameTicks / 2) {
				return 'dropped';
			}
			this.#hasStarted = true;
			if (aheadTicks < 2 * frameTicks) {
				this.#policy.startAt(sourceTicks);
			}
		}
		// Behind by less than a jump: silence took its place while it was late, so it is dropped below.
		if (aheadTicks < -JUMP_AHEAD_SECONDS * this.#sampleRate) {
			return 'jumped';
		}
		const place = { expectedTicks: this.#expectedTicks, sourceTicks, frameTicks, sampleRate: this.#sampleRate };
		let plan = planAudioFrame(place);
		if (plan.kind === 'fill') {
			this.#fill(plan.frameCount, frameTicks);
			plan = planAudioFrame({ ...place, expectedTicks: this.#expectedTicks });
		}
		if (plan.kind !== 'keep') {
			return 'dropped';
		}
		this.#assembler.apply(this.#policy.addTimedSample(this.#expectedTicks, plan.durationTicks), {
			bytes: accessUnit.bytes,
			sourceTicks,
			presentation: { kind: 'relative' },
			isSync: true,
			captureTimeMs: accessUnit.captureTimeMs,
		});
		return 'written';
	}

	fillUntil(seconds: number): void {
		this.#hasStarted = true;
		const missingTicks = Math.round(seconds * this.#sampleRate) - this.#expectedTicks;
		this.#fill(Math.floor(missingTicks / AAC_FRAME_SAMPLES), AAC_FRAME_SAMPLES);
	}

	flush(): void {
		this.#assembler.flush(this.#policy.flush());
	}

	get #expectedTicks(): number {
		return this.#policy.endTicks ?? this.#startTicks;
	}

	#fill(frameCount: number, frameTicks: number): void {
		if (frameCount <= 0) {
			return;
		}
		const silentFrame = this.#silentFrame;
		if (silentFrame === undefined) {
			this.#policy.startAt(this.#startTicks);
			this.#assembler.apply(this.#policy.addGapUntil(this.#expectedTicks + frameCount * frameTicks));
			return;
		}
		for (let index = 0; index < frameCount; index++) {
			const sourceTicks = this.#expectedTicks;
			this.#assembler.apply(this.#policy.addTimedSample(sourceTicks, frameTicks), {
				bytes: silentFrame,
				sourceTicks,
				presentation: { kind: 'relative' },
				isSync: true,
				captureTimeMs: this.#assembler.captureTimeMsAt(sourceTicks),
			});
		}
	}
}

const AAC_LC_OBJECT_TYPE = 2;

// raw_data_block() (ISO/IEC 14496-3 §4.4.2.1) with one single_channel_element, or one channel_pair_element with a
// common window, whose max_sfb is 0. Without spectral data every sample is zero, at any sample rate.
const SILENT_MONO = Uint8Array.of(0x00, 0xc8, 0x00, 0x80, 0x23, 0x80);
const SILENT_STEREO = Uint8Array.of(0x21, 0x00, 0x49, 0x90, 0x02, 0x19, 0x00, 0x23, 0x80);

/** One silent frame for the configuration; undefined for anything but AAC-LC in mono or stereo. */
export function silentAacFrame(config: AudioTrackConfig): Uint8Array | undefined {
	const objectType = (config.audioSpecificConfig[0] ?? 0) >> 3;
	if (config.codec !== 'aac' || objectType !== AAC_LC_OBJECT_TYPE) {
		return undefined;
	}
	return config.channelCount === 1 ? SILENT_MONO : config.channelCount === 2 ? SILENT_STEREO : undefined;
}
