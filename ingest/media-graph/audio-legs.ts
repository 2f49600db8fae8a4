/** The sound's legs: access units of a contribution → stage and packager, directly or through encoders. */
import { browserObstacle } from '../../core/media/aac-config.ts';
import type { AccessUnit, Track } from '../../core/media/access-unit.ts';
import type { AudioTrackConfig } from '../../core/media/codecs.ts';
import type { AudioTranscodeOptions } from '../../core/media/transcoder.ts';
import { OPUS_CLOCK_RATE, ticksToMs } from '../../core/units.ts';
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
	readonly #track: Track;
	readonly #opusPacer: FramePacer;
	readonly #toOpus: EncoderNode<'audio'>;
	readonly #toAac: EncoderNode<'audio'>;

	/** `track`: that of the packager's sound. */
	constructor(deps: LegDependencies, track: Track) {
		this.#deps = deps;
		this.#track = track;
		this.#opusPacer = new FramePacer(deps);
		this.#toOpus = new EncoderNode({
			onUnit: (opus) =>
				this.#opusPacer.push(ticksToMs(opus.presentationTimeTicks, OPUS_CLOCK_RATE), () => this.#writeOpus(opus)),
		});
		this.#toAac = new EncoderNode({
			onConfigured: (config) => deps.runs.configure(track.id, config),
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
			this.#encode(this.#toOpus, config, OPUS_OUTPUT).write(unit);
		}
	}

	/** A run begins, now or soon. */
	beginRun(config: AudioTrackConfig): void {
		if (isAacForBrowsers(config)) {
			this.#deps.runs.configure(this.#track.id, config);
			return;
		}
		if (this.#toAac.config !== undefined) {
			this.#deps.runs.configure(this.#track.id, this.#toAac.config);
		}
		this.#encode(this.#toAac, config, AAC_OUTPUT);
	}

	/** AAC → packager; Opus, or AAC that browsers do not play, → AAC → packager. */
	feedPackager(unit: AccessUnit, config: AudioTrackConfig): void {
		if (isAacForBrowsers(config)) {
			this.#deps.runs.write(unit);
		} else {
			this.#encode(this.#toAac, config, AAC_OUTPUT).write(unit);
		}
	}

	/** A new run is coming after a break of the timeline. */
	restart(): void {
		this.#toOpus.restart();
		this.#toAac.restart();
		this.#opusPacer.reset();
	}

	async close(): Promise<void> {
		this.#opusPacer.reset();
		await Promise.all([this.#toOpus.close(), this.#toAac.close()]);
	}

	#writeOpus(unit: AccessUnit): void {
		this.#deps.outputs.stage()?.audio.writeFrame({
			bytes: unit.bytes,
			timelineTicks: unit.presentationTimeTicks,
			captureTimeMs: unit.captureTimeMs,
		});
		this.#deps.onMedia();
	}

	#encode(
		encoder: EncoderNode<'audio'>,
		input: AudioTrackConfig,
		output: AudioTranscodeOptions['output'],
	): EncoderNode<'audio'> {
		const { transcoders, logger } = this.#deps;
		encoder.begin(() => transcoders.createAudio({ input, output, trackId: this.#track.id, run: 0, logger }));
		return encoder;
	}
}

function isAacForBrowsers({ codec, audioSpecificConfig }: AudioTrackConfig): boolean {
	return codec === 'aac' && browserObstacle(audioSpecificConfig) === undefined;
}
