/** A WHEP offer → the payload types and capabilities its viewer has to be served with, and what is answered. Pure. */
import type { Consumer, RtpCapabilities, RtpHeaderExtension } from 'mediasoup/types';
import { SpillwayError } from '../../core/errors.ts';
import { H264_PARAMETERS, type PayloadTypes } from '../media-codecs.ts';
import type { AnsweredMedia } from './sdp-answer.ts';
import type { OfferedCodec, OfferedMedia, SdpOffer } from './sdp-offer.ts';

/** What a viewer can take. */
export type NegotiatedViewer = {
	video: { media: OfferedMedia; codec: OfferedCodec } | undefined;
	audio: { media: OfferedMedia; codec: OfferedCodec } | undefined;
	payloadTypes: PayloadTypes;
};

/** Feedback that mediasoup takes from a viewer. No bandwidth estimation: there is one live layer, nothing to choose. */
const VIDEO_FEEDBACK = ['nack', 'nack pli', 'ccm fir'];

/** Chooses the codecs. Throws SDP_OFFER_UNSUPPORTED before any media starts, so that the player can fall to LL-HLS. */
export function negotiateWhep(offer: SdpOffer, defaults: PayloadTypes): NegotiatedViewer {
	for (const media of offer.media) {
		if (media.direction !== 'recvonly' && media.direction !== 'sendrecv') {
			throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [
				`the ${media.kind} section is ${media.direction}; a viewer offers recvonly`,
			]);
		}
	}
	const videoMedia = only(offer, 'video');
	const audioMedia = only(offer, 'audio');
	const videoCodec = videoMedia === undefined ? undefined : chooseH264(videoMedia);
	const audioCodec = audioMedia?.codecs.find((codec) => codec.name === 'opus' && codec.clockRate === 48_000);
	if (videoMedia !== undefined && videoCodec === undefined) {
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', ['the viewer cannot take H.264 in packetization-mode 1']);
	}
	if (audioMedia !== undefined && audioCodec === undefined) {
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', ['the viewer cannot take Opus']);
	}
	return {
		video: videoMedia === undefined ? undefined : { media: videoMedia, codec: videoCodec! },
		audio: audioMedia === undefined ? undefined : { media: audioMedia, codec: audioCodec! },
		payloadTypes: {
			h264: videoCodec?.payloadType ?? defaults.h264,
			opus: audioCodec?.payloadType ?? defaults.opus,
		},
	};
}

/** Capabilities in mediasoup's form. Header extensions count only where the viewer uses mediasoup's own ids for them. */
export function viewerCapabilities(
	viewer: NegotiatedViewer,
	routerExtensions: readonly RtpHeaderExtension[],
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
			if (known !== undefined && WANTED_EXTENSIONS.has(known.uri)) {
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
				rtcpFeedback: VIDEO_FEEDBACK.map((entry) => {
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
export function answerViewerMedia(
	section: { media: OfferedMedia; codec: OfferedCodec },
	consumer: Consumer,
	streamId: string,
): AnsweredMedia {
	const used = new Set(consumer.rtpParameters.headerExtensions?.map((extension) => extension.uri as string));
	return {
		offered: section.media,
		direction: 'sendonly',
		codecs: [
			{
				...section.codec,
				feedback:
					section.media.kind === 'video'
						? section.codec.feedback.filter((entry) => VIDEO_FEEDBACK.includes(entry))
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

function only(offer: SdpOffer, kind: 'audio' | 'video'): OfferedMedia | undefined {
	const sections = offer.media.filter((media) => media.kind === kind);
	if (sections.length > 1) {
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [`it has more than one ${kind} section`]);
	}
	return sections[0];
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
