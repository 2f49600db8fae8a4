/**
 * The Producers of one broadcast that viewers consume, fed by our code: publishers come and go, the stage stays.
 *
 * It receives RTP payloads (WHIP) or whole access units (RTMP, encoders), and splices them at key frames. It writes
 * capture time into each packet and keeps the newest GOP for newcomers. No other code of ours runs for each packet.
 */
import type { Producer, Router, RtpCodecParameters, RtpParameters } from 'mediasoup/types';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { Logger } from '../../core/logger.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import { OPUS_CLOCK_RATE, VIDEO_CLOCK_RATE } from '../../core/units.ts';
import { H264_PARAMETERS, OPUS_PARAMETERS, type PayloadTypes } from '../rtp/media-codecs.ts';
import { ABS_CAPTURE_TIME_EXTENSION_ID, DEPENDENCY_DESCRIPTOR_EXTENSION_ID } from '../../core/wire/rtp/rtp-packet.ts';
import { StageLink } from './stage-link.ts';
import { StageStream } from './layer/stage-stream.ts';
import { AudioStageTrack } from './audio-stage-track.ts';
import { VIDEO_LAYER_COUNT, VideoStageTrack } from './video-stage-track.ts';

/** @internal for tests */
export type StageEvents = {
	/** Viewers want a key frame of the live picture. Limited to one a second. */
	keyFrameRequested: [];
	/** Its router or worker is gone, or it was closed. Once. */
	closed: [reason: StageEndReason];
};
export type StageEndReason = 'broadcast-ended' | 'worker-died' | 'server-shutdown';

/** Key-frame requests relayed to the publisher: with more of them a crowd of newcomers ruins the picture for all. */
const KEY_FRAME_REQUEST_INTERVAL_MS = 1000;
const ABS_CAPTURE_TIME = {
	uri: 'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time',
	id: ABS_CAPTURE_TIME_EXTENSION_ID,
} as const;
const DEPENDENCY_DESCRIPTOR = {
	uri: 'https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension',
	id: DEPENDENCY_DESCRIPTOR_EXTENSION_ID,
} as const;

type StageDependencies = {
	link: StageLink;
	videoProducer: Producer;
	audioProducer: Producer;
	clock: Clock;
	logger: Logger;
};

export class Stage extends TypedEmitter<StageEvents> {
	readonly link: StageLink;
	readonly videoProducer: Producer;
	readonly audioProducer: Producer;
	readonly video: VideoStageTrack;
	readonly audio: AudioStageTrack;
	/** All that viewers consume. */
	readonly producers: readonly Producer[];
	readonly #deps: StageDependencies;
	readonly #scope: CloseScope<StageEndReason>;
	#keyFrameRequestedAtMs = -Infinity;

	/** Opens the link and the Producers in the router. */
	static async create(
		deps: { router: Router; clock: Clock; logger: Logger },
		options: { payloadTypes: PayloadTypes; ports: { min: number; max: number }; cname: string },
	): Promise<Stage> {
		const { payloadTypes, ports, cname } = options;
		const link = await StageLink.create(deps, ports);
		try {
			const ssrcs = [...crypto.getRandomValues(new Uint32Array(1 + VIDEO_LAYER_COUNT))];
			const [audioSsrc, ...videoSsrcs] = ssrcs as [number, ...number[]];
			const videoProducer = await link.transport.produce({
				kind: 'video',
				rtpParameters: rtpParameters(videoCodec(payloadTypes.h264), videoSsrcs, cname),
			});
			const audioProducer = await link.transport.produce({
				kind: 'audio',
				rtpParameters: rtpParameters(audioCodec(payloadTypes.opus), [audioSsrc], cname),
			});
			const names = { payloadTypes, cname, videoSsrcs, audioSsrc };
			const stage = new Stage({ ...deps, link, videoProducer, audioProducer }, names);
			stage.video.prime();
			return stage;
		} catch (error) {
			await link.close();
			throw error;
		}
	}

	private constructor(
		deps: StageDependencies,
		names: { payloadTypes: PayloadTypes; cname: string; videoSsrcs: readonly number[]; audioSsrc: number },
	) {
		super(deps.logger);
		const { link, clock, videoProducer, audioProducer } = deps;
		const { payloadTypes, cname, videoSsrcs, audioSsrc } = names;
		this.#deps = deps;
		this.link = link;
		this.videoProducer = videoProducer;
		this.audioProducer = audioProducer;
		this.producers = [videoProducer, audioProducer];
		this.#scope = new CloseScope(deps.logger);
		const streamDeps = { clock, send: (packet: Buffer): void => link.send(packet) };
		const videoStream = (ssrc: number): StageStream =>
			new StageStream(streamDeps, { ssrc, payloadType: payloadTypes.h264, clockRate: VIDEO_CLOCK_RATE, cname });
		this.video = new VideoStageTrack({ clock, logger: deps.logger, streams: videoSsrcs.map(videoStream) });
		const audio = { ssrc: audioSsrc, payloadType: payloadTypes.opus, clockRate: OPUS_CLOCK_RATE, cname };
		this.audio = new AudioStageTrack(new StageStream(streamDeps, audio));
		const stopListening = link.on('keyFrameRequested', (ssrc) => this.#onKeyFrameRequested(ssrc));
		link.on('closed', () => void this.#scope.close('worker-died'), { once: true });
		this.#scope.onClose(async (reason) => {
			stopListening();
			await this.video.close();
			await link.close();
			this.emit('closed', reason);
		});
	}

	get liveSpatialLayer(): number {
		return this.video.liveSpatialLayer;
	}

	get closed(): boolean {
		return this.#scope.closed;
	}

	/** Viewers' Consumers close with its Producers. */
	close(reason: StageEndReason): Promise<void> {
		return this.#scope.close(reason);
	}

	#onKeyFrameRequested(ssrc: number): void {
		// Newcomers' requests on a join layer are answered by the burst that is on its way to them.
		if (ssrc !== this.video.liveSsrc) {
			return;
		}
		const nowMs = this.#deps.clock.monotonicMs();
		if (nowMs - this.#keyFrameRequestedAtMs >= KEY_FRAME_REQUEST_INTERVAL_MS) {
			this.#keyFrameRequestedAtMs = nowMs;
			this.emit('keyFrameRequested');
		}
	}
}

function videoCodec(payloadType: number): RtpCodecParameters {
	return {
		mimeType: 'video/H264',
		payloadType,
		clockRate: VIDEO_CLOCK_RATE,
		parameters: { ...H264_PARAMETERS },
		rtcpFeedback: [
			{ type: 'nack', parameter: 'pli' },
			{ type: 'ccm', parameter: 'fir' },
		],
	};
}

function audioCodec(payloadType: number): RtpCodecParameters {
	return {
		mimeType: 'audio/opus',
		payloadType,
		clockRate: OPUS_CLOCK_RATE,
		channels: 2,
		parameters: { ...OPUS_PARAMETERS },
		rtcpFeedback: [],
	};
}

function rtpParameters(codec: RtpCodecParameters, ssrcs: readonly number[], cname: string): RtpParameters {
	return {
		codecs: [codec],
		headerExtensions: codec.mimeType.startsWith('video')
			? [ABS_CAPTURE_TIME, DEPENDENCY_DESCRIPTOR]
			: [ABS_CAPTURE_TIME],
		// With dtx mediasoup does not treat silence as the end. A join layer is silent most of the time, and the live layer
		// is while a publisher is away.
		encodings: ssrcs.map((ssrc) => ({ ssrc, dtx: true })),
		rtcp: { cname, reducedSize: true },
	};
}
