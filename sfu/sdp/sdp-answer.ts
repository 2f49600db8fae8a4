/** Writes an SDP answer (RFC 8829) of an ICE-lite server: all candidates in it, one bundle, RTCP multiplexed. */
import type { IceCandidate, WebRtcTransport } from 'mediasoup/types';
import { answerSetup, type NegotiatedTransport } from './bundle.ts';
import type { OfferedCodec, OfferedMedia, OfferedSection, SdpOffer } from './sdp-offer.ts';

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

/** The answered sections of an offer, in any order; all others are refused. */
type NegotiatedAnswer = {
	offer: SdpOffer;
	transport: NegotiatedTransport;
	media: readonly AnsweredMedia[];
};

type OwnTransport = Pick<WebRtcTransport, 'iceParameters' | 'iceCandidates' | 'dtlsParameters'>;

/** `preferredAddress`: the address by which the other side reached us, which is put first. */
export function writeSdpAnswer(
	own: OwnTransport,
	{ offer, transport, media }: NegotiatedAnswer,
	preferredAddress: string | undefined,
): string {
	const lines = ['v=0', 'o=spillway 1 1 IN IP4 0.0.0.0', 's=-', 't=0 0', 'a=ice-lite'];
	if (transport.bundle !== undefined) {
		lines.push(`a=group:BUNDLE ${transport.bundle.join(' ')}`);
	}
	lines.push('a=msid-semantic: WMS *');
	const transportLines = formatTransport(own, transport);
	const candidates = orderCandidates(own.iceCandidates, preferredAddress);
	// RFC 3264 §6: as many sections as the offer has, in its order.
	offer.sections.forEach((section, index) => {
		const answered = media.find(({ offered }) => offered.index === index);
		if (answered === undefined) {
			pushRefusal(lines, section, transportLines);
		} else {
			pushMedia(lines, section, answered, transportLines, candidates);
		}
	});
	return `${lines.join('\r\n')}\r\n`;
}

// RFC 3264 §6: port 0 refuses; the format has no meaning, but must be present. It is in no BUNDLE group (RFC 9143
// §7.3.3). aiortc 1.16 refuses the whole answer when a section, even a refused one, has no ICE credentials.
function pushRefusal(lines: string[], section: OfferedSection, transportLines: readonly string[]): void {
	lines.push(`m=${section.type} 0 ${section.protocol} ${section.format}`, 'c=IN IP4 0.0.0.0');
	if (section.mid !== undefined) {
		lines.push(`a=mid:${section.mid}`);
	}
	lines.push('a=inactive', ...transportLines);
}

function formatTransport({ iceParameters, dtlsParameters }: OwnTransport, { setup }: NegotiatedTransport): string[] {
	const fingerprint =
		dtlsParameters.fingerprints.find((entry) => entry.algorithm === 'sha-256') ?? dtlsParameters.fingerprints[0]!;
	return [
		`a=ice-ufrag:${iceParameters.usernameFragment}`,
		`a=ice-pwd:${iceParameters.password}`,
		`a=fingerprint:${fingerprint.algorithm} ${fingerprint.value}`,
		`a=setup:${answerSetup(setup)}`,
		'a=rtcp-mux',
		// RFC 9725 §4.4.1 requires it in every bundled section of the answer; the offer need not have it.
		'a=rtcp-mux-only',
		'a=rtcp-rsize',
	];
}

function pushMedia(
	lines: string[],
	section: OfferedSection,
	answered: AnsweredMedia,
	transportLines: readonly string[],
	candidates: readonly IceCandidate[],
): void {
	const payloadTypes = answered.codecs.map((codec) => codec.payloadType).join(' ');
	lines.push(`m=${section.type} 9 ${section.protocol} ${payloadTypes}`, 'c=IN IP4 0.0.0.0');
	if (section.mid !== undefined) {
		lines.push(`a=mid:${section.mid}`);
	}
	lines.push(`a=${answered.direction}`, ...transportLines);
	for (const extension of answered.headerExtensions) {
		lines.push(`a=extmap:${extension.id} ${extension.uri}`);
	}
	for (const codec of answered.codecs) {
		pushCodec(lines, codec);
	}
	const rids = answered.receivingRids ?? [];
	if (rids.length > 0) {
		lines.push(...rids.map((rid) => `a=rid:${rid} recv`), `a=simulcast:recv ${rids.join(';')}`);
	}
	if (answered.sending !== undefined) {
		const { ssrc, cname, streamId, trackId } = answered.sending;
		lines.push(
			`a=msid:${streamId} ${trackId}`,
			`a=ssrc:${ssrc} cname:${cname}`,
			`a=ssrc:${ssrc} msid:${streamId} ${trackId}`,
		);
	}
	lines.push(...candidates.map((candidate) => `a=${formatCandidate(candidate)}`), 'a=end-of-candidates');
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
 * UDP before TCP, and first of all the address by which the client demonstrably reached us: FFmpeg's WHIP muxer uses
 * the first UDP host candidate and no other. The rest stays, because behind a proxy that address is the proxy's.
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
