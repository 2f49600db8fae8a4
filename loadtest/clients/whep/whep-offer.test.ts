/** Tests of the WHEP offer and the reading of its answer. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mapCandidatePorts, parseWhepAnswer, whepOffer } from './whep-offer.ts';

const ANSWER = `v=0\r
o=- 1 1 IN IP4 127.0.0.1\r
a=ice-lite\r
a=fingerprint:sha-256 AA:BB\r
m=audio 9 UDP/TLS/RTP/SAVPF 111\r
a=mid:0\r
a=setup:passive\r
a=ice-ufrag:abcd\r
a=ice-pwd:secret\r
a=rtpmap:111 opus/48000/2\r
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time\r
a=candidate:udpcandidate 1 udp 1076558079 127.0.0.1 44444 typ host\r
m=video 9 UDP/TLS/RTP/SAVPF 96\r
a=mid:1\r
a=rtpmap:96 H264/90000\r
`;

describe('whepOffer', () => {
	it('offers to receive picture and sound with capture times of both', () => {
		const offer = whepOffer({ usernameFragment: 'u', password: 'p', fingerprint: 'sha-256 AA' });
		expect(offer.match(/^m=\w+/gm)).toEqual(['m=audio', 'm=video']);
		expect(offer.match(/abs-capture-time/g)).toHaveLength(2);
		expect(offer.match(/a=recvonly/g)).toHaveLength(2);
		expect(offer.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
	});
});

describe('parseWhepAnswer', () => {
	it('reads tracks, credentials and candidates', () => {
		expect(parseWhepAnswer(ANSWER)).toEqual({
			usernameFragment: 'abcd',
			password: 'secret',
			fingerprint: { algorithm: 'sha-256', value: 'AA:BB' },
			setup: 'passive',
			isIceLite: true,
			candidates: ['udpcandidate 1 udp 1076558079 127.0.0.1 44444 typ host'],
			tracks: [
				{ kind: 'audio', payloadType: 111, clockRate: 48_000, captureTimeExtensionId: 2 },
				{ kind: 'video', payloadType: 96, clockRate: 90_000, captureTimeExtensionId: undefined },
			],
		});
	});

	it('leaves out refused tracks, and throws when all are refused', () => {
		const withoutAudio = ANSWER.replace('m=audio 9', 'm=audio 0');
		expect(parseWhepAnswer(withoutAudio).tracks.map(({ kind }) => kind)).toEqual(['video']);
		expect(() => parseWhepAnswer(withoutAudio.replace('m=video 9', 'm=video 0'))).toThrow('neither');
	});

	it('throws nothing but Error for any text', () => {
		fc.assert(
			fc.property(fc.nat(ANSWER.length), fc.string(), (at, text) => {
				try {
					parseWhepAnswer(ANSWER.slice(0, at) + text + ANSWER.slice(at));
				} catch (error) {
					expect((error as Error).constructor).toBe(Error);
				}
			}),
		);
	});
});

describe('mapCandidatePorts', () => {
	it('replaces the ports that are named and no others', () => {
		const candidates = ['a 1 udp 5 127.0.0.1 44444 typ host', 'b 1 tcp 5 127.0.0.1 44445 typ host tcptype passive'];
		expect(mapCandidatePorts(candidates, { 44444: 5000 })).toEqual([
			candidates[0]!.replace('44444', '5000'),
			candidates[1],
		]);
	});
});
