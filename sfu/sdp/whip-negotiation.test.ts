/** Tests of what mediasoup gets of a WHIP offer, what is answered, and which offers are refused as a whole. */
import { describe, expect, it } from 'vitest';
import { refusalOf } from '../testing/refusal.ts';
import { CHROMIUM_WHIP_OFFER, FFMPEG_OFFER, OBS_OFFER, OBS_SIMULCAST_OFFER } from '../testing/sdp-fixtures.ts';
import { parseSdpOffer } from './sdp-offer.ts';
import { negotiateWhip, type NegotiatedPublisherTrack } from './whip-negotiation.ts';

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

const tracksOf = (offer: string): NegotiatedPublisherTrack[] => negotiateWhip(parseSdpOffer(offer)).tracks;
const rtpParameters = (offer: string): unknown[] => tracksOf(offer).map((track) => track.rtpParameters);

function refusal(offer: string): string {
	const { code, message } = refusalOf(() => negotiateWhip(parseSdpOffer(offer)));
	expect(code).toBe('SDP_OFFER_UNSUPPORTED');
	return message;
}

/** The offer with a copy of one of its sections behind it, with another mid and without SSRCs. */
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
	it("accepts OBS's tracks, each by its SSRC", () => {
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

	it("accepts OBS's simulcast layers by their rids, in the offered order", () => {
		const video = tracksOf(OBS_SIMULCAST_OFFER)[1]!;
		expect(video.rtpParameters).toEqual({
			mid: '1',
			codecs: [OBS_VIDEO_CODEC],
			headerExtensions: [
				{ uri: MID, id: 1 },
				{ uri: RID, id: 2 },
			],
			encodings: [{ rid: '0' }, { rid: '1' }, { rid: '2' }],
			rtcp: { reducedSize: true },
		});
		expect(video.answer.receivingRids).toEqual(['0', '1', '2']);
	});

	it("accepts FFmpeg's RTX", () => {
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

	it("chooses Chromium's constrained baseline, although VP8 comes first, with RTX and congestion feedback", () => {
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

	it('chooses VP8 where there is no H.264', () => {
		const track = tracksOf(CHROMIUM_WHIP_OFFER.replaceAll('H264/90000', 'H266/90000'))[0]!;
		expect([
			track.codec,
			track.rtpParameters.codecs[0]!.mimeType,
			track.answer.codecs.map(({ payloadType }) => payloadType),
		]).toEqual(['vp8', 'video/VP8', [96, 97]]);
	});

	it('accepts a track alone, and one that is sendrecv', () => {
		const [session, audio] = OBS_OFFER.split(/(?=^m=)/m);
		expect(tracksOf(`${session}${audio}`).map(({ kind }) => kind)).toEqual(['audio']);
		expect(tracksOf(OBS_OFFER.replaceAll('sendonly', 'sendrecv'))).toHaveLength(2);
	});

	it('leaves the SSRC open where the offer names none, if the packets name their section', () => {
		const [session, , video] = OBS_OFFER.replaceAll(/a=ssrc:.*\r\n/g, '').split(/(?=^m=)/m);
		const offer = `${session}${video}`;
		expect(tracksOf(offer)[0]!.rtpParameters.encodings).toEqual([{}]);
		expect(refusal(offer.replace(/a=extmap:1.*\r\n/, ''))).toContain('cannot be distinguished from others');
	});

	it('refuses simulcast whose packets do not name their layer', () => {
		expect(refusal(OBS_SIMULCAST_OFFER.replaceAll(/a=extmap:2.*\r\n/g, ''))).toContain('cannot be distinguished');
	});

	it('omits a header extension that has another id, or whose id means something else, in an earlier section', () => {
		const withIds = (audio: number, video: number): string =>
			OBS_OFFER.replace('a=extmap:1 ', `a=extmap:${video} `).replace('a=mid:0', `a=mid:0\r\na=extmap:${audio} ${MID}`);
		const ids = (offer: string): unknown[] => tracksOf(offer).map(({ answer }) => answer.headerExtensions);
		expect(ids(withIds(1, 1))).toEqual([[{ id: 1, uri: MID }], [{ id: 1, uri: MID }]]);
		expect(ids(withIds(4, 9))).toEqual([[{ id: 4, uri: MID }], []]);
	});

	it('refuses a data channel alone, and answers the rest (RFC 3264 §6)', () => {
		const offer = `${OBS_OFFER}m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n`;
		const { transport, tracks } = negotiateWhip(parseSdpOffer(offer.replace('BUNDLE 0 1', 'BUNDLE 0 1 2')));
		expect([tracks.length, transport.bundle]).toEqual([2, ['0', '1']]);
	});

	it('refuses an offer with nothing to publish', () => {
		const off = OBS_OFFER.replaceAll(/^m=(\w+) 9/gm, 'm=$1 0');
		expect(refusal(off)).toContain('no audio or video section that is switched on');
	});

	it('reports the parameter sets of the offer, and does not answer with them', () => {
		const [, video] = tracksOf(OBS_OFFER.replace('a=fmtp:96 ', 'a=fmtp:96 sprop-parameter-sets=Z0LA,aM4=;'));
		expect(video!.spropParameterSets).toBe('Z0LA,aM4=');
		expect(video!.answer.codecs[0]!.parameters).not.toHaveProperty('sprop-parameter-sets');
		expect(tracksOf(OBS_OFFER).map(({ spropParameterSets }) => spropParameterSets)).toEqual([undefined, undefined]);
	});

	it('prefers H.264 with fragments to H.264 without, and both to VP8', () => {
		const withoutMode1 = CHROMIUM_WHIP_OFFER.replaceAll('packetization-mode=1', 'packetization-mode=0');
		expect(tracksOf(withoutMode1)[0]!.codec).toBe('h264');
		expect(tracksOf(OBS_OFFER.replace(/a=fmtp:96.*\r\n/, ''))[1]!.codec).toBe('h264');
		expect(refusal(OBS_OFFER.replace('packetization-mode=1', 'packetization-mode=2'))).toContain('packetization-mode');
	});

	it('refuses one payload type for audio and video (RFC 9143 §9.1)', () => {
		expect(refusal(OBS_OFFER.replace('SAVPF 96', 'SAVPF 111').replaceAll(':96 ', ':111 '))).toContain(
			'the same payload type',
		);
	});

	it('answers recvonly, with stereo Opus, and with the start of Chromium’s bandwidth estimate', () => {
		const [video, audio] = tracksOf(CHROMIUM_WHIP_OFFER).map(({ answer }) => answer);
		expect([video!.direction, audio!.direction]).toEqual(['recvonly', 'recvonly']);
		expect(audio!.codecs[0]!.parameters).toEqual({ minptime: 10, useinbandfec: 1, stereo: 1, 'sprop-stereo': 1 });
		expect(video!.codecs[0]!.parameters).toMatchObject({ 'x-google-start-bitrate': 2500 });
		expect(tracksOf(FFMPEG_OFFER)[1]!.answer.codecs[0]!.parameters).not.toHaveProperty('x-google-start-bitrate');
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
			'neither H.264 in packetization-mode 0 or 1 nor VP8 (it has av1)',
		],
		['a section has no codec', OBS_OFFER.replace('a=rtpmap:96 H264/90000\r\n', ''), '(it has no codec)'],
		['a second section cannot be accepted', OBS_OFFER.replace('H264/90000', 'H265/90000'), 'video section'],
	])('W-10 refuses the whole offer when %s', (_reason, offer, message) => {
		expect(refusal(offer)).toContain(message);
	});

	it('names no codec that may be an attack on a log', () => {
		expect(refusal(OBS_OFFER.replace('H264/90000', '<script>/90000'))).toContain('(it has no codec)');
	});
});
