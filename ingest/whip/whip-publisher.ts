/** A WHIP publisher's packets → configurations and units, as any publisher gives them. */
import type { Clock } from '../../core/clock.ts';
import { CloseScope } from '../../core/close-scope.ts';
import type { PublisherId } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import { isSameBytes, type VideoTrackConfig } from '../../core/media/codecs.ts';
import { joinLengthPrefixed, NAL_TYPE, nalType, parseSps } from '../../core/media/h264.ts';
import { RateLimitedReport } from '../../core/rate-limited-report.ts';
import { TypedEmitter } from '../../core/typed-emitter.ts';
import { OPUS_CLOCK_RATE, ticksToMs, unwrap, VIDEO_CLOCK_RATE } from '../../core/units.ts';
import type { PublisherTransport } from '../../sfu/publisher-transport.ts';
import { H264Depacketizer } from '../../sfu/rtp/h264-depacketizer.ts';
import type { PictureAssembler } from '../../sfu/rtp/picture-assembler.ts';
import { ReorderBuffer } from '../../sfu/rtp/reorder-buffer.ts';
import type { RtpHeader } from '../../sfu/rtp/rtp-packet.ts';
import { readVp8KeyFrame, Vp8Depacketizer } from '../../sfu/rtp/vp8-depacketizer.ts';
import type { Publisher, PublisherEndReason, PublisherEvents, PublisherRtpPacket, TrackProblem } from '../publisher.ts';

/** OBS closes its connection first and says DELETE after it: this long a closed connection may still turn out a clean stop. */
const DELETE_AFTER_CLOSE_MS = 2000;
/** A lost picture is asked for again, at most this often. */
const KEY_FRAME_REQUEST_INTERVAL_MS = 1000;
/** Packets kept until somebody listens: a second of 8 Mbit/s. They are needed for some milliseconds. */
const MAX_EARLY_PACKETS = 1000;

/** What a WHIP publisher needs of its transport. */
export type WhipTransport = Pick<PublisherTransport, 'tracks' | 'on' | 'requestKeyFrame' | 'close'>;

/**
 * One WHIP publisher. It tells nothing before {@link WhipPublisher.release}: packets come by another way than the news that
 * the connection is up, and may overtake it; configurations and the first key frame would be told to nobody, once and for all.
 */
export class WhipPublisher extends TypedEmitter<PublisherEvents> implements Publisher {
	readonly id: PublisherId;
	readonly protocol = 'whip';
	readonly remoteAddress: string;
	readonly encoderName: string | undefined;
	readonly announcedKinds: readonly ('audio' | 'video')[];
	readonly hasCommonTimeline = false;
	readonly problems: readonly TrackProblem[] = [];
	readonly #clock: Clock;
	readonly #transport: WhipTransport;
	readonly #scope: CloseScope<PublisherEndReason>;
	readonly #videoCodec: 'h264' | 'vp8' | undefined;
	readonly #assembler: PictureAssembler;
	readonly #videoOrder: ReorderBuffer<PublisherRtpPacket>;
	readonly #audioOrder: ReorderBuffer<PublisherRtpPacket>;
	readonly #lossReport: RateLimitedReport;
	readonly #rtpReference = new Map<'audio' | 'video', number>();
	#early: PublisherRtpPacket[] | undefined = [];
	#config: VideoTrackConfig | undefined;
	#isWaitingForKeyFrame = true;
	#isAudioConfigured = false;
	#keyFrameRequestedAtMs = -Infinity;
	#pictureTicks: number | undefined;
	#pictureArrivedAtMs = 0;
	#decodeTimeMs = -Infinity;

