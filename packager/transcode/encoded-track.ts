/** What FFmpeg wrote → our track configuration and access units. Knows nothing of processes. */
import { SpillwayError } from '../../core/errors/errors.ts';
import type { AccessUnit, TrackId } from '../../core/media/access-unit.ts';
import { isIdenticalConfig, type TrackConfig } from '../../core/media/codecs.ts';
import { NAL_TYPE, joinLengthPrefixed, nalType, splitAnnexB } from '../../core/media/h264.ts';
import { AAC_FRAME_SAMPLES, ticksToMs, VIDEO_CLOCK_RATE } from '../../core/units.ts';
import type { CaptureTimes } from './capture-times.ts';
import type { NutStream } from '../../core/wire/nut/nut-headers.ts';
import type { NutFrame } from '../../core/wire/nut/nut-reader.ts';

/**
 * Seconds added to every time on the way in and removed on the way out. NUT has no negative times, and an encoder's
 * priming begins before its input: without this a track that starts at 0 moves.
 */
export const TIMELINE_OFFSET_SECONDS = 10;

/** What all processes that encode a track have in common. */
export type EncodedTrackOptions = {
	codec: 'h264' | 'aac' | 'opus';
	trackId: TrackId;
	run: number;
	/** Opus only. */
	frameDurationMs: number;
	captureTimes: CaptureTimes;
};

/**
 * The configuration in FFmpeg's stream header, or with the parameter sets in `annexB`, which encoders of graphics cards
 * may have only there. @internal for tests
 * @throws SpillwayError TRANSCODER_FAILED if it is unexpected.
 */
export function encodedTrackConfig(
	stream: NutStream,
	codec: EncodedTrackOptions['codec'],
	annexB = stream.codecSpecificData,
): TrackConfig {
	if (codec === 'h264') {
		requireThat(stream.kind === 'video' && isWholeTicks(stream, VIDEO_CLOCK_RATE), 'its clock is not 90 kHz');
		const nals = splitAnnexB(annexB).map((nal) => new Uint8Array(nal));
		const sps = nals.filter((nal) => nalType(nal) === NAL_TYPE.SPS);
		const pps = nals.filter((nal) => nalType(nal) === NAL_TYPE.PPS);
		requireThat(sps.length > 0 && pps.length > 0, 'no H.264 parameter sets came out');
		return { kind: 'video', codec, widthPixels: stream.widthPixels, heightPixels: stream.heightPixels, sps, pps };
	}
	const { sampleRate, channelCount } = stream;
	requireThat(
		stream.kind === 'audio' && sampleRate > 0 && isWholeTicks(stream, sampleRate),
		'its clock is not the sample rate',
	);
	const audioSpecificConfig = codec === 'aac' ? stream.codecSpecificData : new Uint8Array(0);
	requireThat(codec === 'opus' || audioSpecificConfig.length >= 2, 'no AudioSpecificConfig came out');
	return { kind: 'audio', codec, sampleRate, channelCount, audioSpecificConfig };
}

/** One output: its configuration, and access units with strictly increasing decode times, also across processes. */
export class EncodedTrack {
	readonly #options: EncodedTrackOptions;
	#config: TrackConfig | undefined;
	/** The stream header, when the parameter sets are in the first frame. */
	#awaitsSets: NutStream | undefined;
	#lastTimeTicks = -Infinity;
	#newestMs: number | undefined;

	constructor(options: EncodedTrackOptions) {
		this.#options = options;
	}

	get trackId(): TrackId {
		return this.#options.trackId;
	}

	/** Presentation time of the newest unit; undefined before the first. */
	get newestMs(): number | undefined {
		return this.#newestMs;
	}

	/**
	 * Takes the stream header of a process. Returns its configuration, or undefined where it is the one before, or is in
	 * the first frame.
	 * @throws SpillwayError TRANSCODER_FAILED if it is unexpected.
	 */
	onStream(stream: NutStream): TrackConfig | undefined {
		const isInFirstFrame = this.#options.codec === 'h264' && stream.codecSpecificData.length === 0;
		this.#awaitsSets = isInFirstFrame ? stream : undefined;
		return isInFirstFrame ? undefined : this.#configure(encodedTrackConfig(stream, this.#options.codec));
	}

	/**
	 * The frame's unit, after a configuration where that is new. No unit is in a frame that must not leave: with an old
	 * or negative time, or empty.
	 * @throws SpillwayError TRANSCODER_FAILED if the first frame of a process has no configuration and needs one.
	 */
	onFrame(frame: NutFrame): { config: TrackConfig | undefined; unit: AccessUnit | undefined } {
		const stream = this.#awaitsSets;
		this.#awaitsSets = undefined;
		const config = stream && this.#configure(encodedTrackConfig(stream, this.#options.codec, frame.bytes));
		return { config, unit: this.#toAccessUnit(frame) };
	}

	#configure(config: TrackConfig): TrackConfig | undefined {
		const isNew = this.#config === undefined || !isIdenticalConfig(this.#config, config);
		this.#config = config;
		return isNew ? config : undefined;
	}

	#toAccessUnit(frame: NutFrame): AccessUnit | undefined {
		const { codec, trackId, run, captureTimes } = this.#options;
		if (this.#config === undefined) {
			return undefined;
		}
		const { kind } = this.#config;
		const clockRate = this.#config.kind === 'video' ? VIDEO_CLOCK_RATE : this.#config.sampleRate;
		const timeTicks = frame.timeTicks - TIMELINE_OFFSET_SECONDS * clockRate;
		const captureTimeMs = captureTimes.at(timeTicks, clockRate);
		const content = codec === 'h264' ? h264Content(frame.bytes) : { bytes: frame.bytes, isKeyFrame: true };
		if (
			timeTicks < 0 ||
			timeTicks <= this.#lastTimeTicks ||
			captureTimeMs === undefined ||
			content.bytes.length === 0
		) {
			return undefined;
		}
		this.#lastTimeTicks = timeTicks;
		this.#newestMs = ticksToMs(timeTicks, clockRate);
		// Without B-frames a picture is decoded when it is shown.
		const times = { clockRate, decodeTimeTicks: timeTicks, presentationTimeTicks: timeTicks, captureTimeMs };
		return { trackId, kind, codec, run, ...times, ...this.#duration(clockRate), ...content };
	}

	#duration(clockRate: number): { durationTicks?: number } {
		const { codec, frameDurationMs } = this.#options;
		if (codec === 'h264') {
			return {};
		}
		return { durationTicks: codec === 'aac' ? AAC_FRAME_SAMPLES : (frameDurationMs * clockRate) / 1000 };
	}
}

function h264Content(annexB: Uint8Array): { bytes: Uint8Array; isKeyFrame: boolean } {
	let isKeyFrame = false;
	const nals = splitAnnexB(annexB).filter((nal) => {
		const type = nalType(nal);
		isKeyFrame ||= type === NAL_TYPE.IDR;
		return type !== NAL_TYPE.SPS && type !== NAL_TYPE.PPS && type !== NAL_TYPE.AUD;
	});
	return { bytes: joinLengthPrefixed(nals), isKeyFrame };
}

function isWholeTicks(stream: NutStream, clockRate: number): boolean {
	return stream.timeBase.numerator === 1 && stream.timeBase.denominator === clockRate;
}

function requireThat(condition: boolean, what: string): void {
	if (!condition) {
		throw new SpillwayError('TRANSCODER_FAILED', ['its output is not what was asked for', what]);
	}
}
