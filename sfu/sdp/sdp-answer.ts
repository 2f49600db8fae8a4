/** Writes an SDP answer (RFC 8829) of an ICE-lite server: all candidates in it, one bundle, RTCP multiplexed. */
import type { DtlsParameters, IceCandidate, IceParameters, WebRtcTransport } from 'mediasoup/types';
import type { OfferedCodec, OfferedMedia } from './sdp-offer.ts';

/** One answered m-section. */
export type AnsweredMedia = {
	offered: OfferedMedia;
	direction: 'sendonly' | 'recvonly';
	/** Codecs with the offer's payload types; RTX included. */
	codecs: OfferedCodec[];
	headerExtensions: { id: number; uri: string }[];
	/** What we send: the SSRC, and the stream's names. */
	sending?: { ssrc: number; cname: string; streamId: string; trackId: string };
	/** Simulcast layers that we receive. */
	receivingRids?: readonly string[];
};

/** The DTLS role of the answer to an offered one: as told when the offer decides, else passive, which OBS expects. */
export function answerSetup(offered: 'actpass' | 'active' | 'passive'): 'active' | 'passive' {
	return offered === 'passive' ? 'active' : 'passive';
}

/** The role mediasoup has to assume of the other side, with its fingerprint (RFC 8122 §5). */
export function remoteDtlsParameters(media: OfferedMedia): DtlsParameters {
	return {
		role: answerSetup(media.setup) === 'active' ? 'server' : 'client',
		fingerprints: [
			{
				algorithm: media.fingerprint.algorithm as DtlsParameters['fingerprints'][number]['algorithm'],
				value: media.fingerprint.value,
			},
		],
	};
}

/** The text of the answer. `preferredAddress`: the address by which the other side reached us, put first (see below). */
export function writeSdpAnswer(
	transport: Pick<WebRtcTransport, 'iceParameters' | 'iceCandidates' | 'dtlsParameters'>,
	media: readonly AnsweredMedia[],
	preferredAddress: string | undefined,
): string {
	const lines = [
		'v=0',
		'o=spillway 1 1 IN IP4 0.0.0.0',
		's=-',
		't=0 0',
		'a=ice-lite',
		`a=group:BUNDLE ${media.map((section) => section.offered.mid).join(' ')}`,
		'a=msid-semantic: WMS *',
	];
	const candidates = orderCandidates(transport.iceCandidates, preferredAddress);
	for (const section of media) {
		pushMedia(lines, section, transport.iceParameters, transport.dtlsParameters, candidates);
	}
	return `${lines.join('\r\n')}\r\n`;
}

function pushMedia(
	lines: string[],
	section: AnsweredMedia,
	ice: IceParameters,
	dtls: DtlsParameters,
	candidates: readonly IceCandidate[],
): void {
	const { offered } = section;
	const fingerprint = dtls.fingerprints.find((entry) => entry.algorithm === 'sha-256') ?? dtls.fingerprints[0]!;
	lines.push(
		`m=${offered.kind} 9 UDP/TLS/RTP/SAVPF ${section.codecs.map((codec) => codec.payloadType).join(' ')}`,
		'c=IN IP4 0.0.0.0',
		`a=mid:${offered.mid}`,
		`a=${section.direction}`,
		`a=ice-ufrag:${ice.usernameFragment}`,
		`a=ice-pwd:${ice.password}`,
		`a=fingerprint:${fingerprint.algorithm} ${fingerprint.value}`,
		`a=setup:${answerSetup(offered.setup)}`,
		'a=rtcp-mux',
		// RFC 9725 §4.4.1 wants it in every bundled section of the answer; it may not be demanded of the offer.
		'a=rtcp-mux-only',
		'a=rtcp-rsize',
	);
	for (const extension of section.headerExtensions) {
		lines.push(`a=extmap:${extension.id} ${extension.uri}`);
	}
	for (const codec of section.codecs) {
		pushCodec(lines, codec);
	}
	if (section.receivingRids !== undefined && section.receivingRids.length > 0) {
		for (const rid of section.receivingRids) {
			lines.push(`a=rid:${rid} recv`);
		}
		lines.push(`a=simulcast:recv ${section.receivingRids.join(';')}`);
	}
	if (section.sending !== undefined) {
		const { ssrc, cname, streamId, trackId } = section.sending;
		lines.push(
			`a=msid:${streamId} ${trackId}`,
			`a=ssrc:${ssrc} cname:${cname}`,
			`a=ssrc:${ssrc} msid:${streamId} ${trackId}`,
		);
	}
	for (const candidate of candidates) {
		lines.push(`a=${formatCandidate(candidate)}`);
	}
	lines.push('a=end-of-candidates');
}

function pushCodec(lines: string[], codec: OfferedCodec): void {
	const name = codec.name === 'h264' ? 'H264' : codec.name === 'vp8' ? 'VP8' : codec.name;
	const channels = codec.channelCount === undefined ? '' : `/${codec.channelCount}`;
	lines.push(`a=rtpmap:${codec.payloadType} ${name}/${codec.clockRate}${channels}`);
	const parameters = Object.entries(codec.parameters);
	if (parameters.length > 0) {
		lines.push(`a=fmtp:${codec.payloadType} ${parameters.map(([key, value]) => `${key}=${value}`).join(';')}`);
	}
	for (const feedback of codec.feedback) {
		lines.push(`a=rtcp-fb:${codec.payloadType} ${feedback}`);
	}
}

/**
 * UDP before TCP, and first of all the address by which the client demonstrably reached us: FFmpeg's WHIP muxer takes the
 * first UDP host candidate and looks at no other. The rest stays, for behind a proxy that address is the proxy's.
 */
function orderCandidates(candidates: readonly IceCandidate[], preferredAddress: string | undefined): IceCandidate[] {
	const rank = (candidate: IceCandidate): number =>
		(candidate.protocol === 'udp' ? 0 : 2) + (candidate.address === preferredAddress ? 0 : 1);
	return candidates.toSorted((one, other) => rank(one) - rank(other));
}

// RFC 8839 §5.1; tcptype per RFC 6544 §4.5.
function formatCandidate(candidate: IceCandidate): string {
	const tcpType = candidate.protocol === 'tcp' ? ` tcptype ${candidate.tcpType ?? 'passive'}` : '';
	return `candidate:${candidate.foundation} 1 ${candidate.protocol} ${candidate.priority} ${candidate.address} ${candidate.port} typ host${tcpType}`;
}
