/** Whole offers, before and after. The input is an offer of Chromium 156, shortened to the codecs that matter. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ABS_CAPTURE_TIME_URI, prepareWhepOffer } from './whep-offer.ts';

const SESSION = `v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
a=extmap-allow-mixed
a=msid-semantic: WMS
`;

/** An offer of Chromium 156, shortened to the codecs that matter. */
function chromiumOffer(videoExtensions: string, audioExtensions: string, opusParameters: string): string {
	return `${SESSION}m=video 9 UDP/TLS/RTP/SAVPF 108 109
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:4ZcD
a=ice-pwd:2/1muCWoOi3uLifh0NuRHlqz
a=setup:actpass
a=mid:0
${videoExtensions}
a=recvonly
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:108 H264/90000
a=rtcp-fb:108 transport-cc
a=rtcp-fb:108 nack pli
a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
a=rtpmap:109 rtx/90000
a=fmtp:109 apt=108
m=audio 9 UDP/TLS/RTP/SAVPF 111 63
c=IN IP4 0.0.0.0
a=mid:1
${audioExtensions}
a=recvonly
a=rtcp-mux
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 ${opusParameters}
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
`;
}

const CHROMIUM_OFFER = chromiumOffer(
	`a=extmap:1 urn:ietf:params:rtp-hdrext:toffset
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:3 urn:3gpp:video-orientation
a=extmap:4 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay
a=extmap:6 http://www.webrtc.org/experiments/rtp-hdrext/video-content-type
a=extmap:9 urn:ietf:params:rtp-hdrext:sdes:mid
a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id
a=extmap:13 http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time`,
	`a=extmap:14 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:4 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=extmap:9 urn:ietf:params:rtp-hdrext:sdes:mid`,
	'minptime=10;useinbandfec=1',
);

const PREPARED_OFFER = chromiumOffer(
	`a=extmap:9 urn:ietf:params:rtp-hdrext:toffset
a=extmap:4 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:8 urn:3gpp:video-orientation
a=extmap:5 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=extmap:11 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay
a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid
a=extmap:10 http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time`,
	`a=extmap:6 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=extmap:4 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:5 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid
a=extmap:10 http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time`,
	'minptime=10;useinbandfec=1;stereo=1',
);

/** SDP lines end with CR LF (RFC 8866 §5). */
function sdp(text: string): string {
	return text.replaceAll('\n', '\r\n');
}

describe('prepareWhepOffer', () => {
	it("gives Chromium's extensions mediasoup's ids, drops the others, adds capture time and stereo", () => {
		expect(prepareWhepOffer(sdp(CHROMIUM_OFFER))).toBe(sdp(PREPARED_OFFER));
	});

	it('changes nothing the second time', () => {
		expect(prepareWhepOffer(sdp(PREPARED_OFFER))).toBe(sdp(PREPARED_OFFER));
	});

	it('adds capture time to a section without any extension, before its formats', () => {
		const [before, after] = [`${SESSION}m=audio 9 UDP/TLS/RTP/SAVPF 111\na=mid:0\n`, 'a=rtpmap:111 opus/48000/2\n'];
		expect(prepareWhepOffer(sdp(before + after))).toBe(sdp(`${before}a=extmap:10 ${ABS_CAPTURE_TIME_URI}\n${after}`));
	});

	it('keeps other sections and an explicit stereo preference', () => {
		const offer = sdp(
			`${SESSION}m=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=mid:0\nm=audio 9 UDP/TLS/RTP/SAVPF 111\n` +
				`a=extmap:10 ${ABS_CAPTURE_TIME_URI}\na=rtpmap:111 opus/48000/2\na=fmtp:111 stereo=0;minptime=10\n`,
		);
		expect(prepareWhepOffer(offer)).toBe(offer);
	});

	it('never uses an id twice in a section, for any offer', () => {
		const uris = fc.constantFrom(
			ABS_CAPTURE_TIME_URI,
			'urn:ietf:params:rtp-hdrext:sdes:mid',
			'urn:ietf:params:rtp-hdrext:toffset',
			'urn:example:unknown',
		);
		const extensions = fc.array(fc.record({ id: fc.integer({ min: 1, max: 255 }), uri: uris }), { maxLength: 20 });
		fc.assert(
			fc.property(extensions, (offered) => {
				const lines = offered.map(({ id, uri }) => `a=extmap:${id} ${uri}\n`).join('');
				const prepared = prepareWhepOffer(
					sdp(`${SESSION}m=video 9 UDP/TLS/RTP/SAVPF 96\n${lines}a=rtpmap:96 H264/90000\n`),
				);
				const ids = [...prepared.matchAll(/a=extmap:(\d+)/g)].map((match) => match[1]);
				expect(new Set(ids).size).toBe(ids.length);
				expect(ids).toContain('10');
				expect(prepared).not.toContain('urn:example:unknown');
			}),
		);
	});
});
