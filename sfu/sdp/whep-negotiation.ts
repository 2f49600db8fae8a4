/** A WHEP offer → the payload types and capabilities of its viewer, and what is answered. Pure. */
import type { Consumer, RtpCapabilities, RtpHeaderExtension } from 'mediasoup/types';
import { SpillwayError } from '../../core/errors/errors.ts';
import { H264_PARAMETERS, type PayloadTypes } from '../rtp/media-codecs.ts';
import { negotiateTransport, type NegotiatedTransport } from './bundle.ts';
import type { AnsweredMedia } from './sdp-answer.ts';
import type { OfferedCodec, OfferedMedia, SdpOffer } from './sdp-offer.ts';

/** A section that is served, and how. */
export type NegotiatedViewerMedia = { media: OfferedMedia; codec: OfferedCodec };

/** What a viewer can receive: at least one of both. */
export type NegotiatedViewer = {
	transport: NegotiatedTransport;
	video: NegotiatedViewerMedia | undefined;
	audio: NegotiatedViewerMedia | undefined;
	payloadTypes: PayloadTypes;
	/** The line to the viewer can be estimated: they report when each packet of the picture arrives. */
	canEstimate: boolean;
};

/** Feedback that mediasoup accepts from a viewer. */
const VIDEO_FEEDBACK = ['nack', 'nack pli', 'ccm fir'];
/** Answered to viewers whose line can be estimated. A Consumer has it only once that begins. */
const ESTIMATION_FEEDBACK = 'transport-cc';
const ESTIMATION_EXTENSION = 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01';
/** mediasoup writes the extension under no other id, whatever is offered. Our own page offers it so. */
const ESTIMATION_EXTENSION_ID = 5;

/**
 * Chooses one section of each kind, and its codec; all other sections are refused. Throws SDP_OFFER_UNSUPPORTED when a
 * kind that the viewer wants cannot be served, before any media starts, so that the player can fall back to LL-HLS.
 * `hasChoice`: of several pictures. Only then the line is estimated: viewers' reports of arrival cost the worker time.
 */
export function negotiateWhep(
	offer: SdpOffer,
	{ defaults, hasChoice }: { defaults: PayloadTypes; hasChoice: boolean },
): NegotiatedViewer {
	const offered = offer.sections.map(({ media }) => media).filter((media) => media !== undefined);
	const wanted = offered.filter(({ direction }) => direction === 'recvonly' || direction === 'sendrecv');
	if (wanted.length === 0) {
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [
			offered.length === 0
				? 'it has no audio or video section that is switched on'
				: `the ${offered[0]!.kind} section is ${offered[0]!.direction}; a viewer offers recvonly`,
		]);
	}
	const video = chooseSection(wanted, 'video', chooseH264, 'H.264 in packetization-mode 1');
	const audio = chooseSection(wanted, 'audio', chooseOpus, 'Opus');
	if (video !== undefined && video.codec.payloadType === audio?.codec.payloadType) {
		// RFC 9143 §9.1: a payload type means the same throughout a bundle.
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', ['audio and video have the same payload type']);
	}
	const served = [video, audio].map((section) => section?.media).filter((media) => media !== undefined);
	return {
		transport: negotiateTransport(offer, served),
		video,
		audio,
		payloadTypes: {
			h264: video?.codec.payloadType ?? defaults.h264,
			opus: audio?.codec.payloadType ?? defaults.opus,
		},
		canEstimate:
			hasChoice &&
			video?.codec.feedback.includes(ESTIMATION_FEEDBACK) === true &&
			video.media.headerExtensions.some(
				({ uri, id }) => uri === ESTIMATION_EXTENSION && id === ESTIMATION_EXTENSION_ID,
			),
	};
}

/**
 * In mediasoup's form. Header extensions count only where the viewer uses mediasoup's own ids for them.
 * `estimatesLine`: mediasoup estimates the line of a transport from the first Consumer with these on.
 */
