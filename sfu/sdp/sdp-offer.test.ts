/** Tests of reading SDP offers: those of real clients, and all that strangers may send instead. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SpillwayError } from '../../core/errors.ts';
import {
	CHROMIUM_WHEP_OFFER,
	CHROMIUM_WHIP_OFFER,
	FFMPEG_OFFER,
	OBS_OFFER,
	OBS_SIMULCAST_OFFER,
} from '../testing/sdp-fixtures.ts';
import { MAX_SDP_BYTES, parseSdpOffer } from './sdp-offer.ts';

const FINGERPRINT = {
	algorithm: 'sha-256',
	value: '00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF',
};

/** Code and message of what is thrown; fails when nothing is, or something else. */
function refusal(text: string): { code: string; message: string } {
	try {
		parseSdpOffer(text);
	} catch (error) {
		if (error instanceof SpillwayError) {
			return { code: error.code, message: error.message };
		}
		throw error;
	}
	throw new Error('The offer was taken.');
}

describe('parseSdpOffer', () => {
	it("reads OBS's offer whole", () => {
		expect(parseSdpOffer(OBS_OFFER)).toEqual({
			media: [
				{
					kind: 'audio',
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
					iceUfrag: 'uFrG',
					icePwd: 'aNeutralIcePasswordXyz1',
					fingerprint: FINGERPRINT,
					setup: 'actpass',
				},
				{
					kind: 'video',
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
					iceUfrag: 'uFrG',
					icePwd: 'aNeutralIcePasswordXyz1',
					fingerprint: FINGERPRINT,
					setup: 'actpass',
				},
			],
		});
	});

	it("reads OBS's simulcast layers in the offered order", () => {
		const video = parseSdpOffer(OBS_SIMULCAST_OFFER).media[1]!;
		expect([video.rids, video.ssrcs]).toEqual([['0', '1', '2'], []]);
	});

	it("reads FFmpeg's setup and RTX", () => {
		const { media } = parseSdpOffer(FFMPEG_OFFER);
		expect(media.map(({ setup }) => setup)).toEqual(['passive', 'passive']);
		expect(media[1]!.ssrcs).toEqual([{ ssrc: 463_527_404, rtxSsrc: 463_527_405 }]);
		expect(media[1]!.codecs.map(({ name, parameters }) => [name, parameters['apt']])).toEqual([
			['h264', undefined],
			['rtx', 106],
		]);
	});

	it("reads Chromium's codecs in its order of preference, with their feedback", () => {
		const video = parseSdpOffer(CHROMIUM_WHIP_OFFER).media[0]!;
		expect(video.codecs.slice(0, 4).map(({ payloadType, name }) => `${payloadType} ${name}`)).toEqual([
			'96 vp8',
			'97 rtx',
			'102 h264',
			'103 rtx',
		]);
		expect(video.codecs[2]!.feedback).toEqual(['goog-remb', 'transport-cc', 'ccm fir', 'nack', 'nack pli']);
		expect(video.ssrcs).toEqual([{ ssrc: 336_554_377, rtxSsrc: 1_384_587_904 }]);
		expect(
			parseSdpOffer(CHROMIUM_WHEP_OFFER).media.map(({ kind, direction, streamId }) => [kind, direction, streamId]),
		).toEqual([
			['video', 'recvonly', undefined],
			['audio', 'recvonly', undefined],
		]);
	});

	it('reads lines that end in a line feed alone', () => {
		expect(parseSdpOffer(OBS_OFFER.replaceAll('\r', ''))).toEqual(parseSdpOffer(OBS_OFFER));
	});

	it('takes feedback for all payload types, flags without value, and names in any case', () => {
		const offer = OBS_OFFER.replace('a=rtcp-fb:96 nack pli', 'a=rtcp-fb:* nack pli')
			.replace('H264/90000', 'h264/90000')
			.replace('a=fmtp:96 profile-level-id=42e01f;packetization-mode=1;', 'a=fmtp:96 Packetization-Mode=1; flag; ');
		expect(parseSdpOffer(offer).media[1]!.codecs).toEqual([
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
		expect(parseSdpOffer(offer).media[1]!.headerExtensions).toEqual([]);
		expect(parseSdpOffer(OBS_OFFER.replace('H264/90000', 'H264/8000')).media[1]!.codecs).toEqual([]);
	});

	it('takes a section with port 0 that only comes in the bundle (RFC 8843)', () => {
		const offer = OBS_OFFER.replace('m=video 9 ', 'm=video 0 ').replace('a=mid:1', 'a=bundle-only\r\na=mid:1');
		expect(parseSdpOffer(offer).media).toHaveLength(2);
	});

	it('takes actpass for granted where no role is offered (RFC 8842 §5.1)', () => {
		expect(parseSdpOffer(OBS_OFFER.replace('a=setup:actpass\r\n', '')).media[0]!.setup).toBe('actpass');
	});

	it.each([
		['it is empty', '', 'SDP_MALFORMED', 'does not begin with "v=0"'],
		['it is JSON', '{"type":"offer"}', 'SDP_MALFORMED', 'does not begin with "v=0"'],
		['it is another version', OBS_OFFER.replace('v=0', 'v=1'), 'SDP_MALFORMED', 'does not begin with "v=0"'],
		['it has no media section', OBS_OFFER.slice(0, OBS_OFFER.indexOf('m=')), 'SDP_MALFORMED', 'no media section'],
		[
			'it has nine media sections',
			`${OBS_OFFER}${'m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n'.repeat(7)}`,
			'SDP_MALFORMED',
			'more than 8 media sections',
		],
		[
			'it has no ICE credentials',
			OBS_OFFER.replace(/a=ice-pwd.*\r\n/, ''),
			'SDP_MALFORMED',
			'section 0 has no ice-ufrag and ice-pwd',
		],
		[
			'it has no fingerprint',
			OBS_OFFER.replace(/a=fingerprint.*\r\n/, ''),
			'SDP_MALFORMED',
			'section 0 has no DTLS fingerprint',
		],
		['it has too many lines', `${OBS_OFFER}${'a=x\r\n'.repeat(2000)}`, 'SDP_MALFORMED', 'more than 2000 lines'],
		['it is too large', `${OBS_OFFER}a=x:${'x'.repeat(MAX_SDP_BYTES)}`, 'BODY_TOO_LARGE', '65536'],
		[
			'it has a data channel',
			OBS_OFFER.replace('m=video', 'm=application'),
			'SDP_OFFER_UNSUPPORTED',
			'section 1 is "application"',
		],
		[
			'it holds a connection',
			OBS_OFFER.replace('setup:actpass', 'setup:holdconn'),
			'SDP_OFFER_UNSUPPORTED',
			'a=setup:holdconn cannot be answered',
		],
		[
			'it has five simulcast layers',
			OBS_SIMULCAST_OFFER.replace('a=rid:2 send', 'a=rid:2 send\r\na=rid:3 send\r\na=rid:4 send'),
			'SDP_OFFER_UNSUPPORTED',
			'more than 4 simulcast layers',
		],
		[
			'two sections have the same mid',
			OBS_OFFER.replace('a=mid:1', 'a=mid:0'),
			'SDP_MALFORMED',
			'two media sections have the same mid',
		],
		[
			'two streams have the same SSRC',
			OBS_OFFER.replaceAll('1900943993', '1900943992'),
			'SDP_MALFORMED',
			'two streams have the same SSRC',
		],
		[
			'its fingerprint is by an unknown algorithm',
			OBS_OFFER.replace('sha-256', 'md5'),
			'SDP_OFFER_UNSUPPORTED',
			'the fingerprint algorithm "md5" is not known',
		],
		[
			'its fingerprint is too short for its algorithm',
			OBS_OFFER.replace('sha-256 00:11:', 'sha-256 '),
			'SDP_MALFORMED',
			'the fingerprint of media section 0 is not 32 pairs of hexadecimal digits',
		],
		[
			'its fingerprint is no number',
			OBS_OFFER.replace('sha-256 00:11:', 'sha-256 ZZ:11:'),
			'SDP_MALFORMED',
			'the fingerprint of media section 0 is not 32 pairs',
		],
		[
			'its ICE password is too short',
			OBS_OFFER.replace(/a=ice-pwd:.*/, 'a=ice-pwd:short'),
			'SDP_MALFORMED',
			'an ice-pwd of less than 22',
		],
		[
			'a payload type has more than seven bits',
			OBS_OFFER.replace('SAVPF 96', 'SAVPF 396').replaceAll(':96 ', ':396 '),
			'SDP_MALFORMED',
			'section 1 has the payload type "396"; 0 to 127 exist',
		],
		[
			'a payload type is there twice',
			OBS_OFFER.replace('SAVPF 96', 'SAVPF 96 96'),
			'SDP_MALFORMED',
			'section 1 names a payload type twice',
		],
		['a section names no payload type', OBS_OFFER.replace('SAVPF 96', 'SAVPF'), 'SDP_MALFORMED', 'section 1'],
		[
			'its H.264 profile is no number',
			OBS_OFFER.replace('profile-level-id=42e01f', 'profile-level-id=high'),
			'SDP_MALFORMED',
			'the profile-level-id "high" is not six hexadecimal digits',
		],
		[
			'a section is switched off',
			OBS_OFFER.replace('m=video 9 ', 'm=video 0 '),
			'SDP_OFFER_UNSUPPORTED',
			'section 1 is switched off',
		],
		[
			'a section goes without encryption',
			OBS_OFFER.replace('m=video 9 UDP/TLS/RTP/SAVPF', 'm=video 9 RTP/AVP'),
			'SDP_OFFER_UNSUPPORTED',
			'section 1 goes by "RTP/AVP"',
		],
	])('refuses an offer when %s', (_reason, text, code, message) => {
		expect(refusal(text)).toEqual({ code, message: expect.stringContaining(message) as string });
	});

	it('never repeats what it cannot print', () => {
		const { message } = refusal(OBS_OFFER.replace('m=video', 'm=v\u0007\u001bdeo\u00fc'));
		expect(message).toMatch(/^[\x20-\x7e]+$/);
	});

	it('never throws anything but SpillwayError and stays within its bounds, however an offer is mutilated', () => {
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
					const { media } = parseSdpOffer(text);
					expect(media.length).toBeLessThanOrEqual(8);
					for (const section of media) {
						expect(section.rids.length).toBeLessThanOrEqual(4);
						expect(section.codecs.length).toBeLessThanOrEqual(64);
						expect(section.ssrcs.length).toBeLessThanOrEqual(16);
						expect(section.mid).not.toMatch(/[\r\n]/);
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
