/** A WHIP offer → what mediasoup needs of it, and what is answered (RFC 9725 §4). Pure. */
import type { RtpCodecParameters, RtpEncodingParameters, RtpParameters } from 'mediasoup/types';
import { SpillwayError } from '../../core/errors/errors.ts';
import { H264_PARAMETERS, OPAQUE_VIDEO_CODEC } from '../rtp/media-codecs.ts';
import { negotiateTransport, type NegotiatedTransport } from './bundle.ts';
import type { AnsweredMedia } from './sdp-answer.ts';
import { asText, type OfferedCodec, type OfferedMedia, type SdpOffer } from './sdp-offer.ts';

/** What a publisher will send. At least one track. */
export type NegotiatedPublisher = {
	offer: SdpOffer;
	transport: NegotiatedTransport;
	tracks: NegotiatedPublisherTrack[];
};

export type NegotiatedPublisherTrack = {
	kind: 'audio' | 'video';
	codec: 'h264' | 'vp8' | 'opus';
	rtpParameters: RtpParameters;
	/** H.264's `sprop-parameter-sets` (RFC 6184 §8.1) as the offer has it: base64, separated by commas. */
	spropParameterSets: string | undefined;
	answer: AnsweredMedia;
};

const MID_EXTENSION = 'urn:ietf:params:rtp-hdrext:sdes:mid';
const RID_EXTENSION = 'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id';

/** Header extensions that mediasoup uses when receiving. */
const RECEIVED_EXTENSIONS = new Set([
	MID_EXTENSION,
	RID_EXTENSION,
	'urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id',
	'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
	'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
]);

/** Feedback that mediasoup sends to a publisher. */
const SENT_FEEDBACK = new Set(['nack', 'nack pli', 'ccm fir', 'goog-remb', 'transport-cc']);

/**
 * Chooses the tracks. Throws SDP_OFFER_UNSUPPORTED when audio or video cannot be accepted: RFC 9725 §4.4.3 knows no
 * partial success. Other sections, such as a data channel, carry nothing that viewers miss, and are refused alone.
 */
export function negotiateWhip(offer: SdpOffer): NegotiatedPublisher {
	const offered = offer.sections.map(({ media }) => media).filter((media) => media !== undefined);
	if (offered.length === 0) {
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', ['it has no audio or video section that is switched on']);
	}
	for (const kind of ['audio', 'video'] as const) {
		if (offered.filter((media) => media.kind === kind).length > 1) {
			throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [`it has more than one ${kind} track`]);
		}
	}
	const streamIds = new Set(offered.map((media) => media.streamId).filter((id) => id !== undefined && id !== '-'));
	if (streamIds.size > 1) {
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', ['its tracks belong to more than one media stream']);
	}
	for (const { kind, direction } of offered) {
		// RFC 9725 §4.2: "sendonly" SHOULD, "sendrecv" MAY be used; "inactive" and "recvonly" MUST NOT.
		if (direction !== 'sendonly' && direction !== 'sendrecv') {
			throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [
				`the ${kind} section is ${direction}; a publisher offers sendonly`,
			]);
		}
	}
	const extensions = receivedExtensions(offered);
	const tracks = offered.map((media, index) => negotiateTrack(media, extensions[index]!));
	checkPayloadTypes(tracks);
	return { offer, transport: negotiateTransport(offer, offered), tracks };
}

// RFC 9143 §9.1: a payload type means the same throughout a bundle.
function checkPayloadTypes(tracks: readonly NegotiatedPublisherTrack[]): void {
	const payloadTypes = tracks.flatMap(({ rtpParameters }) =>
		rtpParameters.codecs.map(({ payloadType }) => payloadType),
	);
	if (new Set(payloadTypes).size < payloadTypes.length) {
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', ['audio and video have the same payload type']);
	}
}

// RFC 8285 §6: an id means the same extension throughout a bundle. mediasoup has one id for each extension of a
// transport, so a section does without an extension that it names differently from the one before it.
function receivedExtensions(offered: readonly OfferedMedia[]): OfferedMedia['headerExtensions'][] {
	const idOf = new Map<string, number>();
	const uriOf = new Map<number, string>();
	return offered.map(({ headerExtensions, rids }) =>
		headerExtensions.filter(({ id, uri }) => {
			if (!RECEIVED_EXTENSIONS.has(uri) || (rids.length < 2 && uri.endsWith('rtp-stream-id'))) {
				return false;
			}
			const isFree = (idOf.get(uri) ?? id) === id && (uriOf.get(id) ?? uri) === uri;
			if (isFree) {
				idOf.set(uri, id);
				uriOf.set(id, uri);
			}
			return isFree;
		}),
	);
}

function negotiateTrack(
	media: OfferedMedia,
	headerExtensions: OfferedMedia['headerExtensions'],
): NegotiatedPublisherTrack {
	const chosen = media.kind === 'audio' ? chooseAudio(media) : chooseVideo(media);
	const codecName = chosen.name as 'h264' | 'vp8' | 'opus';
	const rtx = media.codecs.find((codec) => codec.name === 'rtx' && codec.parameters['apt'] === chosen.payloadType);
	const feedback = chosen.feedback.filter((entry) => SENT_FEEDBACK.has(entry));
	const isSimulcast = media.rids.length > 1;
	checkRecognizable(media, headerExtensions, isSimulcast);
	const isOpaque = codecName === 'h264' && !isSimulcast && chosen.parameters['sprop-parameter-sets'] !== undefined;
	const codecs: RtpCodecParameters[] = [
		{ ...rtpCodec(chosen, codecName, feedback), ...(isOpaque ? OPAQUE_VIDEO_CODEC : {}) },
	];
	if (rtx !== undefined) {
		codecs.push({
			mimeType: 'video/rtx',
			payloadType: rtx.payloadType,
			clockRate: chosen.clockRate,
			parameters: { apt: chosen.payloadType },
			rtcpFeedback: [],
		});
	}
	return {
		kind: media.kind,
		codec: codecName,
		rtpParameters: {
			...(media.mid === undefined ? {} : { mid: media.mid }),
			codecs,
			headerExtensions: headerExtensions.map((extension) => ({
				uri: extension.uri as NonNullable<RtpParameters['headerExtensions']>[number]['uri'],
				id: extension.id,
			})),
			encodings: encodings(media, isSimulcast),
			rtcp: { reducedSize: true },
		},
		spropParameterSets: codecName === 'h264' ? asText(chosen.parameters['sprop-parameter-sets']) : undefined,
		answer: {
			offered: media,
			direction: 'recvonly',
			codecs: [answerCodec(chosen, feedback), ...(rtx === undefined ? [] : [{ ...rtx, feedback: [] }])],
			headerExtensions,
			...(isSimulcast ? { receivingRids: media.rids } : {}),
		},
	};
}

