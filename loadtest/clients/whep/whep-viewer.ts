/**
 * A virtual WebRTC viewer: a real WHEP session with ICE, DTLS and SRTP (werift), then a counting sink. After the
 * handshake packets go from the socket to the sink; one in a hundred is decrypted to prove that it is authentic.
 */
import {
	GenericNack,
	RTCDtlsTransport,
	RTCIceGatherer,
	RTCIceTransport,
	RtcpHeader,
	RtcpReceiverInfo,
	RtcpRrPacket,
	RtcpTransportLayerFeedback,
} from 'werift';
import { type CancelTimer, type Clock, sleep, withDeadline } from '../../../core/lifecycle/clock.ts';
import { VIEWER_HEADER } from '../../../core/protocol/signaling/signaling-constants.ts';
import { connectDtls, offerValuesOf } from '../whip/whip-transport.ts';
import { type PictureSize, SizeReader } from './size-reader.ts';
import { RtpSink, type RtpSinkFigures } from './rtp-sink.ts';
import { mapCandidatePorts, parseWhepAnswer, type WhepAnswer, whepOffer } from './whep-offer.ts';

/** AEAD_AES_128_GCM, then AES_CM_128_HMAC_SHA1_80, in the server's order of preference. */
const SRTP_PROFILES = [0x0007, 0x0001] as const;
const ANSWER_DEADLINE_MS = 15_000;
const CONNECT_DEADLINE_MS = 15_000;
const CLOSE_DEADLINE_MS = 2000;
/** No packet for this long: the connection is lost. */
const SILENCE_MS = 5000;
const REPORT_INTERVAL_MS = 1000;
const NACK_INTERVAL_MS = 25;
/** One packet in this many is decrypted and authenticated. */
const DECRYPT_EVERY = 100;

type WhepViewerOptions = {
	clock: Clock;
	url: string;
	/** See {@link RtpSink}; add to this machine's epoch milliseconds to get the server's. */
	clockOffsetMs: number;
	portMap: Readonly<Record<number, number>>;
	/** From the signaling socket, so that the session uses the viewer's seat; undefined without a socket. */
	viewerId: string | undefined;
	figures: RtpSinkFigures & {
		jitter(jitterMs: number): void;
		authenticationFailed(): void;
		/** The picture has this size now. */
		pictureSize(size: PictureSize): void;
	};
	/** Called once when a connected session ends by itself. */
	onLost(reason: string): void;
};

/**
 * The kernel's buffer for one socket; it doubles the value. Its default holds some 90 packets, fewer than the newest
 * GOP, which a viewer gets at its start.
 */
const RECEIVE_BUFFER_BYTES = 2 ** 20;

type UdpTransport = {
	onData: (data: Buffer, address: unknown) => void;
	socket?: { setRecvBufferSize(bytes: number): void };
};

/** One use. */
export class WhepViewer {
	readonly #options: WhepViewerOptions;
	readonly #timers: CancelTimer[] = [];
	#sessionUrl: string | undefined;
	#dtls: RTCDtlsTransport | undefined;
	#sink: RtpSink | undefined;
	#sizes: SizeReader | undefined;
	#lastPacketAtMs = 0;
	#sampleIn = 1;
	#isClosed = false;
	#onPicture: () => void = () => undefined;

	constructor(options: WhepViewerOptions) {
		this.#options = options;
	}

	/** Totals so far; undefined before the answer. */
	get sink(): RtpSink | undefined {
		return this.#sink;
	}

