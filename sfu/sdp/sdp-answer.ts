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
	const transportLines = formatTransport(own, transport);
	const candidates = orderCandidates(own.iceCandidates, preferredAddress);
	const lines = [
		...['v=0', 'o=spillway 1 1 IN IP4 0.0.0.0', 's=-', 't=0 0', 'a=ice-lite'],
		...(transport.bundle === undefined ? [] : [`a=group:BUNDLE ${transport.bundle.join(' ')}`]),
		'a=msid-semantic: WMS *',
		// RFC 3264 §6: as many sections as the offer has, in its order.
		...offer.sections.flatMap((section, index) => {
			const answered = media.find(({ offered }) => offered.index === index);
			return answered === undefined
				? formatRefusal(section, transportLines)
				: formatMedia(section, answered, transportLines, candidates);
		}),
	];
	return `${lines.join('\r\n')}\r\n`;
}

// RFC 3264 §6: port 0 refuses; the format has no meaning, but must be present. It is in no BUNDLE group (RFC 9143
// §7.3.3). aiortc 1.16 refuses the whole answer when a section, even a refused one, has no ICE credentials.
function formatRefusal(section: OfferedSection, transportLines: readonly string[]): string[] {
	return [...formatStart(section, 0, section.format), 'a=inactive', ...transportLines];
}

function formatStart({ type, protocol, mid }: OfferedSection, port: number, formats: string): string[] {
	return [
		`m=${type} ${port} ${protocol} ${formats}`,
		'c=IN IP4 0.0.0.0',
		...(mid === undefined ? [] : [`a=mid:${mid}`]),
	];
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

function formatMedia(
	section: OfferedSection,
	{ codecs, direction, headerExtensions, receivingRids: rids = [], sending }: AnsweredMedia,
	transportLines: readonly string[],
	candidates: readonly IceCandidate[],
): string[] {
	return [
		...formatStart(section, 9, codecs.map(({ payloadType }) => payloadType).join(' ')),
		`a=${direction}`,
		...transportLines,
		...headerExtensions.map(({ id, uri }) => `a=extmap:${id} ${uri}`),
		...codecs.flatMap(formatCodec),
		...rids.map((rid) => `a=rid:${rid} recv`),
		...(rids.length > 0 ? [`a=simulcast:recv ${rids.join(';')}`] : []),
		...(sending === undefined ? [] : formatSending(sending)),
		...candidates.map(formatCandidate),
		'a=end-of-candidates',
	];
}

function formatSending({ ssrc, cname, streamId, trackId }: NonNullable<AnsweredMedia['sending']>): string[] {
	const msid = `msid:${streamId} ${trackId}`;
	return [`a=${msid}`, `a=ssrc:${ssrc} cname:${cname}`, `a=ssrc:${ssrc} ${msid}`];
}

function formatCodec({ payloadType, name, clockRate, channelCount, parameters, feedback }: OfferedCodec): string[] {
	const writtenName = name === 'h264' ? 'H264' : name === 'vp8' ? 'VP8' : name;
	const format = Object.entries(parameters).map(([key, value]) => `${key}=${value}`);
	return [
		`a=rtpmap:${payloadType} ${writtenName}/${clockRate}${channelCount === undefined ? '' : `/${channelCount}`}`,
		...(format.length > 0 ? [`a=fmtp:${payloadType} ${format.join(';')}`] : []),
		...feedback.map((entry) => `a=rtcp-fb:${payloadType} ${entry}`),
	];
}

/**
 * UDP before TCP, and first of all the address by which the client demonstrably reached us. FFmpeg's WHIP muxer uses
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
	return `a=candidate:${candidate.foundation} 1 ${candidate.protocol} ${candidate.priority} ${candidate.address} ${candidate.port} typ host${tcpType}`;
}