	constructor(
		identity: { id: PublisherId; remoteAddress: string; encoderName: string | undefined },
		transport: WhipTransport,
		dependencies: { clock: Clock; logger: Logger },
	) {
		super(dependencies.logger);
		this.id = identity.id;
		this.remoteAddress = identity.remoteAddress;
		this.encoderName = identity.encoderName;
		this.announcedKinds = transport.tracks.map((track) => track.kind);
		this.#clock = dependencies.clock;
		this.#transport = transport;
		this.#scope = new CloseScope(dependencies.logger);
		this.#lossReport = new RateLimitedReport(this.#clock, dependencies.logger, 'packets of the publisher were lost');
		const videoTrack = transport.tracks.find((track) => track.kind === 'video');
		this.#videoCodec = videoTrack?.codec === 'vp8' ? 'vp8' : videoTrack === undefined ? undefined : 'h264';
		this.#assembler = this.#videoCodec === 'vp8' ? new Vp8Depacketizer() : new H264Depacketizer();
		this.#videoOrder = new ReorderBuffer(this.#clock, (packet, isAfterLoss) =>
			this.#onOrderedVideo(packet, isAfterLoss),
		);
		this.#audioOrder = new ReorderBuffer(this.#clock, (packet) => this.#onOrderedAudio(packet));
		const { signal } = this.#scope;
		transport.on('packet', (kind, packet, header) => this.#onPacket(kind, packet, header), { signal });
		transport.on('senderReport', (kind, ntpMs, ticks) => this.#onSenderReport(kind, ntpMs, ticks), { signal });
		transport.on('closed', (reason) => this.#onTransportClosed(reason));
		this.#scope.onClose(async (reason) => {
			this.#videoOrder.close();
			this.#audioOrder.close();
			await transport.close(
				reason === 'unpublished' || reason === 'replaced' || reason === 'server-shutdown' ? reason : 'ice-failed',
			);
			this.emit('closed', reason);
		});
	}

	get closed(): boolean {
		return this.#scope.closed;
	}

	/** Somebody listens now: gives out what came until then, and from then on what comes. */
	release(): void {
		const early = this.#early ?? [];
		this.#early = undefined;
		for (const packet of early) {
			this.#receive(packet);
		}
	}

	requestKeyFrame(): boolean {
		const nowMs = this.#clock.monotonicMs();
		if (nowMs - this.#keyFrameRequestedAtMs >= KEY_FRAME_REQUEST_INTERVAL_MS) {
			this.#keyFrameRequestedAtMs = nowMs;
			this.#transport.requestKeyFrame();
		}
		return true;
	}

	close(reason: PublisherEndReason): Promise<void> {
		return this.#scope.close(reason);
	}

