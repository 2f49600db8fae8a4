/**
 * A viewer over SRTP whose packets are counted, not kept, and who reports when they arrive, as Chromium does. For
 * benches of the worker: everything of a WebRTC viewer but ICE and DTLS.
 */
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Consumer, PlainTransport, Router } from 'mediasoup/types';
import {
	PacketStatus,
	RecvDelta,
	RtcpHeader,
	RtcpReceiverInfo,
	RtcpRrPacket,
	RunLengthChunk,
	SrtcpSession,
	TransportWideCC,
} from 'werift';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { isRtcp } from '../../core/wire/rtp/rtp-packet.ts';
import { DEFAULT_PAYLOAD_TYPES } from '../rtp/media-codecs.ts';
import { parseSdpOffer } from '../sdp/sdp-offer.ts';
import { negotiateWhep, viewerCapabilities, type NegotiatedViewer } from '../sdp/whep-negotiation.ts';
import { CHROMIUM_WHEP_OFFER } from './sdp-fixtures.ts';

/** Chromium's, of arrival times. */
const ARRIVALS_INTERVAL_MS = 100;
/** Of receiver reports, which every viewer sends. */
const RECEIVER_REPORT_INTERVAL_MS = 1000;
const KEY_BYTES = 16;
/** AES-GCM in werift's terms. */
const GCM_PROFILE = 7;
/** As mediasoup and our page number it. */
const SEQUENCE_EXTENSION_ID = 5;
/** Of transport-wide feedback. */
const TICK_US = 250;
const TICKS_PER_REFERENCE = 256;

export type ReportingKind =
	/** The viewer of a channel without a ladder. */
	| 'not negotiated'
	/** Reports arrivals; nothing is estimated. */
	| 'free'
	/** Reports arrivals, and mediasoup estimates the line. */
	| 'managed';

type ViewerProducers = { video: string; audio: string | undefined };

export class ReportingViewer implements AsyncDisposable {
	readonly video: Consumer;
	readonly transport: PlainTransport;
	/** Packets of the picture. */
	receivedCount = 0;
	/** Gaps between their numbers. */
	missingCount = 0;
	reportCount = 0;
	readonly #audio: Consumer | undefined;
	readonly #router: Router;
	readonly #viewer: NegotiatedViewer;
	readonly #socket: Socket;
	readonly #srtcp: SrtcpSession;
	readonly #stopReports: () => void;
	#highest: number | undefined;
	#arrivals: { number: number; ticks: number }[] = [];

