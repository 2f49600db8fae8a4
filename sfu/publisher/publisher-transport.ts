/** One WHIP publisher's WebRTC transport: its Producers, and the tap through which their packets reach our code. */
import type { Consumer, Producer, RtpCapabilities, WebRtcTransport } from 'mediasoup/types';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { PacedCall } from '../../core/limits/paced-call.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import type { Logger } from '../../core/logger.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import { ntpToEpochMs } from '../../core/units.ts';
import type { BroadcastRouter } from '../broadcast/broadcast-router.ts';
import type { RtpHeader } from '../../core/wire/rtp/rtp-packet.ts';
import type { NegotiatedPublisher, NegotiatedPublisherTrack } from '../sdp/whip-negotiation.ts';
import { writeSdpAnswer } from '../sdp/sdp-answer.ts';
import { openWebRtcTransport, watchWebRtcTransport } from '../workers/webrtc-transport.ts';
import { SimulcastSelector } from './simulcast/simulcast-selector.ts';

type PublisherTransportEndReason =
	| 'unpublished'
	| 'connect-timed-out'
	| 'ice-failed'
	| 'dtls-failed'
	| 'replaced'
	| 'key-revoked'
	| 'worker-died'
	| 'server-shutdown';

/** @internal for tests */
export type PublisherTransportEvents = {
	/** DTLS is up. */
	connected: [];
	/** A packet of a track. The header is reused: read it at once; the packet may be kept. */
	packet: [kind: 'audio' | 'video', packet: Buffer, header: RtpHeader];
	/**
	 * A packet of a simulcast layer below the largest one, by its place in the offer. It has the layer's numbers and the
	 * picture's timestamps. The packet may be kept.
	 */
	layerPacket: [layer: number, packet: Buffer, header: RtpHeader];
	/** A sender report: the publisher's NTP clock (epoch ms) and the RTP timestamp of the same instant. */
	senderReport: [kind: 'audio' | 'video', ntpMs: number, timestampTicks: number];
	/** Once. */
	closed: [reason: PublisherTransportEndReason];
};

/** With more requests key frames take the bits that the pictures between need. */
const KEY_FRAME_REQUEST_INTERVAL_MS = 1000;

type PublisherDependencies = { broadcastRouter: BroadcastRouter; clock: Clock; logger: Logger };
type Tap = { track: NegotiatedPublisherTrack; producer: Producer; consumer: Consumer };

export class PublisherTransport extends TypedEmitter<PublisherTransportEvents> {
	readonly answer: string;
	readonly tracks: readonly NegotiatedPublisherTrack[];
	readonly #deps: PublisherDependencies;
	readonly #taps: readonly Tap[];
	readonly #scope: CloseScope<PublisherTransportEndReason>;
	readonly #keyFrames: PacedCall;

	/** Answers the offer; throws SFU_UNAVAILABLE. Packets flow as soon as there is a listener. */
	static async create(
		deps: PublisherDependencies,
		{ negotiated, preferredAddress }: { negotiated: NegotiatedPublisher; preferredAddress: string | undefined },
	): Promise<PublisherTransport> {
		const { home, homeRouter, stage } = deps.broadcastRouter;
		const { tracks } = negotiated;
		const transport = await openWebRtcTransport(homeRouter, home.webRtcServer, negotiated.transport);
		const taps: Tap[] = [];
		try {
			for (const track of tracks) {
				const producer = await transport.produce({ kind: track.kind, rtpParameters: track.rtpParameters });
				const consumer = await stage.link.transport.consume({
					producerId: producer.id,
					rtpCapabilities: tapCapabilities(homeRouter.rtpCapabilities),
					enableRtx: false,
					// All simulcast layers as they come, each under its own SSRC.
					pipe: isSimulcast(track),
				});
				taps.push({ track, producer, consumer });
			}
			const media = tracks.map((track) => track.answer);
			const answer = writeSdpAnswer(transport, { ...negotiated, media }, preferredAddress);
			return new PublisherTransport(deps, { answer, transport, taps });
		} catch (error) {
			transport.close();
			throw error;
		}
	}