	#onTransportClosed(reason: string): void {
		if (reason === 'worker-died') {
			void this.close('worker-died');
		} else if (reason === 'unpublished') {
			const cancel = this.#clock.setTimeout(() => void this.close('connection-lost'), DELETE_AFTER_CLOSE_MS);
			this.#scope.onClose(() => cancel());
		} else {
			void this.close('connection-lost');
		}
	}

	#onPacket(kind: 'audio' | 'video', packet: Buffer, header: RtpHeader): void {
		const reference = this.#rtpReference.get(kind);
		const rtpTicks = reference === undefined ? header.timestampTicks : unwrap(header.timestampTicks, reference, 32);
		this.#rtpReference.set(kind, Math.max(reference ?? rtpTicks, rtpTicks));
		const entry: PublisherRtpPacket = {
			kind,
			payload: packet.subarray(header.payloadStart, header.payloadEnd),
			hasMarker: header.hasMarker,
			sequenceNumber: header.sequenceNumber,
			rtpTicks,
			arrivedAtMs: this.#clock.monotonicMs(),
		};
		if (this.#early === undefined) {
			this.#receive(entry);
		} else if (this.#early.length < MAX_EARLY_PACKETS) {
			this.#early.push(entry);
		}
	}

	#receive(packet: PublisherRtpPacket): void {
		if (packet.kind === 'audio') {
			this.#configureAudio();
			this.emit('rtpPacket', packet);
			this.#audioOrder.push(packet.sequenceNumber, packet);
		} else {
			if (this.#videoCodec === 'h264') {
				this.emit('rtpPacket', packet);
			}
			this.#videoOrder.push(packet.sequenceNumber, packet);
		}
	}

	#onSenderReport(kind: 'audio' | 'video', ntpMs: number, ticks: number): void {
		const reference = this.#rtpReference.get(kind);
		if (reference !== undefined) {
			const clockRate = kind === 'video' ? VIDEO_CLOCK_RATE : OPUS_CLOCK_RATE;
			this.emit('senderReport', kind, ntpMs, ticksToMs(unwrap(ticks, reference, 32), clockRate));
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
		if (this.#pictureTicks !== undefined && packet.rtpTicks !== this.#pictureTicks) {
			// The packet with the marker never came; what is there may still be whole.
			this.#finishPicture();
		}
		if (isAfterLoss) {
			this.#lossReport.count({ kind: 'video' });
			this.#assembler.markLoss();
			this.#isWaitingForKeyFrame = true;
			this.requestKeyFrame();
		}
		this.#pictureTicks = packet.rtpTicks;
		this.#pictureArrivedAtMs = packet.arrivedAtMs;
		this.#assembler.push(packet.payload);
		if (packet.hasMarker) {
			this.#finishPicture();
		}
	}

	#finishPicture(): void {
		const rtpTicks = this.#pictureTicks!;
		this.#pictureTicks = undefined;
		const parts = this.#assembler.take();
		if (parts === undefined) {
			this.#isWaitingForKeyFrame = true;
			return;
		}
		const picture = this.#videoCodec === 'vp8' ? this.#readVp8(parts[0]!) : this.#readH264(parts);
		if (picture === undefined || this.#config === undefined) {
			return;
		}
		if (this.#isWaitingForKeyFrame && !picture.isKeyFrame) {
			// A picture that refers to a lost one would be shown broken; the one before stands until the next key frame.
			return;
		}
		this.#isWaitingForKeyFrame = false;
		const presentationTimeMs = ticksToMs(rtpTicks, VIDEO_CLOCK_RATE);
		// RTP tells no decode time. With B-frames the order of sending gives it, as close to the last as can be.
		this.#decodeTimeMs = presentationTimeMs > this.#decodeTimeMs ? presentationTimeMs : this.#decodeTimeMs + 1;
		this.emit('unit', {
			kind: 'video',
			decodeTimeMs: this.#decodeTimeMs,
			presentationTimeMs,
			rtpTicks,
			isKeyFrame: picture.isKeyFrame,
			bytes: picture.bytes,
			arrivedAtMs: this.#pictureArrivedAtMs,
		});
	}

	#readVp8(frame: Uint8Array): { bytes: Uint8Array; isKeyFrame: boolean } {
		const size = readVp8KeyFrame(frame);
		if (
			size !== undefined &&
			(this.#config?.widthPixels !== size.widthPixels || this.#config.heightPixels !== size.heightPixels)
		) {
			this.#config = { kind: 'video', codec: 'vp8', ...size, sps: [], pps: [] };
			this.emit('trackConfigured', this.#config);
		}
		return { bytes: frame, isKeyFrame: size !== undefined };
	}

	#readH264(nals: readonly Uint8Array[]): { bytes: Uint8Array; isKeyFrame: boolean } | undefined {
		const sps = nals.filter((nal) => nalType(nal) === NAL_TYPE.SPS);
		const pps = nals.filter((nal) => nalType(nal) === NAL_TYPE.PPS);
		if (sps.length > 0 && pps.length > 0) {
			this.#configureH264(sps, pps);
		}
		const kept = nals.filter((nal) => KEPT_NAL_TYPES.has(nalType(nal)));
		if (!kept.some((nal) => nalType(nal) !== NAL_TYPE.SEI)) {
			return undefined;
		}
		return { bytes: joinLengthPrefixed(kept), isKeyFrame: kept.some((nal) => nalType(nal) === NAL_TYPE.IDR) };
	}

	#configureH264(sps: readonly Uint8Array[], pps: readonly Uint8Array[]): void {
		const current = this.#config;
		if (current !== undefined && isSameSet(current.sps, sps) && isSameSet(current.pps, pps)) {
			return;
		}
		const facts = parseSps(sps[0]!);
		if (facts === undefined) {
			return;
		}
		this.#config = {
			kind: 'video',
			codec: 'h264',
			widthPixels: facts.widthPixels,
			heightPixels: facts.heightPixels,
			sps: sps.map((nal) => Uint8Array.from(nal)),
			pps: pps.map((nal) => Uint8Array.from(nal)),
		};
		this.emit('trackConfigured', this.#config);
	}
}

/** Slices of all kinds, and supplemental information; the rest is configuration or padding. */
const KEPT_NAL_TYPES: ReadonlySet<number> = new Set([1, 2, 3, 4, 5, NAL_TYPE.SEI]);

function isSameSet(one: readonly Uint8Array[], other: readonly Uint8Array[]): boolean {
	return one.length === other.length && one.every((bytes, index) => isSameBytes(bytes, other[index]!));
}
