/** The sound's legs: access units of a contribution → stage and packager, directly or through encoders. */
import { browserObstacle } from '../../core/media/aac-config.ts';
import type { AccessUnit, Track } from '../../core/media/access-unit.ts';
import type { AudioTrackConfig } from '../../core/media/codecs.ts';
import type { AudioTranscodeOptions } from '../../core/media/transcoder.ts';
import { OPUS_CLOCK_RATE, ticksToMs } from '../../core/units.ts';
import { LOW_SOUND, LOW_SOUND_TRACK, SOURCE_TRACKS, originOf, type MediaPlan } from '../media-plan/media-planner.ts';
import { FramePacer } from '../timing/frame-pacer.ts';
import { EncoderNode } from './encoder-node.ts';
import type { LegDependencies, LegEncoderState } from './outputs.ts';

/** At this rate AAC-LC and Opus are hard to distinguish from their source. */
const STEREO = { bitrateBps: 160_000, sampleRate: 48_000, channelCount: 2 } as const;
/** Frames of 20 ms save 50 packets a second for each viewer, and arrive there 30 ms later (docs/decisions.md). */
const OPUS_OUTPUT = { ...STEREO, codec: 'opus', frameDurationMs: 10 } as const;
const AAC_OUTPUT = { ...STEREO, codec: 'aac' } as const;

export class AudioLegs {
	readonly #deps: LegDependencies;
	readonly #opusPacer: FramePacer;
	readonly #toOpus: EncoderNode;
	readonly #toAac: EncoderNode;
	readonly #toLowAac: EncoderNode;

	constructor(deps: LegDependencies) {
		this.#deps = deps;
		this.#opusPacer = new FramePacer(deps);
		this.#toOpus = new EncoderNode({
			onUnit: (opus) =>
				this.#opusPacer.push(ticksToMs(opus.presentationTimeTicks, OPUS_CLOCK_RATE), () => this.#writeOpus(opus)),
		});
		this.#toAac = new EncoderNode({
			onConfigured: (config) => deps.runs.configure(SOURCE_TRACKS.audio, config),
			onUnit: (aac) => deps.runs.write(aac),
		});
		this.#toLowAac = new EncoderNode({
			onConfigured: (config) => deps.runs.configure(LOW_SOUND_TRACK, config),
			onUnit: (aac) => deps.runs.write(aac),
		});
	}

	/** The tiers for which sound is transcoded, and the states of the encoders. */
	get encoderStates(): readonly LegEncoderState[] {
		const encoders = [
			{ tier: 'webrtc', state: this.#toOpus.state },
			{ tier: 'll-hls', state: this.#toAac.state },
		] as const;
		return encoders.flatMap(({ tier, state }) => (state === undefined ? [] : [{ track: 'audio', tier, state }]));
	}

	/** AAC → Opus → stage. A WHIP publisher's Opus goes there as RTP. */
	feedStage(unit: AccessUnit, config: AudioTrackConfig): void {
		if (config.codec === 'aac') {
			this.#encode(this.#toOpus, SOURCE_TRACKS.audio, config, OPUS_OUTPUT).write(unit);
		}
	}

	/** A run begins, now or soon; or the ladder has changed, and with it the need for low sound. */
	beginRun(plan: MediaPlan, config: AudioTrackConfig): void {
		if (isAacForBrowsers(config)) {
			this.#deps.runs.configure(SOURCE_TRACKS.audio, config);
		} else {
			this.#configureRun(this.#encode(this.#toAac, SOURCE_TRACKS.audio, config, AAC_OUTPUT), SOURCE_TRACKS.audio);
		}
		if (hasLowSound(plan)) {
			this.#configureRun(this.#encodeLow(config), LOW_SOUND_TRACK);
		}
	}

	/**
	 * AAC → packager; Opus, or AAC that browsers do not play, → AAC → packager. The same sound at fewer bits beside it.
	 */
	feedPackager(unit: AccessUnit, plan: MediaPlan, config: AudioTrackConfig): void {
		if (isAacForBrowsers(config)) {
			this.#deps.runs.write(unit);
		} else {
			this.#encode(this.#toAac, SOURCE_TRACKS.audio, config, AAC_OUTPUT).write(unit);
		}
		if (hasLowSound(plan)) {
			this.#encodeLow(config).write(unit);
		}
	}

	/** A new run is coming after a break of the timeline. */
	restart(): void {
		this.#toOpus.restart();
		this.#toAac.restart();
		this.#toLowAac.restart();
		this.#opusPacer.reset();
	}

	async close(): Promise<void> {
		this.#opusPacer.reset();
		await Promise.all([this.#toOpus.close(), this.#toAac.close(), this.#toLowAac.close()]);
	}

	#writeOpus(unit: AccessUnit): void {
		this.#deps.outputs.stage()?.audio.writeFrame({
			bytes: unit.bytes,
			timelineTicks: unit.presentationTimeTicks,
			captureTimeMs: unit.captureTimeMs,
		});
		this.#deps.onMedia();
	}

	// The rate of the other sound, so that the frames of both, and with them their parts, last equally long.
	#encodeLow(input: AudioTrackConfig): EncoderNode {
		const sampleRate = isAacForBrowsers(input) ? input.sampleRate : AAC_OUTPUT.sampleRate;
		const output = { ...AAC_OUTPUT, sampleRate, bitrateBps: LOW_SOUND.bitrateBps };
		return this.#encode(this.#toLowAac, LOW_SOUND_TRACK, input, output);
	}

	#encode(
		encoder: EncoderNode,
		track: Track,
		input: AudioTrackConfig,
		output: AudioTranscodeOptions['output'],
	): EncoderNode {
		const { transcoders, logger } = this.#deps;
		encoder.begin(() => transcoders.createAudio({ input, output, trackId: track.id, run: 0, logger }));
		return encoder;
	}

	/** An encoder that runs already. A new one reports its configuration later. */
	#configureRun(encoder: EncoderNode, track: Track): void {
		const config = encoder.config(track.id);
		if (config !== undefined) {
			this.#deps.runs.configure(track, config);
		}
	}
}

function hasLowSound(plan: MediaPlan): boolean {
	return originOf(plan, LOW_SOUND_TRACK.id, 'packager') !== undefined;
}

function isAacForBrowsers({ codec, audioSpecificConfig }: AudioTrackConfig): boolean {
	return codec === 'aac' && browserObstacle(audioSpecificConfig) === undefined;
}
