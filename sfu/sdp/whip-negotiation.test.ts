/** Tests of what mediasoup is told of a WHIP offer, what is answered, and which offers are refused as a whole. */
import { describe, expect, it } from 'vitest';
import { SpillwayError } from '../../core/errors.ts';
import { CHROMIUM_WHIP_OFFER, FFMPEG_OFFER, OBS_OFFER, OBS_SIMULCAST_OFFER } from '../testing/sdp-fixtures.ts';
import { parseSdpOffer } from './sdp-offer.ts';
import { negotiateWhip } from './whip-negotiation.ts';

const H264 = { 'packetization-mode': 1, 'profile-level-id': '42e01f', 'level-asymmetry-allowed': 1 };
const MID = 'urn:ietf:params:rtp-hdrext:sdes:mid';
const RID = 'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id';
const ABS_SEND_TIME = 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time';
const TRANSPORT_WIDE_CC = 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01';

const OPUS = { mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2, parameters: {} };

const OBS_VIDEO_CODEC = {
	mimeType: 'video/H264',
	payloadType: 96,
	clockRate: 90_000,
	parameters: H264,
	rtcpFeedback: [{ type: 'nack' }, { type: 'nack', parameter: 'pli' }, { type: 'goog-remb' }],
};

const rtpParameters = (offer: string): unknown[] =>
	negotiateWhip(parseSdpOffer(offer)).map((track) => track.rtpParameters);

function refusal(offer: string): string {
	try {
		negotiateWhip(parseSdpOffer(offer));
	} catch (error) {
		if (error instanceof SpillwayError && error.code === 'SDP_OFFER_UNSUPPORTED') {
			return error.message;
		}
		throw error;
	}
	throw new Error('The offer was taken.');
}

/** The offer with a copy of one of its sections behind it, of another mid and without SSRCs. */
function withExtra(
	offer: string,
	kind: 'audio' | 'video',
	edit: (section: string) => string = (section) => section,
): string {
	const sections = offer.split(/(?=^m=)/m);
	const copy = sections.find((section) => section.startsWith(`m=${kind}`))!;
	return `${offer}${edit(copy.replace(/a=mid:\d/, 'a=mid:2').replaceAll(/a=ssrc.*\r\n/g, ''))}`;
}