export function viewerCapabilities(
	viewer: NegotiatedViewer,
	routerExtensions: readonly RtpHeaderExtension[],
	estimatesLine = false,
): RtpCapabilities {
	const headerExtensions: RtpHeaderExtension[] = [];
	for (const section of [viewer.video, viewer.audio]) {
		for (const offered of section?.media.headerExtensions ?? []) {
			const known = routerExtensions.find(
				(extension) =>
					extension.kind === section!.media.kind &&
					extension.uri === offered.uri &&
					extension.preferredId === offered.id,
			);
			const isWanted =
				WANTED_EXTENSIONS.has(offered.uri) ||
				(offered.uri === ESTIMATION_EXTENSION && viewer.canEstimate && section === viewer.video);
			if (known !== undefined && isWanted) {
				headerExtensions.push(known);
			}
		}
	}
	return {
		codecs: [
			{
				kind: 'video',
				mimeType: 'video/H264',
				clockRate: 90_000,
				preferredPayloadType: viewer.payloadTypes.h264,
				parameters: { ...H264_PARAMETERS },
				rtcpFeedback: [...VIDEO_FEEDBACK, ...(estimatesLine ? [ESTIMATION_FEEDBACK] : [])].map((entry) => {
					const [type, parameter] = entry.split(' ', 2);
					return { type: type!, ...(parameter === undefined ? {} : { parameter }) };
				}),
			},
			{
				kind: 'audio',
				mimeType: 'audio/opus',
				clockRate: 48_000,
				channels: 2,
				preferredPayloadType: viewer.payloadTypes.opus,
				parameters: {},
				rtcpFeedback: [],
			},
		],
		headerExtensions,
	};
}

const WANTED_EXTENSIONS: ReadonlySet<string> = new Set([
	'urn:ietf:params:rtp-hdrext:sdes:mid',
	'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time',
	'http://www.webrtc.org/experiments/rtp-hdrext/playout-delay',
]);

/** The answer's section for a Consumer. */
export function answerViewerMedia(section: NegotiatedViewerMedia, consumer: Consumer, streamId: string): AnsweredMedia {
	const used = new Set(consumer.rtpParameters.headerExtensions?.map((extension) => extension.uri as string));
	return {
		offered: section.media,
		direction: 'sendonly',
		codecs: [
			{
				...section.codec,
				feedback:
					section.media.kind === 'video'
						? section.codec.feedback.filter(
								(entry) =>
									VIDEO_FEEDBACK.includes(entry) || (entry === ESTIMATION_FEEDBACK && used.has(ESTIMATION_EXTENSION)),
							)
						: [],
				parameters:
					section.media.kind === 'audio'
						? { ...section.codec.parameters, stereo: 1, 'sprop-stereo': 1 }
						: section.codec.parameters,
			},
		],
		headerExtensions: section.media.headerExtensions.filter((extension) => used.has(extension.uri)),
		sending: {
			ssrc: consumer.rtpParameters.encodings![0]!.ssrc!,
			cname: consumer.rtpParameters.rtcp?.cname ?? streamId,
			streamId,
			trackId: section.media.kind,
		},
	};
}

function chooseSection(
	wanted: readonly OfferedMedia[],
	kind: 'audio' | 'video',
	chooseCodec: (media: OfferedMedia) => OfferedCodec | undefined,
	codecName: string,
): NegotiatedViewerMedia | undefined {
	const sections = wanted.filter((media) => media.kind === kind);
	for (const media of sections) {
		const codec = chooseCodec(media);
		if (codec !== undefined) {
			return { media, codec };
		}
	}
	if (sections.length > 0) {
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [`the viewer cannot take ${codecName}`]);
	}
	return undefined;
}

function chooseOpus(media: OfferedMedia): OfferedCodec | undefined {
	return media.codecs.find((codec) => codec.name === 'opus' && codec.clockRate === 48_000);
}

function chooseH264(media: OfferedMedia): OfferedCodec | undefined {
	const usable = media.codecs.filter(
		(codec) => codec.name === 'h264' && Number(codec.parameters['packetization-mode'] ?? 0) === 1,
	);
	return (
		usable.find((codec) => String(codec.parameters['profile-level-id'] ?? '').toLowerCase() === '42e01f') ??
		usable.find((codec) => /^42/.test(String(codec.parameters['profile-level-id'] ?? ''))) ??
		usable[0]
	);
}
