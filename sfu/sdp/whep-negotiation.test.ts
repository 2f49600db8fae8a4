/** Tests of how a viewer's offer decides its payload types and capabilities. */
import * as mediasoup from 'mediasoup';
import type { Consumer } from 'mediasoup/types';
import { describe, expect, it } from 'vitest';
import { DEFAULT_PAYLOAD_TYPES } from '../rtp/media-codecs.ts';
import { ABS_CAPTURE_TIME_EXTENSION_ID } from '../../core/wire/rtp/rtp-packet.ts';
import { refusalOf } from '../testing/refusal.ts';
import { CHROMIUM_WHEP_OFFER, OBS_OFFER } from '../testing/sdp-fixtures.ts';
import { parseSdpOffer } from './sdp-offer.ts';
import { answerViewerMedia, negotiateWhep, viewerCapabilities } from './whep-negotiation.ts';

const ABS_CAPTURE_TIME = 'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time';
/** The payload types of a browser that numbers its codecs differently from Chromium. */
const OTHER_OFFER = CHROMIUM_WHEP_OFFER.replaceAll(/\b108\b/g, '125').replaceAll(/\b111\b/g, '109');

const negotiate = (offer: string): ReturnType<typeof negotiateWhep> =>
	negotiateWhep(parseSdpOffer(offer), DEFAULT_PAYLOAD_TYPES);

/** The offer with abs-capture-time under this id, as our player writes it. */
function withCaptureTime(id: number): string {
	return CHROMIUM_WHEP_OFFER.replaceAll(/a=extmap:10 .*\r\n/g, '').replaceAll(
		/(a=mid:\d)\r\n/g,
		`$1\r\na=extmap:${id} ${ABS_CAPTURE_TIME}\r\n`,
	);
}

function refusal(offer: string): string {
	const { code, message } = refusalOf(() => negotiate(offer));
	expect(code).toBe('SDP_OFFER_UNSUPPORTED');
	return message;
}

describe('negotiateWhep', () => {
	it("chooses Chromium's constrained baseline in mode 1 and Opus, under its payload types", () => {
		const viewer = negotiate(CHROMIUM_WHEP_OFFER);
		expect(viewer.payloadTypes).toEqual({ h264: 108, opus: 111 });
		expect(viewer.payloadTypes).toEqual(DEFAULT_PAYLOAD_TYPES);
		expect(viewer.video!.codec.parameters).toEqual({
			'level-asymmetry-allowed': 1,
			'packetization-mode': 1,
			'profile-level-id': '42e01f',
		});
	});

	it.each([
		["our page's: the id that mediasoup writes", 5, 'transport-cc', true],
		["Chromium's own id", 4, 'transport-cc', false],
		['no feedback', 5, 'goog-remb', false],
	])('estimates the line of an offer with %s', (_name, id, feedback, canEstimate) => {
		const uri = 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01';
		const offer = CHROMIUM_WHEP_OFFER.replaceAll(/a=extmap:5 .*\r\n/g, '')
			.replaceAll(/a=extmap:\d+ http:\/\/www.ietf.org\/id\/draft-holmer-rmcat.*\r\n/g, `a=extmap:${id} ${uri}\r\n`)
			.replaceAll('transport-cc', feedback);
		const viewer = negotiate(offer);
		expect(viewer.canEstimate).toBe(canEstimate);
		const router = mediasoup.getSupportedRtpCapabilities().headerExtensions!;
		const capabilities = (estimates: boolean): string[] =>
			viewerCapabilities(viewer, router, estimates).codecs![0]!.rtcpFeedback!.map(({ type }) => type);
		expect(capabilities(false)).not.toContain('transport-cc');
		expect(capabilities(true)).toContain('transport-cc');
		const uris = viewerCapabilities(viewer, router).headerExtensions!.map((extension) => extension.uri as string);
		expect(uris.includes(uri)).toBe(canEstimate);
	});

	it('serves another viewer under its own payload types', () => {
		expect(negotiate(OTHER_OFFER).payloadTypes).toEqual({ h264: 125, opus: 109 });
	});

	it('chooses baseline, then any profile, where constrained baseline is not offered', () => {
		const withoutConstrained = CHROMIUM_WHEP_OFFER.replaceAll('42e01f', '640c1f');
		expect(negotiate(withoutConstrained).payloadTypes.h264).toBe(102);
		expect(negotiate(withoutConstrained.replaceAll('42001f', '64001f')).payloadTypes.h264).toBe(102);
	});

	it('accepts a viewer who wants only sound, and uses the default payload type for the picture', () => {
		const [session, , audio] = OTHER_OFFER.split(/(?=^m=)/m);
		const viewer = negotiate(`${session}${audio}`);
		expect([viewer.video, viewer.payloadTypes]).toEqual([undefined, { h264: 108, opus: 109 }]);
	});

	it('refuses an offer that does not receive', () => {
		expect(refusal(OBS_OFFER)).toContain('the audio section is sendonly; a viewer offers recvonly');
		expect(refusal(CHROMIUM_WHEP_OFFER.replaceAll('a=recvonly', 'a=inactive'))).toContain(
			'the video section is inactive',
		);
		expect(negotiate(CHROMIUM_WHEP_OFFER.replaceAll('a=recvonly', 'a=sendrecv')).video).toBeDefined();
	});

	it('serves what the viewer receives, and refuses what they do not', () => {
		const viewer = negotiate(CHROMIUM_WHEP_OFFER.replace('a=recvonly', 'a=inactive'));
		expect([viewer.video, viewer.audio?.media.index, viewer.transport.bundle]).toEqual([undefined, 1, ['1']]);
	});

	it('serves the first usable section of a kind, and refuses data channels and all others', () => {
		const video = CHROMIUM_WHEP_OFFER.split(/(?=^m=)/m)[1]!.replace('a=mid:0', 'a=mid:2');
		const data = 'm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:3\r\n';
		const offer = CHROMIUM_WHEP_OFFER.replace('BUNDLE 0 1', 'BUNDLE 0 1 2 3');
		const viewer = negotiate(`${offer}${video}${data}`);
		expect([viewer.video!.media.mid, viewer.audio!.media.mid]).toEqual(['0', '1']);
		expect(viewer.transport.bundle).toEqual(['0', '1']);
		const first = offer.split(/(?=^m=)/m)[1]!;
		const unusable = offer.replace(first, first.replaceAll('H264/90000', 'AV1/90000'));
		expect(negotiate(`${unusable}${video}${data}`).video!.media.mid).toBe('2');
	});

	it('W-44 refuses a viewer who cannot receive H.264 or Opus, before any media starts', () => {
		expect(refusal(CHROMIUM_WHEP_OFFER.replaceAll('H264/90000', 'AV1/90000'))).toContain(
			'cannot take H.264 in packetization-mode 1',
		);
		expect(refusal(CHROMIUM_WHEP_OFFER.replaceAll('packetization-mode=1', 'packetization-mode=0'))).toContain(
			'packetization-mode 1',
		);
		expect(refusal(CHROMIUM_WHEP_OFFER.replace('opus/48000/2', 'speex/16000'))).toContain('cannot take Opus');
	});
});