// mediasoup assigns packets by SSRC, MID and RID: without any of them none reaches a track (RFC 8829 §5.2.1 requires
// that the MID is offered).
function checkRecognizable(
	media: OfferedMedia,
	headerExtensions: OfferedMedia['headerExtensions'],
	isSimulcast: boolean,
): void {
	const has = (uri: string): boolean => headerExtensions.some((extension) => extension.uri === uri);
	if (isSimulcast && !has(RID_EXTENSION)) {
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [
			`its simulcast layers cannot be distinguished: the video section has to offer the header extension ${RID_EXTENSION}`,
		]);
	}
	if (!isSimulcast && media.ssrcs.length === 0 && (media.mid === undefined || !has(MID_EXTENSION))) {
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [
			`the packets of the ${media.kind} section cannot be distinguished from others: it has to name its SSRC (a=ssrc), or to offer the header extension ${MID_EXTENSION} under the id that it has in the other sections`,
		]);
	}
}

function encodings(media: OfferedMedia, isSimulcast: boolean): RtpEncodingParameters[] {
	if (isSimulcast) {
		return media.rids.map((rid) => ({ rid }));
	}
	const first = media.ssrcs[0];
	if (first === undefined) {
		return [{}];
	}
	return [{ ssrc: first.ssrc, ...(first.rtxSsrc === undefined ? {} : { rtx: { ssrc: first.rtxSsrc } }) }];
}

function chooseAudio(media: OfferedMedia): OfferedCodec {
	const opus = media.codecs.find((codec) => codec.name === 'opus' && codec.clockRate === 48_000);
	if (opus === undefined) {
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [`the audio section has no Opus (it has ${codecNames(media)})`]);
	}
	return opus;
}

// H.264 at any place in the order, since it reaches both tiers without re-encoding; 42e01f before others, since
// encoders without B-frames use it. Then H.264 without fragments (mode 0, which is also the default: RFC 6184 §8.1),
// then VP8.
function chooseVideo(media: OfferedMedia): OfferedCodec {
	const h264 = media.codecs.filter((codec) => codec.name === 'h264' && packetizationMode(codec) <= 1);
	const fragmented = h264.filter((codec) => packetizationMode(codec) === 1);
	const chosen =
		fragmented.find((codec) => /^42e0/i.test(String(codec.parameters['profile-level-id'] ?? ''))) ??
		fragmented[0] ??
		h264[0] ??
		media.codecs.find((codec) => codec.name === 'vp8');
	if (chosen === undefined) {
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [
			`the video section has neither H.264 in packetization-mode 0 or 1 nor VP8 (it has ${codecNames(media)})`,
		]);
	}
	return chosen;
}

function packetizationMode(codec: OfferedCodec): number {
	return Number(codec.parameters['packetization-mode'] ?? 0);
}

function codecNames(media: OfferedMedia): string {
	const names = [...new Set(media.codecs.map((codec) => codec.name))]
		.filter((name) => /^[\w.-]{1,20}$/.test(name))
		.slice(0, 8);
	return names.join(', ') || 'no codec';
}

function rtpCodec(codec: OfferedCodec, name: 'h264' | 'vp8' | 'opus', feedback: readonly string[]): RtpCodecParameters {
	return {
		mimeType: name === 'opus' ? 'audio/opus' : name === 'h264' ? 'video/H264' : 'video/VP8',
		payloadType: codec.payloadType,
		clockRate: codec.clockRate,
		...(name === 'opus' ? { channels: 2 } : {}),
		parameters: name === 'h264' ? { ...H264_PARAMETERS } : {},
		rtcpFeedback: feedback.map((entry) => {
			const [type, parameter] = entry.split(' ', 2);
			return { type: type!, ...(parameter === undefined ? {} : { parameter }) };
		}),
	};
}

// The bit rate at which Chromium starts instead of 300 kbit/s; all others ignore it. Without it a browser's picture is
// poor for its first ten seconds.
const CHROMIUM_START_KBPS = 2500;

function answerCodec(codec: OfferedCodec, feedback: string[]): OfferedCodec {
	// RFC 6184 §8.2.2: parameters that describe a stream are for its sender.
	const parameters = Object.fromEntries(
		Object.entries(codec.parameters).filter(([name]) => name !== 'sprop-parameter-sets'),
	);
	const usesBandwidthEstimation = feedback.includes('transport-cc') || feedback.includes('goog-remb');
	return {
		...codec,
		feedback,
		parameters:
			codec.name === 'opus'
				? { ...parameters, stereo: 1, 'sprop-stereo': 1 }
				: usesBandwidthEstimation
					? { ...parameters, 'x-google-start-bitrate': CHROMIUM_START_KBPS }
					: parameters,
	};
}
