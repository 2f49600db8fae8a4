/** A publisher for tests: an encoder that sends pictures and sound in real time on a fake clock. */
import type { TrackKind } from '../../core/media/access-unit.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import type { PublisherId } from '../../core/ids.ts';
import type { TrackConfig, VideoTrackConfig } from '../../core/media/codecs.ts';
import type { FakeClock } from '../../core/testing/fake-clock.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import type {
	Publisher,
	PublisherEndReason,
	PublisherEvents,
	PublishProtocol,
	TrackProblem,
} from '../publisher/publisher.ts';
import { AAC_CONFIG, H264_CONFIG } from './track-configs.ts';

export type FakeEncoderSettings = {
	protocol: PublishProtocol;
	video: TrackConfig | undefined;
	audio: TrackConfig | undefined;
	/** Pictures from key frame to key frame. */
	gopPictures: number;
	/** Milliseconds from picture to picture, a multiple of 20. */
	pictureMs: number;
	/** Announced tracks, by WHIP; undefined: the tracks that it has. */
	announced: readonly TrackKind[] | undefined;
	/** The stated time of media captured at `timeMs`. */
	stateTime: (kind: TrackKind, timeMs: number) => number;
	/** Composition offset of all pictures but key frames; above 0 the stream has B-frames. */
	compositionMs: number;
	/** The publisher's own clock at its first unit, milliseconds. */
	firstTimeMs: number;
	/** Pictures at the beginning of the first GOP that are not sent. */
	skippedPictures: number;
	/** WHIP only: simulcast layers below the picture, by their place in the offer. */
	layers: ReadonlyMap<number, VideoTrackConfig>;
	/** Pictures by which the layers' key frames are later than the picture's. */
	layerKeyFramesLater: number;
	answersKeyFrameRequests: boolean;
};

/** Length of a sound frame of either codec here; real AAC frames have no whole number of milliseconds. */
const SOUND_MS = 20;
const SLICE_BYTES = [0, 0, 0, 2, 0x41, 1];
const IDR_BYTES = [0, 0, 0, 2, 0x65, 1];

let publisherCount = 0;

/** Sends by its settings while `run` moves the clock. */
export class FakePublisher extends TypedEmitter<PublisherEvents> implements Publisher {
	readonly id: PublisherId;
	readonly remoteAddress = '192.0.2.1';
	readonly encoderName = 'fake';
	problems: readonly TrackProblem[] = [];
	readonly settings: FakeEncoderSettings;
	keyFrameRequestCount = 0;
	endReason: PublisherEndReason | undefined;
	readonly #clock: FakeClock;
	readonly #scope = new CloseScope<PublisherEndReason>();
	#elapsedMs = 0;
	#pictureCount = 0;
	#pictureOfGop = 0;
	#videoSequence = 60_000;
	#audioSequence = 100;

