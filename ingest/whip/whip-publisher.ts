/** A WHIP publisher's packets → the configurations and units of a {@link Publisher}. */
import type { TrackKind } from '../../core/media/access-unit.ts';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import type { PublisherId } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import type { VideoTrackConfig } from '../../core/media/codecs.ts';
import { PacedCall } from '../../core/limits/paced-call.ts';
import { RateLimitedReport } from '../../core/limits/rate-limited-report.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import { OPUS_CLOCK_RATE, ticksToMs, unwrap, VIDEO_CLOCK_RATE } from '../../core/units.ts';
import type { PublisherTransport } from '../../sfu/publisher/publisher-transport.ts';
import { H264Depacketizer, type PictureAssembler } from '../../sfu/rtp/h264-depacketizer.ts';
import { ReorderBuffer } from '../../sfu/rtp/reorder-buffer.ts';
import type { RtpHeader } from '../../core/wire/rtp/rtp-packet.ts';
import { readVp8KeyFrame, Vp8Depacketizer } from '../../sfu/rtp/vp8-depacketizer.ts';
import { PictureWatch } from '../publisher/picture-watch.ts';
import {
	rtpClockRate,
	type Publisher,
	type PublisherEndReason,
	type PublisherEvents,
	type PublisherRtpPacket,
	type TrackProblem,
} from '../publisher/publisher.ts';
import { H264Receiver, type PictureTimes } from './h264-receiver.ts';
import { LayerReceiver } from './layer-receiver.ts';

/** OBS closes its connection first and then sends DELETE: a DELETE within this time makes it a clean stop. */
const DELETE_AFTER_CLOSE_MS = 2000;
/** Shortest time between two requests for a key frame. */
const KEY_FRAME_REQUEST_INTERVAL_MS = 1000;
/** Packets kept until release(), which takes some milliseconds: a second of 8 Mbit/s. */
const MAX_EARLY_PACKETS = 1000;

/** `layer`: of a simulcast layer below the picture. */
type EarlyPacket = { packet: PublisherRtpPacket; layer: number | undefined };

/** @internal for tests */
export type WhipTransport = Pick<PublisherTransport, 'tracks' | 'on' | 'requestKeyFrame' | 'close'>;

/**
 * Emits nothing before {@link WhipPublisher.release}: packets may overtake the transport's `connected` event, and then
 * no listener gets the configurations and the first key frame.
 */
export class WhipPublisher extends TypedEmitter<PublisherEvents> implements Publisher {
	readonly id: PublisherId;
	readonly protocol = 'whip';
	readonly remoteAddress: string;
	readonly encoderName: string | undefined;
	readonly announcedKinds: readonly TrackKind[];
	readonly hasCommonTimeline = false;
	readonly #deps: { clock: Clock; logger: Logger; transport: WhipTransport };
	readonly #scope: CloseScope<PublisherEndReason>;
	readonly #videoCodec: 'h264' | 'vp8' | undefined;
	readonly #depacketizer: PictureAssembler;
	readonly #h264: H264Receiver;
	readonly #pictureWatch: PictureWatch;
	readonly #videoOrder: ReorderBuffer<PublisherRtpPacket>;
	readonly #audioOrder: ReorderBuffer<PublisherRtpPacket>;
	readonly #lossReport: RateLimitedReport;
	readonly #keyFrames: PacedCall;
	readonly #rtpReference = new Map<TrackKind, number>();
	readonly #layers = new Map<number, LayerReceiver>();
	#early: EarlyPacket[] | undefined = [];
	#vp8Config: VideoTrackConfig | undefined;
	#isWaitingForVp8KeyFrame = true;
	#isAudioConfigured = false;
	/** The newest packet of the incomplete picture. */
	#newest: PublisherRtpPacket | undefined;
	#decodeTimeMs = -Infinity;