describe('negotiateWhip', () => {
	it("takes OBS's tracks, each by its SSRC", () => {
		expect(rtpParameters(OBS_OFFER)).toEqual([
			{
				mid: '0',
				codecs: [{ ...OPUS, rtcpFeedback: [] }],
				headerExtensions: [],
				encodings: [{ ssrc: 1_900_943_992 }],
				rtcp: { reducedSize: true },
			},
			{
				mid: '1',
				codecs: [OBS_VIDEO_CODEC],
				headerExtensions: [{ uri: MID, id: 1 }],
				encodings: [{ ssrc: 1_900_943_993 }],
				rtcp: { reducedSize: true },
			},
		]);
	});

	it("takes OBS's simulcast layers by their rids, smallest first, and answers all in the offered order", () => {
		const video = negotiateWhip(parseSdpOffer(OBS_SIMULCAST_OFFER))[1]!;
		expect(video.rtpParameters).toEqual({
			mid: '1',
			codecs: [OBS_VIDEO_CODEC],
			headerExtensions: [
				{ uri: MID, id: 1 },
				{ uri: RID, id: 2 },
			],
			encodings: [{ rid: '2' }, { rid: '1' }, { rid: '0' }],
			rtcp: { reducedSize: true },
		});
		expect(video.answer.receivingRids).toEqual(['0', '1', '2']);
	});

	it("takes FFmpeg's RTX", () => {
		expect(rtpParameters(FFMPEG_OFFER)[1]).toEqual({
			mid: '1',
			codecs: [
				{ ...OBS_VIDEO_CODEC, payloadType: 106, rtcpFeedback: [{ type: 'nack' }] },
				{ mimeType: 'video/rtx', payloadType: 105, clockRate: 90_000, parameters: { apt: 106 }, rtcpFeedback: [] },
			],
			headerExtensions: [],
			encodings: [{ ssrc: 463_527_404, rtx: { ssrc: 463_527_405 } }],
			rtcp: { reducedSize: true },
		});
	});

	it("takes Chromium's constrained baseline, although VP8 stands first, with RTX and congestion feedback", () => {
		expect(rtpParameters(CHROMIUM_WHIP_OFFER)).toEqual([
			{
				mid: '0',
				codecs: [
					{
						...OBS_VIDEO_CODEC,
						payloadType: 108,
						rtcpFeedback: [
							{ type: 'goog-remb' },
							{ type: 'transport-cc' },
							{ type: 'ccm', parameter: 'fir' },
							{ type: 'nack' },
							{ type: 'nack', parameter: 'pli' },
						],
					},
					{ mimeType: 'video/rtx', payloadType: 109, clockRate: 90_000, parameters: { apt: 108 }, rtcpFeedback: [] },
				],
				headerExtensions: [
					{ uri: ABS_SEND_TIME, id: 2 },
					{ uri: TRANSPORT_WIDE_CC, id: 4 },
					{ uri: MID, id: 9 },
				],
				encodings: [{ ssrc: 336_554_377, rtx: { ssrc: 1_384_587_904 } }],
				rtcp: { reducedSize: true },
			},
			{
				mid: '1',
				codecs: [{ ...OPUS, rtcpFeedback: [{ type: 'transport-cc' }] }],
				headerExtensions: [
					{ uri: ABS_SEND_TIME, id: 2 },
					{ uri: TRANSPORT_WIDE_CC, id: 4 },
					{ uri: MID, id: 9 },
				],
				encodings: [{ ssrc: 2_586_216_488 }],
				rtcp: { reducedSize: true },
			},
		]);
	});

	it('takes VP8 where there is no H.264', () => {
		const track = negotiateWhip(parseSdpOffer(CHROMIUM_WHIP_OFFER.replaceAll('H264/90000', 'H266/90000')))[0]!;
		expect([
			track.codec,
			track.rtpParameters.codecs[0]!.mimeType,
			track.answer.codecs.map(({ payloadType }) => payloadType),
		]).toEqual(['vp8', 'video/VP8', [96, 97]]);
	});

	it('takes a track alone, and one that is sendrecv', () => {
		const [session, audio] = OBS_OFFER.split(/(?=^m=)/m);
		expect(negotiateWhip(parseSdpOffer(`${session}${audio}`)).map(({ kind }) => kind)).toEqual(['audio']);
		expect(negotiateWhip(parseSdpOffer(OBS_OFFER.replaceAll('sendonly', 'sendrecv')))).toHaveLength(2);
	});

	it('leaves the SSRC open where the offer names none', () => {
		const offer = OBS_OFFER.replaceAll(/a=ssrc:.*\r\n/g, '');
		expect(negotiateWhip(parseSdpOffer(offer))[1]!.rtpParameters.encodings).toEqual([{}]);
	});

	it('answers recvonly, with stereo Opus, and tells Chromium where to start its estimate', () => {
		const [video, audio] = negotiateWhip(parseSdpOffer(CHROMIUM_WHIP_OFFER)).map(({ answer }) => answer);
		expect([video!.direction, audio!.direction]).toEqual(['recvonly', 'recvonly']);
		expect(audio!.codecs[0]!.parameters).toEqual({ minptime: 10, useinbandfec: 1, stereo: 1, 'sprop-stereo': 1 });
		expect(video!.codecs[0]!.parameters).toMatchObject({ 'x-google-start-bitrate': 2500 });
		expect(negotiateWhip(parseSdpOffer(FFMPEG_OFFER))[1]!.answer.codecs[0]!.parameters).not.toHaveProperty(
			'x-google-start-bitrate',
		);
	});

	it.each(['recvonly', 'inactive'])('W-5 refuses a section that is %s', (direction) => {
		expect(refusal(OBS_OFFER.replace('a=sendonly', `a=${direction}`))).toContain(`the audio section is ${direction}`);
	});

	it.each(['audio', 'video'] as const)('W-9 refuses two %s tracks', (kind) => {
		expect(refusal(withExtra(OBS_OFFER, kind))).toContain(`more than one ${kind} track`);
	});

	it('W-9 refuses tracks of two media streams', () => {
		expect(refusal(OBS_OFFER.replace('a=msid:obsStream obsStream-video', 'a=msid:other other-video'))).toContain(
			'more than one media stream',
		);
	});

	it.each([
		[
			'the sound is not Opus',
			OBS_OFFER.replace('opus/48000/2', 'PCMU/8000'),
			'the audio section has no Opus (it has pcmu)',
		],
		[
			'the picture is AV1',
			OBS_OFFER.replace('H264/90000', 'AV1/90000'),
			'neither H.264 in packetization-mode 1 nor VP8 (it has av1)',
		],
		[
			'H.264 is in packetization-mode 0',
			OBS_OFFER.replace('packetization-mode=1', 'packetization-mode=0'),
			'packetization-mode 1',
		],
		['a section has no codec', OBS_OFFER.replace('a=rtpmap:96 H264/90000\r\n', ''), '(it has no codec)'],
		['a second section cannot be taken', OBS_OFFER.replace('H264/90000', 'H265/90000'), 'video section'],
	])('W-10 refuses the whole offer when %s', (_reason, offer, message) => {
		expect(refusal(offer)).toContain(message);
	});

	it('names no codec that might be an attack on a log', () => {
		expect(refusal(OBS_OFFER.replace('H264/90000', '<script>/90000'))).toContain('(it has no codec)');
	});
});