describe('viewerCapabilities', () => {
	const routerExtensions = mediasoup.getSupportedRtpCapabilities().headerExtensions!;
	const capabilities = (offer: string): ReturnType<typeof viewerCapabilities> =>
		viewerCapabilities(negotiate(offer), routerExtensions);

	it('names one H.264 and Opus under the viewer’s payload types', () => {
		expect(capabilities(OTHER_OFFER).codecs).toEqual([
			{
				kind: 'video',
				mimeType: 'video/H264',
				clockRate: 90_000,
				preferredPayloadType: 125,
				parameters: { 'packetization-mode': 1, 'profile-level-id': '42e01f', 'level-asymmetry-allowed': 1 },
				rtcpFeedback: [{ type: 'nack' }, { type: 'nack', parameter: 'pli' }, { type: 'ccm', parameter: 'fir' }],
			},
			{
				kind: 'audio',
				mimeType: 'audio/opus',
				clockRate: 48_000,
				channels: 2,
				preferredPayloadType: 109,
				parameters: {},
				rtcpFeedback: [],
			},
		]);
	});

	it('names capture time for both kinds when the viewer offers it under mediasoup’s id', () => {
		const named = capabilities(withCaptureTime(ABS_CAPTURE_TIME_EXTENSION_ID)).headerExtensions!;
		expect(named.map(({ kind, uri, preferredId }) => [kind, uri, preferredId])).toEqual([
			['video', ABS_CAPTURE_TIME, ABS_CAPTURE_TIME_EXTENSION_ID],
			['audio', ABS_CAPTURE_TIME, ABS_CAPTURE_TIME_EXTENSION_ID],
		]);
	});

	it('names no extension that the viewer has under another id, or that is useless', () => {
		expect(capabilities(withCaptureTime(15)).headerExtensions).toEqual([]);
		expect(capabilities(CHROMIUM_WHEP_OFFER).headerExtensions).toEqual([]);
	});
});

describe('answerViewerMedia', () => {
	it('answers what the Consumer sends: its SSRC, CNAME and extensions, one codec, feedback that is understood', () => {
		const viewer = negotiate(withCaptureTime(ABS_CAPTURE_TIME_EXTENSION_ID));
		const consumer = {
			rtpParameters: {
				codecs: [],
				headerExtensions: [{ uri: ABS_CAPTURE_TIME, id: ABS_CAPTURE_TIME_EXTENSION_ID }],
				encodings: [{ ssrc: 1234 }],
				rtcp: { cname: 'broadcast' },
			},
		} as unknown as Consumer;
		const video = answerViewerMedia(viewer.video!, consumer, 'stream');
		expect({ ...video, offered: undefined }).toEqual({
			offered: undefined,
			direction: 'sendonly',
			codecs: [{ ...viewer.video!.codec, feedback: ['ccm fir', 'nack', 'nack pli'] }],
			headerExtensions: [{ id: ABS_CAPTURE_TIME_EXTENSION_ID, uri: ABS_CAPTURE_TIME }],
			sending: { ssrc: 1234, cname: 'broadcast', streamId: 'stream', trackId: 'video' },
		});
		expect(answerViewerMedia(viewer.audio!, consumer, 'stream').codecs).toEqual([
			{
				...viewer.audio!.codec,
				feedback: [],
				parameters: { minptime: 10, useinbandfec: 1, stereo: 1, 'sprop-stereo': 1 },
			},
		]);
	});
});
