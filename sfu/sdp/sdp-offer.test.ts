/** Tests of reading SDP offers: those of real clients, and untrusted input. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SpillwayError } from '../../core/errors/errors.ts';
import {
	CHROMIUM_WHEP_OFFER,
	CHROMIUM_WHIP_OFFER,
	FFMPEG_OFFER,
	OBS_OFFER,
	OBS_SIMULCAST_OFFER,
} from '../testing/sdp-fixtures.ts';
import { refusalOf } from '../testing/refusal.ts';
import { MAX_SDP_BYTES, parseSdpOffer, type OfferedMedia } from './sdp-offer.ts';

const TRANSPORT = {
	iceUfrag: 'uFrG',
	icePwd: 'aNeutralIcePasswordXyz1',
	fingerprints: [
		{
			type: 'sha-256',
			hash: '00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF',
		},
	],
	setup: 'actpass',
	hasRtcpMux: true,
};

/** The sections that could be served. */
const mediaOf = (text: string): OfferedMedia[] =>
	parseSdpOffer(text)
		.sections.map(({ media }) => media)
		.filter((media) => media !== undefined);

const refusal = (text: string): ReturnType<typeof refusalOf> => refusalOf(() => parseSdpOffer(text));

describe('parseSdpOffer', () => {
	it("reads OBS's offer whole", () => {
		expect(parseSdpOffer(OBS_OFFER)).toEqual({
			bundleGroups: [['0', '1']],
			isIceLite: false,
			sections: [
				{
					type: 'audio',
					protocol: 'UDP/TLS/RTP/SAVPF',
					format: '111',
					mid: '0',
					hasNoPort: false,
					transport: TRANSPORT,
					media: {
						kind: 'audio',
						index: 0,
						mid: '0',
						direction: 'sendonly',
						codecs: [
							{
								payloadType: 111,
								name: 'opus',
								clockRate: 48_000,
								channelCount: 2,
								parameters: { minptime: 10, maxaveragebitrate: 96_000, stereo: 1, 'sprop-stereo': 1, useinbandfec: 1 },
								feedback: [],
							},
						],
						headerExtensions: [],
						ssrcs: [{ ssrc: 1_900_943_992, rtxSsrc: undefined }],
						rids: [],
						streamId: 'obsStream',
					},
				},
				{
					type: 'video',
					protocol: 'UDP/TLS/RTP/SAVPF',
					format: '96',
					mid: '1',
					hasNoPort: false,
					transport: TRANSPORT,
					media: {
						kind: 'video',
						index: 1,
						mid: '1',
						direction: 'sendonly',
						codecs: [
							{
								payloadType: 96,
								name: 'h264',
								clockRate: 90_000,
								channelCount: undefined,
								parameters: { 'profile-level-id': '42e01f', 'packetization-mode': 1, 'level-asymmetry-allowed': 1 },
								feedback: ['nack', 'nack pli', 'goog-remb'],
							},
						],
						headerExtensions: [
							{ id: 1, uri: 'urn:ietf:params:rtp-hdrext:sdes:mid' },
							{ id: 2, uri: 'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id' },
						],
						ssrcs: [{ ssrc: 1_900_943_993, rtxSsrc: undefined }],
						rids: [],
						streamId: 'obsStream',
					},
				},
			],
		});
	});

	it("reads OBS's simulcast layers in the offered order", () => {
		const video = mediaOf(OBS_SIMULCAST_OFFER)[1]!;
		expect([video.rids, video.ssrcs]).toEqual([['0', '1', '2'], []]);
	});

	it("reads FFmpeg's setup and RTX", () => {
		const media = mediaOf(FFMPEG_OFFER);
		expect(parseSdpOffer(FFMPEG_OFFER).sections.map(({ transport }) => transport.setup)).toEqual([
			'passive',
			'passive',
		]);
		expect(media[1]!.ssrcs).toEqual([{ ssrc: 463_527_404, rtxSsrc: 463_527_405 }]);
		expect(media[1]!.codecs.map(({ name, parameters }) => [name, parameters['apt']])).toEqual([
			['h264', undefined],
			['rtx', 106],
		]);
	});

	it("reads Chromium's codecs in its order of preference, with their feedback", () => {
		const video = mediaOf(CHROMIUM_WHIP_OFFER)[0]!;
		expect(video.codecs.slice(0, 4).map(({ payloadType, name }) => `${payloadType} ${name}`)).toEqual([
			'96 vp8',
			'97 rtx',
			'102 h264',
			'103 rtx',
		]);
		expect(video.codecs[2]!.feedback).toEqual(['goog-remb', 'transport-cc', 'ccm fir', 'nack', 'nack pli']);
		expect(video.ssrcs).toEqual([{ ssrc: 336_554_377, rtxSsrc: 1_384_587_904 }]);
		expect(mediaOf(CHROMIUM_WHEP_OFFER).map(({ kind, direction, streamId }) => [kind, direction, streamId])).toEqual([
			['video', 'recvonly', undefined],
			['audio', 'recvonly', undefined],
		]);
	});

	it('reads lines that end in a line feed alone', () => {
		expect(parseSdpOffer(OBS_OFFER.replaceAll('\r', ''))).toEqual(parseSdpOffer(OBS_OFFER));
	});

	it('accepts feedback for all payload types, flags without value, and names in any case', () => {
		const offer = OBS_OFFER.replace('a=rtcp-fb:96 nack pli', 'a=rtcp-fb:* nack pli')
			.replace('H264/90000', 'h264/90000')
			.replace('a=fmtp:96 profile-level-id=42e01f;packetization-mode=1;', 'a=fmtp:96 Packetization-Mode=1; flag; ');
		expect(mediaOf(offer)[1]!.codecs).toEqual([
			{
				payloadType: 96,
				name: 'h264',
				clockRate: 90_000,
				channelCount: undefined,
				parameters: { 'packetization-mode': 1, flag: 1, 'level-asymmetry-allowed': 1 },
				feedback: ['nack', 'nack pli', 'goog-remb'],
			},
		]);
	});

	it('leaves out header extensions with an impossible id and video codecs with an impossible clock rate', () => {
		const offer = OBS_OFFER.replace('a=extmap:1 ', 'a=extmap:0 ').replace('a=extmap:2 ', 'a=extmap:256 ');
		expect(mediaOf(offer)[1]!.headerExtensions).toEqual([]);
		expect(mediaOf(OBS_OFFER.replace('H264/90000', 'H264/8000'))[1]!.codecs).toEqual([]);
	});

	it('keeps a section with port 0 that only comes in the bundle (RFC 9143 §6), and none that is switched off', () => {
		const offer = OBS_OFFER.replace('m=video 9 ', 'm=video 0 ');
		expect(mediaOf(offer.replace('a=mid:1', 'a=bundle-only\r\na=mid:1'))).toHaveLength(2);
		expect(mediaOf(offer)).toHaveLength(1);
		expect(parseSdpOffer(offer).sections).toHaveLength(2);
	});

	it('keeps sections of other kinds, which have to be answered', () => {
		const { sections } = parseSdpOffer(`${OBS_OFFER}m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n`);
		expect(sections[2]).toMatchObject({
			type: 'application',
			protocol: 'UDP/DTLS/SCTP',
			format: 'webrtc-datachannel',
			mid: '2',
			media: undefined,
		});
	});

	it('reads parameter sets whole, also when their base64 ends in "="', () => {
		const offer = OBS_OFFER.replace('a=fmtp:96 ', 'a=fmtp:96 sprop-parameter-sets=Z0LAH9oBQBbs,aM4PyA==;');
		expect(mediaOf(offer)[1]!.codecs[0]!.parameters['sprop-parameter-sets']).toBe('Z0LAH9oBQBbs,aM4PyA==');
	});

	it.each([
		['send 0;1;2', ['0', '1', '2']],
		['send 2,0;~1', ['2', '1']],
		['recv 1 send 0;2', ['0', '2']],
		['recv 0;1', []],
		['send 0;9', ['0']],
	])('reads a=simulcast:%s (RFC 8853 §5.1)', (value, rids) => {
		expect(mediaOf(OBS_SIMULCAST_OFFER.replace(/a=simulcast:.*/, `a=simulcast:${value}`))[1]!.rids).toEqual(rids);
	});

	it.each([
		['it is empty', '', 'SDP_MALFORMED', 'does not begin with "v=0"'],
		['it is JSON', '{"type":"offer"}', 'SDP_MALFORMED', 'does not begin with "v=0"'],
		['it has no media section', OBS_OFFER.slice(0, OBS_OFFER.indexOf('m=')), 'SDP_MALFORMED', 'no media section'],
		[
			'it has nine media sections',
			`${OBS_OFFER}${'m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n'.repeat(7)}`,
			'SDP_MALFORMED',
			'more than 8 media sections',
		],
		['it has too many lines', `${OBS_OFFER}${'a=x\r\n'.repeat(2000)}`, 'SDP_MALFORMED', 'more than 2000 lines'],
		['it is too large', `${OBS_OFFER}a=x:${'x'.repeat(MAX_SDP_BYTES)}`, 'BODY_TOO_LARGE', '65536'],
		[
			'it has five simulcast layers',
			OBS_SIMULCAST_OFFER.replace('a=rid:2 send', 'a=rid:2 send\r\na=rid:3 send\r\na=rid:4 send').replace(
				'send 0;1;2',
				'send 0;1;2;3;4',
			),
			'SDP_OFFER_UNSUPPORTED',
			'more than 4 simulcast layers',
		],
		[
			'a section goes without encryption',
			OBS_OFFER.replace('m=video 9 UDP/TLS/RTP/SAVPF', 'm=video 9 RTP/AVP'),
			'SDP_OFFER_UNSUPPORTED',
			'the video section goes by "RTP/AVP"',
		],
	])('refuses an offer with a code when %s', (_reason, text, code, message) => {
		expect(refusal(text)).toEqual({ code, message: expect.stringContaining(message) as string });
	});

	it.each<[string, string | RegExp, string, string]>([
		['it is another version', 'v=0', 'v=1', 'does not begin with "v=0"'],
		['two sections have the same mid', 'a=mid:1', 'a=mid:0', 'two media sections have the same mid'],
		['a section is in two BUNDLE groups', 'a=group:LS', 'a=group:BUNDLE', 'in the BUNDLE groups twice'],
		['a mid is no token', 'a=mid:1', 'a=mid:"1"', 'the mid of media section 1'],
		['an m-line is no m-line', 'm=video 9 ', 'm=video x ', 'media section 1 cannot'],
		['two streams have the same SSRC', /1900943993/g, '1900943992', 'two streams have the same SSRC'],
		['a payload type has more than seven bits', /(?<=SAVPF |:)96\b/g, '396', 'type "396"; 0 to 127 exist'],
		['a payload type is there twice', 'SAVPF 96', 'SAVPF 96 96', 'section 1 names a payload type twice'],
		['a section names no payload type', 'SAVPF 96', 'SAVPF', 'section 1'],
		['its H.264 profile is no number', 'id=42e01f', 'id=high', '"high" is not six hexadecimal digits'],
	])('refuses an offer as malformed when %s', (_reason, from, to, message) => {
		expect(refusal(OBS_OFFER.replace(from, to))).toEqual({
			code: 'SDP_MALFORMED',
			message: expect.stringContaining(message) as string,
		});
	});

	it('never repeats what it cannot print', () => {
		const { message } = refusal(OBS_OFFER.replace('m=video', 'm=v\u0007\u001bdeo\u00fc'));
		expect(message).toMatch(/^[\x20-\x7e]+$/);
	});

	it('throws only SpillwayError and stays within its bounds for any mutilated offer', () => {
		const offer = fc.constantFrom(
			OBS_OFFER,
			OBS_SIMULCAST_OFFER,
			FFMPEG_OFFER,
			CHROMIUM_WHIP_OFFER,
			CHROMIUM_WHEP_OFFER,
		);
		const piece = fc.oneof(
			fc.string({ maxLength: 12 }),
			fc.constantFrom(
				'\r\n',
				'\n',
				'\0',
				' ',
				':',
				'/',
				'=',
				';',
				'99999999999999999999',
				'-1',
				'*',
				'__proto__',
				'a=rid:1 send\r\n',
				'a=ssrc:0 x\r\n',
			),
			fc.constantFrom(
				'm=video 9 UDP/TLS/RTP/SAVPF\r\n',
				'm=audio\r\n',
				'a=rtpmap:\r\n',
				'a=fmtp:96 \r\n',
				'a=ssrc-group:FID \r\n',
				'a=mid:\r\n',
				'a=msid:\r\n',
			),
		);
		const edit = fc.record({
			at: fc.double({ min: 0, max: 1, noNaN: true }),
			removed: fc.integer({ min: 0, max: 60 }),
			inserted: piece,
		});
		fc.assert(
			fc.property(offer, fc.array(edit, { minLength: 1, maxLength: 8 }), (original, edits) => {
				let text = original;
				for (const { at, removed, inserted } of edits) {
					const position = Math.floor(at * text.length);
					text = text.slice(0, position) + inserted + text.slice(position + removed);
				}
				try {
					const { sections } = parseSdpOffer(text);
					expect(sections.length).toBeLessThanOrEqual(8);
					for (const { type, protocol, format, mid, media } of sections) {
						expect(`${type}${protocol}${format}${mid}`).toMatch(/^[\x20-\x7e]+$/);
						expect(media?.rids.length ?? 0).toBeLessThanOrEqual(4);
						expect(media?.codecs.length ?? 0).toBeLessThanOrEqual(64);
						expect(media?.ssrcs.length ?? 0).toBeLessThanOrEqual(16);
					}
				} catch (error) {
					if (!(error instanceof SpillwayError)) {
						throw error;
					}
				}
			}),
			{ numRuns: 1500 },
		);
	});
});
