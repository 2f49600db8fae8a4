/** A WHIP offer → what mediasoup has to be told of it, and what is answered (RFC 9725 §4). Pure. */
import type { RtpCodecParameters, RtpEncodingParameters, RtpParameters } from 'mediasoup/types';
import { SpillwayError } from '../../core/errors.ts';
import { H264_PARAMETERS, OPAQUE_VIDEO_CODEC } from '../media-codecs.ts';
import type { AnsweredMedia } from './sdp-answer.ts';
import type { OfferedCodec, OfferedMedia, SdpOffer } from './sdp-offer.ts';

/** One track that a publisher will send. */
export type NegotiatedPublisherTrack = {
	kind: 'audio' | 'video';
	codec: 'h264' | 'vp8' | 'opus';
	rtpParameters: RtpParameters;
	answer: AnsweredMedia;
};

/** Header extensions that mediasoup makes use of when receiving. */
const RECEIVED_EXTENSIONS = new Set([
	'urn:ietf:params:rtp-hdrext:sdes:mid',
	'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
	'urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id',
	'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
	'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
]);

/** Feedback that mediasoup sends to a publisher. */
const SENT_FEEDBACK = new Set(['nack', 'nack pli', 'ccm fir', 'goog-remb', 'transport-cc']);

/** Chooses the tracks. Throws SDP_OFFER_UNSUPPORTED when any section cannot be taken: there is no partial success. */
export function negotiateWhip(offer: SdpOffer): NegotiatedPublisherTrack[] {
	for (const kind of ['audio', 'video'] as const) {
		if (offer.media.filter((media) => media.kind === kind).length > 1) {
			throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [`it has more than one ${kind} track`]);
		}
	}
	const streamIds = new Set(offer.media.map((media) => media.streamId).filter((id) => id !== undefined && id !== '-'));
	if (streamIds.size > 1) {
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', ['its tracks belong to more than one media stream']);
	}
	return offer.media.map((media) => {
		// RFC 9725 §4.2: "sendonly" SHOULD, "sendrecv" MAY be used; "inactive" and "recvonly" MUST NOT.
		if (media.direction !== 'sendonly' && media.direction !== 'sendrecv') {
			throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [
				`the ${media.kind} section is ${media.direction}; a publisher offers sendonly`,
			]);
		}
		return negotiateTrack(media);
	});
}

function negotiateTrack(media: OfferedMedia): NegotiatedPublisherTrack {
	const chosen = media.kind === 'audio' ? chooseAudio(media) : chooseVideo(media);
	const codecName = chosen.name as 'h264' | 'vp8' | 'opus';
	const rtx = media.codecs.find((codec) => codec.name === 'rtx' && codec.parameters['apt'] === chosen.payloadType);
	const feedback = chosen.feedback.filter((entry) => SENT_FEEDBACK.has(entry));
	const isSimulcast = media.rids.length > 1;
	const headerExtensions = media.headerExtensions.filter(
		(extension) => RECEIVED_EXTENSIONS.has(extension.uri) && (isSimulcast || !extension.uri.endsWith('rtp-stream-id')),
	);
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
			mid: media.mid,
			codecs,
			headerExtensions: headerExtensions.map((extension) => ({
				uri: extension.uri as NonNullable<RtpParameters['headerExtensions']>[number]['uri'],
				id: extension.id,
			})),
			encodings: encodings(media, isSimulcast),
			rtcp: { reducedSize: true },
		},
		answer: {
			offered: media,
			direction: 'recvonly',
			codecs: [answerCodec(chosen, feedback), ...(rtx === undefined ? [] : [{ ...rtx, feedback: [] }])],
			headerExtensions,
			...(isSimulcast ? { receivingRids: media.rids } : {}),
		},
	};
}

// Lowest layer first, as mediasoup counts them; OBS's rid 0 is the largest.
function encodings(media: OfferedMedia, isSimulcast: boolean): RtpEncodingParameters[] {
	if (isSimulcast) {
		return media.rids.toReversed().map((rid) => ({ rid }));
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

// H.264 wherever it stands in the order, since it reaches both tiers without re-encoding; 42e01f before others, since
// encoders without B-frames stand behind it. Then VP8.
function chooseVideo(media: OfferedMedia): OfferedCodec {
	const h264 = media.codecs.filter(
		(codec) => codec.name === 'h264' && Number(codec.parameters['packetization-mode'] ?? 0) === 1,
	);
	const chosen =
		h264.find((codec) => /^42e0/i.test(String(codec.parameters['profile-level-id'] ?? ''))) ??
		h264[0] ??
		media.codecs.find((codec) => codec.name === 'vp8');
	if (chosen === undefined) {
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [
			`the video section has neither H.264 in packetization-mode 1 nor VP8 (it has ${codecNames(media)})`,
		]);
	}
	return chosen;
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

// The bit rate that Chromium starts from instead of 300 kbit/s; ignored by all others. Without it a browser's picture is
// poor for its first ten seconds.
const CHROMIUM_START_KBPS = 2500;

function answerCodec(codec: OfferedCodec, feedback: string[]): OfferedCodec {
	// They describe what the offerer sends; we send nothing.
	const { 'sprop-parameter-sets': _sprop, ...parameters } = codec.parameters;
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