	private constructor(
		deps: PublisherDependencies,
		{ answer, transport, taps }: { answer: string; transport: WebRtcTransport; taps: readonly Tap[] },
	) {
		super(deps.logger);
		this.#deps = deps;
		this.#taps = taps;
		this.answer = answer;
		this.tracks = taps.map(({ track }) => track);
		this.#scope = new CloseScope(deps.logger);
		this.#keyFrames = new PacedCall(deps, {
			intervalMs: KEY_FRAME_REQUEST_INTERVAL_MS,
			call: () => this.#requestKeyFrames(),
		});
		this.#scope.onClose((reason) => {
			this.#keyFrames.cancel();
			transport.close();
			this.emit('closed', reason);
		});
		for (const tap of taps) {
			if (isSimulcast(tap.track)) {
				this.#tapLayers(tap);
			} else {
				this.#tapOne(tap);
			}
			this.#scope.onClose(() => tap.consumer.close());
		}
		// A close_notify ends the session on the media path; OBS sends it just before its DELETE.
		watchWebRtcTransport(transport, 'unpublished', {
			connected: () => this.emit('connected'),
			ended: (reason) => void this.close(reason),
		});
	}

	get closed(): boolean {
		return this.#scope.closed;
	}

	/**
	 * Asks the publisher for a key frame (PLI) of each of its layers, at most once a second. mediasoup's pipe knows no
	 * request for one layer, and key frames of all layers at once make the smaller ones fit for LL-HLS. OBS never
	 * answers.
	 */
	requestKeyFrame(): void {
		this.#keyFrames.request();
	}

	close(reason: PublisherTransportEndReason): Promise<void> {
		return this.#scope.close(reason);
	}

	#requestKeyFrames(): void {
		const pictures = this.#scope.closed ? [] : this.#taps.filter(({ track }) => track.kind === 'video');
		for (const { consumer } of pictures) {
			consumer.requestKeyFrame().catch(() => {
				// Only fails when the worker is gone, which has its own event.
			});
		}
	}

	#tapOne({ track, producer, consumer }: Tap): void {
		const { link } = this.#deps.broadcastRouter.stage;
		const ssrc = consumer.rtpParameters.encodings![0]!.ssrc!;
		this.#scope.onClose(link.tap(ssrc, (packet, header) => this.emit('packet', track.kind, packet, header)));
		listenForSenderReports(producer, ({ ntpMs, ticks }) => this.emit('senderReport', track.kind, ntpMs, ticks));
	}

	#tapLayers({ track, producer, consumer }: Tap): void {
		const { broadcastRouter, clock, logger } = this.#deps;
		const { encodings } = consumer.rtpParameters;
		const rids = track.rtpParameters.encodings!.map(({ rid }) => rid);
		const selector = new SimulcastSelector({
			codec: track.codec === 'vp8' ? 'vp8' : 'h264',
			layerCount: rids.length,
			forward: (packet, header) => this.emit('packet', track.kind, packet, header),
			...(track.codec === 'vp8'
				? {}
				: { forwardLayer: (layer, packet, header) => this.emit('layerPacket', layer, packet, header) }),
			requestKeyFrame: () => this.requestKeyFrame(),
			changed: (from, to) =>
				logger.debug(
					{ from: from && rids[from.index], to: rids[to.index], pixelCount: to.pixelCount },
					'simulcast layer changed',
				),
		});
		encodings!.forEach(({ ssrc }, index) => {
			this.#scope.onClose(
				broadcastRouter.stage.link.tap(ssrc!, (packet, header) =>
					selector.receive(index, packet, header, clock.monotonicMs()),
				),
			);
		});
		listenForSenderReports(producer, ({ ssrc, ntpMs, ticks }) => {
			const layer = producer.score.find((score) => score.ssrc === ssrc);
			const streamTicks = layer && selector.recordReport(layer.encodingIdx, ntpMs, ticks);
			if (streamTicks !== undefined) {
				this.emit('senderReport', track.kind, ntpMs, streamTicks);
			}
		});
	}
}

/**
 * What our end of the link supports. With transport-wide sequence numbers or send times mediasoup estimates the
 * bandwidth of the link from feedback that we never give, and stops sending.
 */
function tapCapabilities({ codecs }: RtpCapabilities): RtpCapabilities {
	return {
		codecs: (codecs ?? []).map((codec) => ({
			...codec,
			rtcpFeedback: (codec.rtcpFeedback ?? []).filter(({ type }) => type !== 'transport-cc' && type !== 'goog-remb'),
		})),
		headerExtensions: [],
	};
}

function isSimulcast(track: NegotiatedPublisherTrack): boolean {
	return track.rtpParameters.encodings!.length > 1;
}

/** Reports of any stream of a Producer. `ssrc` is the publisher's. */
function listenForSenderReports(
	producer: Producer,
	listener: (report: { ssrc: number | undefined; ntpMs: number; ticks: number }) => void,
): void {
	producer.enableTraceEvent(['sr']).catch(() => {
		// Without reports the arrival times are used; and a failure means that the worker is gone.
	});
	producer.on('trace', ({ type, info }) => {
		const report = info as { ssrc?: number; ntpSec?: number; ntpFrac?: number; rtpTs?: number };
		if (type === 'sr' && report.ntpSec !== undefined && report.ntpFrac !== undefined && report.rtpTs !== undefined) {
			listener({ ssrc: report.ssrc, ntpMs: ntpToEpochMs(report.ntpSec, report.ntpFrac), ticks: report.rtpTs });
		}
	});
}