	constructor(clock: FakeClock, settings: Partial<FakeEncoderSettings> = {}) {
		super();
		this.id = `publisher-${++publisherCount}` as PublisherId;
		this.#clock = clock;
		this.settings = {
			protocol: 'rtmp',
			video: H264_CONFIG,
			audio: AAC_CONFIG,
			gopPictures: 25,
			pictureMs: 40,
			announced: undefined,
			stateTime: (_kind, timeMs) => timeMs,
			compositionMs: 0,
			firstTimeMs: 0,
			skippedPictures: 0,
			layers: new Map(),
			layerKeyFramesLater: 0,
			answersKeyFrameRequests: false,
			...settings,
		};
		this.#scope.onClose((reason) => {
			this.endReason = reason;
			this.emit('closed', reason);
		});
	}

	get protocol(): PublishProtocol {
		return this.settings.protocol;
	}

	get hasCommonTimeline(): boolean {
		return this.settings.protocol === 'rtmp';
	}

	get announcedKinds(): readonly TrackKind[] | undefined {
		const { protocol, video, audio, announced } = this.settings;
		return protocol === 'rtmp'
			? undefined
			: (announced ?? [
					...(audio === undefined ? [] : (['audio'] as const)),
					...(video === undefined ? [] : (['video'] as const)),
				]);
	}

	/** Emits the configurations of its tracks. */
	configure(): void {
		for (const config of [this.settings.video, this.settings.audio]) {
			if (config !== undefined) {
				this.emit('trackConfigured', config);
			}
		}
		this.settings.layers.forEach((config, layer) => this.emit('layerConfigured', layer, config));
	}

	/** Changes a track's configuration; what follows begins with a key frame. */
	reconfigure(config: TrackConfig): void {
		this.settings[config.kind] = config;
		this.#pictureOfGop = 0;
		this.emit('trackConfigured', config);
	}

	/** Emits the configuration of a track that it does not send. */
	announce(config: TrackConfig): void {
		this.emit('trackConfigured', config);
	}

	/** Changes a layer's configuration. */
	emitLayerConfig(layer: number, config: VideoTrackConfig): void {
		this.emit('layerConfigured', layer, config);
	}

	/** Moves the publisher's clock by this much, as after a restart of the source. */
	jump(byMs: number): void {
		this.settings.firstTimeMs += byMs;
		this.#pictureOfGop = 0;
	}

	async run(durationMs: number): Promise<void> {
		for (let passedMs = 0; passedMs < durationMs && !this.#scope.closed; passedMs += SOUND_MS) {
			const timeMs = this.settings.firstTimeMs + this.#elapsedMs;
			if (this.settings.audio !== undefined) {
				this.#sendSound(this.settings.stateTime('audio', timeMs));
			}
			if (this.settings.video !== undefined && this.#elapsedMs % this.settings.pictureMs === 0) {
				this.#sendPicture(this.settings.stateTime('video', timeMs));
			}
			this.#elapsedMs += SOUND_MS;
			await this.#clock.advance(SOUND_MS);
		}
	}

	requestKeyFrame(): boolean {
		this.keyFrameRequestCount++;
		if (this.settings.answersKeyFrameRequests) {
			this.#pictureOfGop = 0;
		}
		return this.settings.protocol === 'whip';
	}

	close(reason: PublisherEndReason): Promise<void> {
		return this.#scope.close(reason);
	}

	#sendPicture(timeMs: number): void {
		const isKeyFrame = this.#pictureOfGop === 0;
		const isLayerKeyFrame = this.#pictureOfGop === this.settings.layerKeyFramesLater;
		this.#pictureOfGop = (this.#pictureOfGop + 1) % this.settings.gopPictures;
		if (this.#pictureCount++ < this.settings.skippedPictures) {
			return;
		}
		const isRtp = this.settings.protocol === 'whip';
		const rtpTicks = isRtp ? timeMs * 90 : undefined;
		if (isRtp && this.settings.video?.codec === 'h264') {
			const payloads = isKeyFrame ? [Uint8Array.of(0x67, 1), Uint8Array.of(0x65, 1)] : [Uint8Array.of(0x41, 1)];
			payloads.forEach((payload, index) =>
				this.emit('rtpPacket', {
					kind: 'video',
					payload,
					hasMarker: index === payloads.length - 1,
					sequenceNumber: this.#videoSequence++ % 65_536,
					rtpTicks: timeMs * 90,
					arrivedAtMs: this.#clock.monotonicMs(),
				}),
			);
		}
		this.emit('unit', {
			kind: 'video',
			decodeTimeMs: timeMs,
			presentationTimeMs: timeMs + (isKeyFrame ? 0 : this.settings.compositionMs),
			rtpTicks,
			isKeyFrame,
			bytes: Uint8Array.from(isKeyFrame ? IDR_BYTES : SLICE_BYTES),
			arrivedAtMs: this.#clock.monotonicMs(),
		});
		for (const layer of this.settings.layers.keys()) {
			this.emit('layerUnit', layer, {
				kind: 'video',
				decodeTimeMs: timeMs,
				presentationTimeMs: timeMs,
				rtpTicks: timeMs * 90,
				isKeyFrame: isLayerKeyFrame,
				bytes: Uint8Array.from(isLayerKeyFrame ? IDR_BYTES : SLICE_BYTES),
				arrivedAtMs: this.#clock.monotonicMs(),
			});
		}
	}

	#sendSound(timeMs: number): void {
		const isRtp = this.settings.protocol === 'whip';
		const arrivedAtMs = this.#clock.monotonicMs();
		// A 20 ms frame of Opus by its first byte; for AAC any bytes do.
		const bytes = Uint8Array.of(0xfc, 1);
		if (isRtp) {
			this.emit('rtpPacket', {
				kind: 'audio',
				payload: bytes,
				hasMarker: false,
				sequenceNumber: this.#audioSequence++ % 65_536,
				rtpTicks: timeMs * 48,
				arrivedAtMs,
			});
		}
		this.emit('unit', {
			kind: 'audio',
			decodeTimeMs: timeMs,
			presentationTimeMs: timeMs,
			rtpTicks: isRtp ? timeMs * 48 : undefined,
			isKeyFrame: true,
			bytes,
			arrivedAtMs,
		});
	}
}