	private constructor(own: {
		router: Router;
		viewer: NegotiatedViewer;
		transport: PlainTransport;
		consumers: { video: Consumer; audio: Consumer | undefined };
		socket: Socket;
		srtcp: SrtcpSession;
	}) {
		this.#router = own.router;
		this.#viewer = own.viewer;
		this.transport = own.transport;
		this.video = own.consumers.video;
		this.#audio = own.consumers.audio;
		this.#socket = own.socket;
		this.#srtcp = own.srtcp;
		const ssrc = this.video.rtpParameters.encodings![0]!.ssrc!;
		this.#socket.on('message', (packet) => this.#onPacket(packet, ssrc));
		const stops = [systemClock.setInterval(() => this.#reportReception(), RECEIVER_REPORT_INTERVAL_MS)];
		if (own.viewer.canEstimate) {
			stops.push(systemClock.setInterval(() => this.#reportArrivals(), ARRIVALS_INTERVAL_MS));
		}
		this.#stopReports = () => stops.forEach((stop) => stop());
	}

	/** Consumes, paused. */
	static async open(router: Router, kind: ReportingKind, producers: ViewerProducers): Promise<ReportingViewer> {
		const viewer = negotiateWhep(parseSdpOffer(OFFER), {
			defaults: DEFAULT_PAYLOAD_TYPES,
			hasChoice: kind !== 'not negotiated',
		});
		const socket = createSocket('udp4');
		socket.bind(0, '127.0.0.1');
		await once(socket, 'listening');
		socket.setRecvBufferSize(4_000_000);
		const cryptoSuite = 'AEAD_AES_128_GCM' as const;
		const transport = await router.createPlainTransport({
			listenInfo: { protocol: 'udp', ip: '127.0.0.1', sendBufferSize: 4_000_000 },
			rtcpMux: true,
			enableSrtp: true,
			srtpCryptoSuite: cryptoSuite,
		});
		const own = randomBytes(KEY_BYTES + 12);
		const remote = Buffer.from(transport.srtpParameters!.keyBase64, 'base64');
		await transport.connect({
			ip: '127.0.0.1',
			port: socket.address().port,
			srtpParameters: { cryptoSuite, keyBase64: own.toString('base64') },
		});
		socket.connect(transport.tuple.localPort, '127.0.0.1');
		await once(socket, 'connect');
		const srtcp = new SrtcpSession({
			profile: GCM_PROFILE,
			keys: {
				localMasterKey: own.subarray(0, KEY_BYTES),
				localMasterSalt: own.subarray(KEY_BYTES),
				remoteMasterKey: remote.subarray(0, KEY_BYTES),
				remoteMasterSalt: remote.subarray(KEY_BYTES),
			},
		});
		const rtpCapabilities = viewerCapabilities(viewer, router.rtpCapabilities.headerExtensions!);
		const consume = (producerId: string): Promise<Consumer> =>
			transport.consume({ producerId, rtpCapabilities, paused: true, enableRtx: true });
		const video = await consume(producers.video);
		const audio = producers.audio === undefined ? undefined : await consume(producers.audio);
		return new ReportingViewer({ router, viewer, transport, consumers: { video, audio }, socket, srtcp });
	}

	/** As ViewerTransport does. */
	async startEstimator(): Promise<void> {
		const dummy = await this.transport.consume({
			producerId: this.video.producerId,
			rtpCapabilities: viewerCapabilities(this.#viewer, this.#router.rtpCapabilities.headerExtensions!, true),
			paused: true,
			enableRtx: true,
		});
		dummy.close();
	}

	async resume(): Promise<void> {
		await Promise.all([this.video.resume(), this.#audio?.resume()]);
	}

	async pause(): Promise<void> {
		await Promise.all([this.video.pause(), this.#audio?.pause()]);
	}

	/** Packets of picture and sound that mediasoup has sent, without its probes of the line. */
	async sentCounts(): Promise<{ video: number; all: number }> {
		const [video = 0, audio = 0] = await Promise.all(
			[this.video, this.#audio].map(async (consumer) => {
				const entries = (await consumer?.getStats()) ?? [];
				return entries.find(({ type }) => type === 'outbound-rtp')?.packetCount ?? 0;
			}),
		);
		return { video, all: video + audio };
	}

	async [Symbol.asyncDispose](): Promise<void> {
		this.#stopReports();
		this.transport.close();
		await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
	}

	#onPacket(packet: Buffer, ssrc: number): void {
		if (isRtcp(packet)) {
			return;
		}
		if (packet.readUInt32BE(8) === ssrc) {
			const number = packet.readUInt16BE(2);
			this.receivedCount++;
			this.missingCount += this.#highest === undefined ? 0 : ((number - this.#highest + 0x1_0000) % 0x1_0000) - 1;
			this.#highest = number;
		}
		const number = this.#viewer.canEstimate ? readSequence(packet) : undefined;
		// A number that has arrived is not reported again; that of a viewer whose line is not estimated is always 0.
		if (number !== undefined && number !== this.#arrivals.at(-1)?.number) {
			this.#arrivals.push({ number, ticks: Math.floor((systemClock.monotonicMs() * 1000) / TICK_US) });
		}
	}

	#reportArrivals(): void {
		const [first] = this.#arrivals;
		if (first === undefined) {
			return;
		}
		const referenceTime = Math.floor(first.ticks / TICKS_PER_REFERENCE);
		const statuses: PacketStatus[] = [];
		const recvDeltas: RecvDelta[] = [];
		let ticks = referenceTime * TICKS_PER_REFERENCE;
		for (const arrival of this.#arrivals) {
			const index = (arrival.number - first.number + 0x1_0000) % 0x1_0000;
			while (statuses.length < index) {
				statuses.push(PacketStatus.TypeTCCPacketNotReceived);
			}
			const type =
				arrival.ticks - ticks < 256
					? PacketStatus.TypeTCCPacketReceivedSmallDelta
					: PacketStatus.TypeTCCPacketReceivedLargeDelta;
			statuses.push(type);
			recvDeltas.push(new RecvDelta({ type, delta: (arrival.ticks - ticks) * TICK_US }));
			ticks = arrival.ticks;
		}
		const report = new TransportWideCC({
			senderSsrc: 1,
			mediaSourceSsrc: this.video.rtpParameters.encodings![0]!.ssrc!,
			baseSequenceNumber: first.number,
			packetStatusCount: statuses.length,
			referenceTime: referenceTime % 0x100_0000,
			fbPktCount: this.reportCount++ % 256,
			packetChunks: runs(statuses),
			recvDeltas,
			header: new RtcpHeader({ type: 205, count: TransportWideCC.count, version: 2, padding: true }),
		});
		this.#arrivals = [];
		this.#socket.send(this.#srtcp.encrypt(report.serialize()));
	}

	#reportReception(): void {
		const report = new RtcpReceiverInfo({
			ssrc: this.video.rtpParameters.encodings![0]!.ssrc!,
			fractionLost: 0,
			packetsLost: this.missingCount,
			highestSequence: this.#highest ?? 0,
			jitter: 0,
			lsr: 0,
			dlsr: 0,
		});
		this.#socket.send(this.#srtcp.encrypt(new RtcpRrPacket({ ssrc: 1, reports: [report] }).serialize()));
	}
}

/** Chromium's, with the ids that our own page gives. */
const OFFER = CHROMIUM_WHEP_OFFER.replaceAll(/a=extmap:5 .*\r\n/g, '').replaceAll(
	/a=extmap:\d+ (http:\/\/www.ietf.org\/id\/draft-holmer-rmcat)/g,
	`a=extmap:${SEQUENCE_EXTENSION_ID} $1`,
);

function runs(statuses: readonly PacketStatus[]): RunLengthChunk[] {
	const chunks: RunLengthChunk[] = [];
	for (const packetStatus of statuses) {
		const last = chunks.at(-1);
		if (last?.packetStatus === packetStatus) {
			last.runLength++;
		} else {
			chunks.push(new RunLengthChunk({ packetStatus, runLength: 1 }));
		}
	}
	return chunks;
}

/** RFC 8285 §4.2. SRTP leaves header extensions in the clear. */
function readSequence(packet: Buffer): number | undefined {
	const start = 12 + (packet[0]! & 0x0f) * 4;
	if ((packet[0]! & 0x10) === 0 || packet.readUInt16BE(start) !== 0xbede) {
		return undefined;
	}
	const end = start + 4 + packet.readUInt16BE(start + 2) * 4;
	for (let offset = start + 4; offset < end;) {
		const id = packet[offset]! >> 4;
		if (id === SEQUENCE_EXTENSION_ID) {
			return packet.readUInt16BE(offset + 1);
		}
		offset += id === 0 ? 1 : (packet[offset]! & 0x0f) + 2;
	}
	return undefined;
}
