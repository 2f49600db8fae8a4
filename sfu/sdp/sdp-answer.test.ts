/** Tests of the answer's text: whole goldens for a publisher and a viewer, the DTLS role, the order of candidates. */
import type { DtlsParameters, IceCandidate, IceParameters } from 'mediasoup/types';
import { describe, expect, it } from 'vitest';
import { CHROMIUM_WHEP_OFFER, FFMPEG_OFFER, OBS_OFFER, OBS_SIMULCAST_OFFER } from '../testing/sdp-fixtures.ts';
import { DEFAULT_PAYLOAD_TYPES } from '../rtp/media-codecs.ts';
import { writeSdpAnswer } from './sdp-answer.ts';
import { parseSdpOffer } from './sdp-offer.ts';
import { negotiateWhep } from './whep-negotiation.ts';
import { negotiateWhip } from './whip-negotiation.ts';

const FINGERPRINT = Array.from({ length: 32 }, () => 'AB').join(':');

function candidate(protocol: 'udp' | 'tcp', address: string, priority: number): IceCandidate {
	return {
		foundation: `${protocol}candidate`,
		priority,
		address,
		ip: address,
		protocol,
		port: 44_444,
		type: 'host',
		...(protocol === 'tcp' ? { tcpType: 'passive' } : {}),
	};
}

const TRANSPORT = {
	iceParameters: {
		usernameFragment: 'serverUfrag',
		password: 'serverPasswordOf24Letter',
		iceLite: true,
	} satisfies IceParameters,
	iceCandidates: [
		candidate('udp', '192.0.2.7', 4),
		candidate('tcp', '192.0.2.7', 3),
		candidate('udp', '127.0.0.1', 2),
		candidate('tcp', '127.0.0.1', 1),
	],
	dtlsParameters: {
		role: 'auto',
		fingerprints: [
			{ algorithm: 'sha-1', value: 'AA' },
			{ algorithm: 'sha-256', value: FINGERPRINT },
		],
	} satisfies DtlsParameters,
};

function answerWhip(text: string, preferredAddress?: string): string {
	const offer = parseSdpOffer(text);
	const { transport, tracks } = negotiateWhip(offer);
	return writeSdpAnswer(TRANSPORT, { offer, transport, media: tracks.map(({ answer }) => answer) }, preferredAddress);
}

/** The transport of every section. */
const SECTION = `a=ice-ufrag:serverUfrag
a=ice-pwd:serverPasswordOf24Letter
a=fingerprint:sha-256 ${FINGERPRINT}
a=setup:passive
a=rtcp-mux
a=rtcp-mux-only
a=rtcp-rsize`;
const CANDIDATES = `a=candidate:udpcandidate 1 udp 4 192.0.2.7 44444 typ host
a=candidate:udpcandidate 1 udp 2 127.0.0.1 44444 typ host
a=candidate:tcpcandidate 1 tcp 3 192.0.2.7 44444 typ host tcptype passive
a=candidate:tcpcandidate 1 tcp 1 127.0.0.1 44444 typ host tcptype passive
a=end-of-candidates`;

const lines = (text: string): string => text.replaceAll('\r\n', '\n');

describe('writeSdpAnswer', () => {
	it('answers OBS', () => {
		const answer = answerWhip(OBS_OFFER);
		expect(answer.split('\r\n').join('')).not.toMatch(/[\r\n]/);
		expect(lines(answer)).toBe(`v=0
o=spillway 1 1 IN IP4 0.0.0.0
s=-
t=0 0
a=ice-lite
a=group:BUNDLE 0 1
a=msid-semantic: WMS *
m=audio 9 UDP/TLS/RTP/SAVPF 111
c=IN IP4 0.0.0.0
a=mid:0
a=recvonly
${SECTION}
a=rtpmap:111 opus/48000/2
a=fmtp:111 minptime=10;maxaveragebitrate=96000;stereo=1;sprop-stereo=1;useinbandfec=1
${CANDIDATES}
m=video 9 UDP/TLS/RTP/SAVPF 96
c=IN IP4 0.0.0.0
a=mid:1
a=recvonly
${SECTION}
a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid
a=rtpmap:96 H264/90000
a=fmtp:96 profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1;x-google-start-bitrate=2500
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtcp-fb:96 goog-remb
${CANDIDATES}
`);
	});

	it('answers a viewer, and refuses what is not served', () => {
		const offer = parseSdpOffer(CHROMIUM_WHEP_OFFER);
		const viewer = negotiateWhep(offer, { defaults: DEFAULT_PAYLOAD_TYPES, hasChoice: true });
		const answer = writeSdpAnswer(
			{ ...TRANSPORT, iceCandidates: TRANSPORT.iceCandidates.slice(0, 1) },
			{
				offer,
				transport: { ...viewer.transport, bundle: ['0'] },
				media: [
					{
						offered: viewer.video!.media,
						direction: 'sendonly',
						codecs: [{ ...viewer.video!.codec, feedback: ['nack', 'nack pli'] }],
						headerExtensions: [{ id: 10, uri: 'urn:example' }],
						sending: { ssrc: 1234, cname: 'name', streamId: 'stream', trackId: 'video' },
					},
				],
			},
			undefined,
		);
		expect(lines(answer)).toBe(`v=0
o=spillway 1 1 IN IP4 0.0.0.0
s=-
t=0 0
a=ice-lite
a=group:BUNDLE 0
a=msid-semantic: WMS *
m=video 9 UDP/TLS/RTP/SAVPF 108
c=IN IP4 0.0.0.0
a=mid:0
a=sendonly
${SECTION}
a=extmap:10 urn:example
a=rtpmap:108 H264/90000
a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
a=rtcp-fb:108 nack
a=rtcp-fb:108 nack pli
a=msid:stream video
a=ssrc:1234 cname:name
a=ssrc:1234 msid:stream video
a=candidate:udpcandidate 1 udp 4 192.0.2.7 44444 typ host
a=end-of-candidates
m=audio 0 UDP/TLS/RTP/SAVPF 111
c=IN IP4 0.0.0.0
a=mid:1
a=inactive
${SECTION}
`);
	});

	it('accepts every simulcast layer, as OBS demands (W-13)', () => {
		expect(lines(answerWhip(OBS_SIMULCAST_OFFER))).toContain(
			'a=rid:0 recv\na=rid:1 recv\na=rid:2 recv\na=simulcast:recv 0;1;2\n',
		);
	});

	it('puts the address that the client used first, UDP before TCP, and keeps all', () => {
		const addresses = [
			...answerWhip(FFMPEG_OFFER, '127.0.0.1')
				.split('m=')[1]!
				.matchAll(/a=candidate:\S+ 1 (\S+) \d+ (\S+)/g),
		];
		expect(addresses.map(([, protocol, address]) => `${protocol} ${address}`)).toEqual([
			'udp 127.0.0.1',
			'udp 192.0.2.7',
			'tcp 127.0.0.1',
			'tcp 192.0.2.7',
		]);
	});

	it('is the DTLS client of a publisher that offers passive, as FFmpeg does', () => {
		expect(answerWhip(FFMPEG_OFFER).match(/a=setup:\w+/g)).toEqual(['a=setup:active', 'a=setup:active']);
	});

	it('is readable by the parser of offers', () => {
		for (const offer of [OBS_OFFER, OBS_SIMULCAST_OFFER, FFMPEG_OFFER]) {
			const { sections } = parseSdpOffer(answerWhip(offer));
			expect(sections.map(({ mid, media }) => [mid, media?.direction])).toEqual([
				['0', 'recvonly'],
				['1', 'recvonly'],
			]);
		}
	});
});