	constructor(
		deps: { clock: Clock; logger: Logger; transport: WhipTransport },
		identity: { id: PublisherId; remoteAddress: string; encoderName: string | undefined },
	) {
		const { clock, logger, transport } = deps;
		super(logger);
		this.#deps = deps;
		this.id = identity.id;
		this.remoteAddress = identity.remoteAddress;
		this.encoderName = identity.encoderName;
		this.announcedKinds = transport.tracks.map((track) => track.kind);
		this.#scope = new CloseScope(logger);
		this.#lossReport = new RateLimitedReport(clock, logger, 'packets of the publisher were lost');
		this.#keyFrames = new PacedCall(deps, {
			intervalMs: KEY_FRAME_REQUEST_INTERVAL_MS,
			call: () => transport.requestKeyFrame(),
		});
		const videoTrack = transport.tracks.find((track) => track.kind === 'video');
		this.#videoCodec = videoTrack?.codec === 'vp8' ? 'vp8' : videoTrack === undefined ? undefined : 'h264';
		this.#depacketizer = this.#videoCodec === 'vp8' ? new Vp8Depacketizer() : new H264Depacketizer();
		this.#pictureWatch = new PictureWatch(deps);
		this.#h264 = new H264Receiver({
			clock,
			sink: {
				configure: (config) => this.emit('trackConfigured', config),
				rtpPacket: (packet) => this.emit('rtpPacket', packet),
				picture: (picture, times) => this.#emitPicture(picture, times),
				problem: (problem) => this.#pictureWatch.leftOut(problem),
			},
		});
		this.#videoOrder = new ReorderBuffer({
			clock,
			release: (packet, isAfterLoss) => this.#onOrderedVideo(packet, isAfterLoss),
		});
		this.#audioOrder = new ReorderBuffer({ clock, release: (packet) => this.#onOrderedAudio(packet) });
		const { signal } = this.#scope;
		transport.on('packet', (kind, packet, header) => this.#onPacket(kind, packet, header), { signal });
		transport.on('layerPacket', (layer, packet, header) => this.#onPacket('video', packet, header, layer), { signal });
		transport.on('senderReport', (kind, ntpMs, ticks) => this.#onSenderReport(kind, ntpMs, ticks), { signal });
		transport.on('closed', (reason) => this.#onTransportClosed(reason));
		this.#scope.onClose(async (reason) => {
			this.#videoOrder.close();
			this.#audioOrder.close();
			this.#h264.close();
			this.#layers.forEach((receiver) => receiver.close());
			this.#keyFrames.cancel();
			await transport.close(
				reason === 'unpublished' || reason === 'replaced' || reason === 'server-shutdown' ? reason : 'ice-failed',
			);
			this.emit('closed', reason);
		});
	}

	get closed(): boolean {
		return this.#scope.closed;
	}

	get problems(): readonly TrackProblem[] {
		return this.#pictureWatch.problems;
	}

	/** The listeners are attached: processes the early packets, and later ones as they arrive. */
	release(): void {
		const early = this.#early ?? [];
		this.#early = undefined;
		const video = this.#deps.transport.tracks.find(({ codec }) => codec === 'h264');
		this.#h264.addOfferedParameterSets(video?.spropParameterSets ?? '');
		for (const { packet, layer } of early) {
			this.#receive(packet, layer);
		}
	}

	requestKeyFrame(): boolean {
		this.#keyFrames.request();
		return true;
	}

	close(reason: PublisherEndReason): Promise<void> {
		return this.#scope.close(reason);
	}

	#onTransportClosed(reason: string): void {
		if (reason === 'worker-died') {
			void this.close('worker-died');
		} else if (reason === 'unpublished') {
			this.#scope.after(this.#deps.clock, DELETE_AFTER_CLOSE_MS, () => void this.close('connection-lost'));
		} else {
			void this.close('connection-lost');
		}
	}

	#onPacket(kind: TrackKind, packet: Buffer, header: RtpHeader, layer?: number): void {
		const reference = this.#rtpReference.get(kind);
		const rtpTicks = reference === undefined ? header.timestampTicks : unwrap(header.timestampTicks, reference, 32);
		this.#rtpReference.set(kind, Math.max(reference ?? rtpTicks, rtpTicks));
		const entry: PublisherRtpPacket = {
			kind,
			payload: packet.subarray(header.payloadStart, header.payloadEnd),
			hasMarker: header.hasMarker,
			sequenceNumber: header.sequenceNumber,
			rtpTicks,
			arrivedAtMs: this.#deps.clock.monotonicMs(),
		};
		if (this.#early === undefined) {
			this.#receive(entry, layer);
		} else if (this.#early.length < MAX_EARLY_PACKETS) {
			this.#early.push({ packet: entry, layer });
		}
	}

	#receive(packet: PublisherRtpPacket, layer?: number): void {
		if (layer !== undefined) {
			this.#layerReceiver(layer).receive(packet);
		} else if (packet.kind === 'audio') {
			this.#configureAudio();
			this.emit('rtpPacket', packet);
			this.#audioOrder.push(packet.sequenceNumber, packet);
		} else {
			if (this.#videoCodec === 'h264') {
				this.#h264.arrived(packet);
			}
			this.#videoOrder.push(packet.sequenceNumber, packet);
		}
	}

	#layerReceiver(layer: number): LayerReceiver {
		let receiver = this.#layers.get(layer);
		if (receiver === undefined) {
			receiver = new LayerReceiver({
				clock: this.#deps.clock,
				sink: {
					configure: (config) => this.emit('layerConfigured', layer, config),
					unit: (unit) => this.emit('layerUnit', layer, unit),
					damaged: () => this.requestKeyFrame(),
				},
			});
			this.#layers.set(layer, receiver);
		}
		return receiver;
	}

	#onSenderReport(kind: TrackKind, ntpMs: number, ticks: number): void {
		const reference = this.#rtpReference.get(kind);
		if (reference !== undefined) {
			this.emit('senderReport', kind, ntpMs, ticksToMs(unwrap(ticks, reference, 32), rtpClockRate(kind)));
		}
	}

	#configureAudio(): void {
		if (!this.#isAudioConfigured) {
			this.#isAudioConfigured = true;
			this.emit('trackConfigured', {
				kind: 'audio',
				codec: 'opus',
				sampleRate: OPUS_CLOCK_RATE,
				channelCount: 2,
				audioSpecificConfig: new Uint8Array(),
			});
		}
	}

	#onOrderedAudio(packet: PublisherRtpPacket): void {
		if (packet.payload.length === 0) {
			return;
		}
		const timeMs = ticksToMs(packet.rtpTicks, OPUS_CLOCK_RATE);
		this.emit('unit', {
			kind: 'audio',
			decodeTimeMs: timeMs,
			presentationTimeMs: timeMs,
			rtpTicks: packet.rtpTicks,
			isKeyFrame: true,
			bytes: packet.payload,
			arrivedAtMs: packet.arrivedAtMs,
		});
	}

	#onOrderedVideo(packet: PublisherRtpPacket, isAfterLoss: boolean): void {
		if (this.#newest !== undefined && packet.rtpTicks !== this.#newest.rtpTicks) {
			// The packet with the marker is missing; the picture may still be whole.
			this.#finishPicture(this.#newest, false);
		}
		if (isAfterLoss) {
			this.#lossReport.count({ kind: 'video' });
			this.#depacketizer.markLoss();
			this.#markLoss();
			this.requestKeyFrame();
		}
		this.#newest = packet;
		this.#depacketizer.push(packet.payload);
		if (packet.hasMarker) {
			this.#finishPicture(packet, true);
		}
	}

	#markLoss(): void {
		this.#isWaitingForVp8KeyFrame = true;
		this.#h264.markLoss();
	}

	#finishPicture(newest: PublisherRtpPacket, hasMarker: boolean): void {
		this.#newest = undefined;
		const parts = this.#depacketizer.take();
		if (parts === undefined) {
			this.#markLoss();
		} else if (this.#videoCodec === 'vp8') {
			this.#emitVp8(parts[0]!, newest);
		} else {
			this.#h264.push(parts, newest, { hasMarker, sequenceNumber: newest.sequenceNumber });
		}
	}

	#emitVp8(frame: Uint8Array, times: PictureTimes): void {
		const size = readVp8KeyFrame(frame);
		if (
			size !== undefined &&
			(this.#vp8Config?.widthPixels !== size.widthPixels || this.#vp8Config.heightPixels !== size.heightPixels)
		) {
			this.#vp8Config = { kind: 'video', codec: 'vp8', ...size, sps: [], pps: [] };
			this.emit('trackConfigured', this.#vp8Config);
		}
		if (this.#isWaitingForVp8KeyFrame && size === undefined) {
			// A picture that refers to a lost one is broken; the previous one stays until the next key frame.
			this.#pictureWatch.leftOut('key-frame-missing');
			return;
		}
		this.#isWaitingForVp8KeyFrame = false;
		this.#emitPicture({ bytes: frame, isKeyFrame: size !== undefined, isRecoveryPoint: false }, times);
	}

	#emitPicture(
		picture: { bytes: Uint8Array; isKeyFrame: boolean; isRecoveryPoint: boolean },
		{ rtpTicks, arrivedAtMs }: PictureTimes,
	): void {
		this.#pictureWatch.usable();
		const presentationTimeMs = ticksToMs(rtpTicks, VIDEO_CLOCK_RATE);
		// RTP states no decode time. With B-frames the order of sending gives it, as close to the last as possible.
		this.#decodeTimeMs = presentationTimeMs > this.#decodeTimeMs ? presentationTimeMs : this.#decodeTimeMs + 1;
		this.emit('unit', {
			kind: 'video',
			decodeTimeMs: this.#decodeTimeMs,
			presentationTimeMs,
			rtpTicks,
			isKeyFrame: picture.isKeyFrame,
			...(picture.isRecoveryPoint ? { isRecoveryPoint: true } : {}),
			bytes: picture.bytes,
			arrivedAtMs,
		});
	}
}
