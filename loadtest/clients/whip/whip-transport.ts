/** ICE, DTLS and SRTP of the OBS-like publisher, from werift's parts, so that every packet is as OBS sends it. */
import {
	candidateFromSdp,
	GenericNack,
	RTCDtlsFingerprint,
	RTCDtlsParameters,
	RTCDtlsTransport,
	RTCIceGatherer,
	RTCIceParameters,
	RTCIceTransport,
	RtcpSenderInfo,
	RtcpSrPacket,
	RtcpTransportLayerFeedback,
	type RtpHeader,
} from 'werift';
import { type Clock, systemClock, withDeadline } from '../../../core/lifecycle/clock.ts';
import { epochMsToNtp } from '../../../core/units.ts';
import type { AnswerFacts } from './obs-offer.ts';

/** SRTP profiles in OBS's order of preference: AES_CM_128_HMAC_SHA1_80, then AEAD_AES_128_GCM. */
const SRTP_PROFILES = [0x0001, 0x0007] as const;
const CONNECT_DEADLINE_MS = 10_000;
/** Packets kept for NACK, as many as OBS's library keeps. */
const MAX_KEPT_PACKETS = 512;

/** One outgoing connection. Sends packets again after NACK; ignores key-frame requests. */
export class WhipTransport {
	readonly #ice: RTCIceTransport;
	readonly #dtls: RTCDtlsTransport;
	readonly #kept = new Map<string, { header: RtpHeader; payload: Buffer }>();

	private constructor(ice: RTCIceTransport, dtls: RTCDtlsTransport) {
		this.#ice = ice;
		this.#dtls = dtls;
		dtls.onRtcp.subscribe((packet) => {
			if (packet instanceof RtcpTransportLayerFeedback && packet.feedback instanceof GenericNack) {
				this.#resend(packet.feedback);
			}
		});
	}

	/** Gathers local candidates, which OBS does not send. */
	static async create(): Promise<WhipTransport> {
		const certificate = await RTCDtlsTransport.SetupCertificate();
		const gatherer = new RTCIceGatherer({
			useIpv4: true,
			useIpv6: false,
			useTcp: false,
			additionalHostAddresses: ['127.0.0.1'],
		});
		const ice = new RTCIceTransport(gatherer);
		ice.connection.iceControlling = true;
		await gatherer.gather();
		return new WhipTransport(ice, new RTCDtlsTransport({}, ice, certificate, [...SRTP_PROFILES]));
	}

	get offerValues(): ReturnType<typeof offerValuesOf> {
		return offerValuesOf(this.#ice, this.#dtls);
	}

	connect(answer: AnswerFacts): Promise<void> {
		return connectDtls(systemClock, this.#ice, this.#dtls, answer, CONNECT_DEADLINE_MS);
	}

	/** Sends a packet, and keeps it if it may be sent again after NACK. */
	send(header: RtpHeader, payload: Uint8Array, isKept = true): void {
		const packet = { header, payload: Buffer.from(payload) };
		if (isKept) {
			this.#kept.set(`${header.ssrc}/${header.sequenceNumber}`, packet);
		}
		if (this.#kept.size > MAX_KEPT_PACKETS) {
			this.#kept.delete(this.#kept.keys().next().value!);
		}
		void this.#dtls.sendRtp(packet.payload, header);
	}

	/** A sender report that relates an RTP timestamp to a time (epoch milliseconds). */
	sendReport(ssrc: number, rtpTimestamp: number, atMs: number, packetCount: number, octetCount: number): void {
		const { seconds, fraction } = epochMsToNtp(atMs);
		const senderInfo = new RtcpSenderInfo({
			ntpTimestamp: (BigInt(seconds) << 32n) | BigInt(fraction),
			rtpTimestamp,
			packetCount,
			octetCount,
		});
		void this.#dtls.sendRtcp([new RtcpSrPacket({ ssrc, senderInfo })]);
	}

	/** Closes the sockets without a message to the server, as OBS's peer connection does. */
	async close(): Promise<void> {
		await this.#dtls.stop();
	}

	#resend(nack: GenericNack): void {
		for (const sequenceNumber of nack.lost) {
			const packet = this.#kept.get(`${nack.mediaSourceSsrc}/${sequenceNumber}`);
			if (packet !== undefined) {
				void this.#dtls.sendRtp(packet.payload, packet.header);
			}
		}
	}
}

/** ICE credentials and certificate fingerprint for an offer. */
export function offerValuesOf(
	ice: RTCIceTransport,
	dtls: RTCDtlsTransport,
): { usernameFragment: string; password: string; fingerprint: string } {
	const { usernameFragment, password } = ice.localParameters;
	const fingerprint = dtls.localParameters.fingerprints[0]!;
	return { usernameFragment, password, fingerprint: `${fingerprint.algorithm} ${fingerprint.value}` };
}

/** Connects to the answer's candidates over UDP. Rejects after the deadline. */
export async function connectDtls(
	clock: Clock,
	ice: RTCIceTransport,
	dtls: RTCDtlsTransport,
	{ usernameFragment, password, isIceLite, candidates, fingerprint, setup }: AnswerFacts,
	deadlineMs: number,
): Promise<void> {
	ice.setRemoteParams(new RTCIceParameters({ iceLite: isIceLite, usernameFragment, password }));
	for (const candidate of candidates) {
		if (/ udp /i.test(candidate)) {
			await ice.addRemoteCandidate(candidateFromSdp(candidate));
		}
	}
	await ice.addRemoteCandidate(undefined);
	const [ownRole, serverRole] = setup === 'active' ? (['server', 'client'] as const) : (['client', 'server'] as const);
	dtls.role = ownRole;
	const { algorithm, value } = fingerprint;
	dtls.setRemoteParams(new RTCDtlsParameters([new RTCDtlsFingerprint(algorithm, value)], serverRole));
	const connected = ice.start().then(() => dtls.start());
	await withDeadline(clock, connected, deadlineMs, () => {
		return new Error(`ICE and DTLS did not connect within ${deadlineMs} ms (ICE is ${ice.state}).`);
	});
}