	/** Resolves when the first picture is complete. Call close() also when it rejects. */
	async start(): Promise<void> {
		const { clock, url } = this.#options;
		const ice = new RTCIceTransport(new RTCIceGatherer(iceOptions(url)));
		ice.connection.iceControlling = true;
		this.#dtls = new RTCDtlsTransport({}, ice, await RTCDtlsTransport.SetupCertificate(), [...SRTP_PROFILES]);
		await ice.gather();
		enlargeBuffers(ice);
		const answer = await this.#negotiate(ice);
		this.#sink = new RtpSink(answer.tracks, this.#options.figures);
		const video = answer.tracks.find(({ kind }) => kind === 'video');
		this.#sizes = video === undefined ? undefined : new SizeReader(video.payloadType);
		const picture = new Promise<void>((resolve) => (this.#onPicture = resolve));
		await this.#connect(ice, answer);
		this.#takeOver(ice);
		await withDeadline(clock, picture, CONNECT_DEADLINE_MS, () => new Error('no picture came within 15 s'));
	}

	/** Ends the session as a browser does: DELETE, then the sockets. Idempotent, never rejects, takes a few seconds. */
	async close(): Promise<void> {
		if (this.#isClosed) {
			return;
		}
		this.#isClosed = true;
		this.#timers.forEach((cancel) => cancel());
		if (this.#sessionUrl !== undefined) {
			// The server may be gone.
			const signal = AbortSignal.timeout(CLOSE_DEADLINE_MS);
			await fetch(this.#sessionUrl, { method: 'DELETE', signal })
				.then((response) => response.arrayBuffer())
				.catch(() => undefined);
		}
		const stopped = this.#dtls?.stop().catch(() => undefined);
		await Promise.race([stopped, sleep(this.#options.clock, CLOSE_DEADLINE_MS)]);
	}

	async #negotiate(ice: RTCIceTransport): Promise<WhepAnswer> {
		const { url, viewerId } = this.#options;
		const response = await fetch(url, {
			method: 'POST',
			headers: {
				'Content-Type': 'application/sdp',
				...(viewerId === undefined ? {} : { [VIEWER_HEADER]: viewerId }),
			},
			body: whepOffer(offerValuesOf(ice, this.#dtls!)),
			signal: AbortSignal.timeout(ANSWER_DEADLINE_MS),
		});
		const body = await response.text();
		if (response.status !== 201) {
			throw new Error(`WHEP was answered with ${response.status}: ${body.slice(0, 200)}`);
		}
		const location = response.headers.get('location');
		this.#sessionUrl = location === null ? undefined : new URL(location, this.#options.url).href;
		return parseWhepAnswer(body);
	}

	async #connect(ice: RTCIceTransport, answer: WhepAnswer): Promise<void> {
		const dtls = this.#dtls!;
		const candidates = mapCandidatePorts(answer.candidates, this.#options.portMap);
		await connectDtls(this.#options.clock, ice, dtls, { ...answer, candidates }, CONNECT_DEADLINE_MS);
		dtls.onStateChange.subscribe((state) => {
			if (state === 'closed' || state === 'failed') {
				this.#endAsLost(`DTLS is ${state}`);
			}
		});
	}

	// From here on the sink gets media directly from the socket; werift still gets STUN, DTLS and RTCP.
	#takeOver(ice: RTCIceTransport): void {
		const { clock, clockOffsetMs } = this.#options;
		const transport = (ice.connection.nominated?.protocol as { transport?: UdpTransport } | undefined)?.transport;
		if (transport === undefined || this.#isClosed) {
			throw new Error('ICE has no nominated pair after connecting');
		}
		const sink = this.#sink!;
		const original = transport.onData;
		transport.onData = (data, address) => {
			// RFC 7983 §7: 128–191 is RTP or RTCP; RFC 5761 §4: RTCP's second byte is 192–223.
			if (data[0]! < 128 || data[0]! > 191 || (data[1]! >= 192 && data[1]! <= 223)) {
				original(data, address);
				return;
			}
			this.#lastPacketAtMs = clock.monotonicMs();
			if (sink.receive(data, clock.nowMs() + clockOffsetMs)) {
				this.#onPicture();
			}
			const readsSize = this.#sizes?.wants(data, this.#lastPacketAtMs) ?? false;
			if (--this.#sampleIn <= 0 || readsSize) {
				this.#sampleIn = DECRYPT_EVERY;
				const packet = this.#authenticate(data);
				if (readsSize && packet !== undefined) {
					this.#readSize(packet);
				}
			}
		};
		this.#lastPacketAtMs = clock.monotonicMs();
		this.#timers.push(
			clock.setInterval(() => this.#sendReport(), REPORT_INTERVAL_MS),
			clock.setInterval(() => this.#sendNacks(sink), NACK_INTERVAL_MS),
		);
	}

	#authenticate(data: Buffer): Buffer | undefined {
		try {
			return this.#dtls!.srtp.decrypt(data);
		} catch {
			// Not encrypted with the session's keys.
			this.#options.figures.authenticationFailed();
			return undefined;
		}
	}

	#readSize(packet: Buffer): void {
		const size = this.#sizes!.read(packet, this.#lastPacketAtMs);
		if (size !== undefined && !this.#isClosed) {
			this.#options.figures.pictureSize(size);
		}
	}

	#sendReport(): void {
		const { clock, figures } = this.#options;
		if (clock.monotonicMs() - this.#lastPacketAtMs > SILENCE_MS) {
			this.#endAsLost(`no packet for ${SILENCE_MS} ms`);
			return;
		}
		const sink = this.#sink!;
		sink.expireMissing(clock.nowMs() + this.#options.clockOffsetMs);
		const reports = sink.reports();
		reports.filter(({ kind }) => kind === 'video').forEach(({ jitterMs }) => figures.jitter(jitterMs));
		const blocks = reports.map(
			({ ssrc, highest, lost, jitterTicks }) =>
				new RtcpReceiverInfo({
					ssrc,
					highestSequence: highest,
					packetsLost: Math.min(lost, 0x7f_ffff),
					fractionLost: 0,
					jitter: Math.round(jitterTicks),
					lsr: 0,
					dlsr: 0,
				}),
		);
		this.#sendRtcp(new RtcpRrPacket({ ssrc: 1, reports: blocks }));
	}

	#sendNacks(sink: RtpSink): void {
		for (const { ssrc, numbers } of sink.takeMissing()) {
			const feedback = new GenericNack({ senderSsrc: 1, mediaSourceSsrc: ssrc, lost: numbers });
			feedback.header = new RtcpHeader({ type: 205, count: GenericNack.count });
			this.#sendRtcp(new RtcpTransportLayerFeedback({ feedback }));
		}
	}

	#sendRtcp(packet: RtcpRrPacket | RtcpTransportLayerFeedback): void {
		// The silence deadline finds a closed connection.
		this.#dtls!.sendRtcp([packet]).catch(() => undefined);
	}

	#endAsLost(reason: string): void {
		if (!this.#isClosed && this.#timers.length > 0) {
			this.#timers.splice(0).forEach((cancel) => cancel());
			this.#options.onLost(reason);
		}
	}
}

function enlargeBuffers(ice: RTCIceTransport): void {
	const { protocols } = ice.connection as unknown as { protocols?: { transport?: UdpTransport }[] };
	protocols?.forEach(({ transport }) => transport?.socket?.setRecvBufferSize(RECEIVE_BUFFER_BYTES));
}

function iceOptions(url: string): ConstructorParameters<typeof RTCIceGatherer>[0] {
	// A server on this machine needs no socket for each network card.
	const isLocal = /^(localhost|127\.|\[::1\])/.test(new URL(url).host);
	const common = { useIpv4: true, useIpv6: false, useTcp: false, additionalHostAddresses: ['127.0.0.1'] };
	return isLocal ? { ...common, interfaceAddresses: { udp4: '127.0.0.1' } } : common;
}
