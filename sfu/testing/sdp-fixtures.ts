/** SDP offers as real publishers and viewers sent them; credentials and fingerprints are replaced. For tests only. */

const UFRAG = 'a=ice-ufrag:uFrG';
const PASSWORD = 'a=ice-pwd:aNeutralIcePasswordXyz1';
const FINGERPRINT =
	'a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF';

function sdp(lines: string): string {
	return `${lines
		.trim()
		.split('\n')
		.map((line) => line.trim())
		.join('\r\n')}\r\n`;
}

/**
 * OBS Studio 32.2.2, native WHIP output, one layer: session-level credentials, no candidates, one codec each, no RTX,
 * and 42e01f for any profile of the encoder.
 */
export const OBS_OFFER = sdp(`
	v=0
	o=rtc 4153981024 0 IN IP4 127.0.0.1
	s=-
	t=0 0
	a=group:BUNDLE 0 1
	a=group:LS 0 1
	a=msid-semantic:WMS *
	a=setup:actpass
	${UFRAG}
	${PASSWORD}
	a=ice-options:ice2,trickle
	${FINGERPRINT}
	m=audio 9 UDP/TLS/RTP/SAVPF 111
	c=IN IP4 0.0.0.0
	a=mid:0
	a=sendonly
	a=ssrc:1900943992 cname:obsCname
	a=ssrc:1900943992 msid:obsStream obsStream-audio
	a=msid:obsStream obsStream-audio
	a=rtcp-mux
	a=rtpmap:111 opus/48000/2
	a=fmtp:111 minptime=10;maxaveragebitrate=96000;stereo=1;sprop-stereo=1;useinbandfec=1
	m=video 9 UDP/TLS/RTP/SAVPF 96
	c=IN IP4 0.0.0.0
	a=mid:1
	a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid
	a=extmap:2 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id
	a=sendonly
	a=ssrc:1900943993 cname:obsCname
	a=ssrc:1900943993 msid:obsStream obsStream-video
	a=msid:obsStream obsStream-video
	a=rtcp-mux
	a=rtpmap:96 H264/90000
	a=rtcp-fb:96 nack
	a=rtcp-fb:96 nack pli
	a=rtcp-fb:96 goog-remb
	a=fmtp:96 profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1
`);

/** OBS Studio 32.2.2 with three simulcast layers: rids 0 (the largest) to 2 and no SSRC of the video. */
export const OBS_SIMULCAST_OFFER = OBS_OFFER.replace(
	'a=ssrc:1900943993 cname:obsCname\r\na=ssrc:1900943993 msid:obsStream obsStream-video\r\na=msid:obsStream obsStream-video\r\n',
	'a=msid:obsStream obsStream-video\r\na=rid:0 send\r\na=rid:1 send\r\na=rid:2 send\r\na=simulcast:send 0;1;2\r\n',
);

/** FFmpeg 9.0, `-f whip`: `setup:passive`, so that the server is the DTLS client, and credentials in each section. */
export const FFMPEG_OFFER = sdp(`
	v=0
	o=FFmpeg 4489045141692799359 2 IN IP4 127.0.0.1
	s=FFmpegPublishSession
	t=0 0
	a=group:BUNDLE 0 1
	a=extmap-allow-mixed
	a=msid-semantic: WMS
	m=audio 9 UDP/TLS/RTP/SAVPF 111
	c=IN IP4 0.0.0.0
	${UFRAG}
	${PASSWORD}
	${FINGERPRINT}
	a=setup:passive
	a=mid:0
	a=sendonly
	a=msid:FFmpeg audio
	a=rtcp-mux
	a=rtpmap:111 opus/48000/2
	a=ssrc:463527403 cname:FFmpeg
	a=ssrc:463527403 msid:FFmpeg audio
	m=video 9 UDP/TLS/RTP/SAVPF 106 105
	c=IN IP4 0.0.0.0
	${UFRAG}
	${PASSWORD}
	${FINGERPRINT}
	a=setup:passive
	a=mid:1
	a=sendonly
	a=msid:FFmpeg video
	a=rtcp-mux
	a=rtcp-rsize
	a=rtpmap:106 H264/90000
	a=fmtp:106 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001e
	a=rtcp-fb:106 nack
	a=rtpmap:105 rtx/90000
	a=fmtp:105 apt=106
	a=ssrc-group:FID 463527404 463527405
	a=ssrc:463527404 cname:FFmpeg
	a=ssrc:463527404 msid:FFmpeg video
`);

const CHROMIUM_SESSION = `
	v=0
	o=- 5336384560018730293 2 IN IP4 127.0.0.1
	s=-
	t=0 0
	a=group:BUNDLE 0 1
	a=extmap-allow-mixed
`;

const CHROMIUM_TRANSPORT = `
	c=IN IP4 0.0.0.0
	a=rtcp:9 IN IP4 0.0.0.0
	${UFRAG}
	${PASSWORD}
	a=ice-options:trickle
	${FINGERPRINT}
	a=setup:actpass
`;

const CHROMIUM_VIDEO_EXTENSIONS = `
	a=mid:0
	a=extmap:1 urn:ietf:params:rtp-hdrext:toffset
	a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
	a=extmap:3 urn:3gpp:video-orientation
	a=extmap:4 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
	a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay
	a=extmap:6 http://www.webrtc.org/experiments/rtp-hdrext/video-content-type
	a=extmap:7 http://www.webrtc.org/experiments/rtp-hdrext/video-timing
	a=extmap:8 http://www.webrtc.org/experiments/rtp-hdrext/color-space
	a=extmap:9 urn:ietf:params:rtp-hdrext:sdes:mid
	a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id
	a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id
`;

const CHROMIUM_RTCP = `
	a=rtcp-mux
	a=rtcp-rsize
	a=rtcp-xr:rcvr-rtt=all
`;

/** Chromium's codec with its feedback, and its RTX. */
function chromiumCodec(payloadType: number, name: string, format: string, rtxPayloadType: number): string {
	const feedback = ['goog-remb', 'transport-cc', 'ccm fir', 'nack', 'nack pli'];
	return [
		`a=rtpmap:${payloadType} ${name}/90000`,
		...feedback.map((entry) => `a=rtcp-fb:${payloadType} ${entry}`),
		...(format === '' ? [] : [`a=fmtp:${payloadType} ${format}`]),
		`a=rtpmap:${rtxPayloadType} rtx/90000`,
		`a=fmtp:${rtxPayloadType} apt=${payloadType}`,
	].join('\n');
}

const h264Format = (mode: 0 | 1, profile: string): string =>
	`level-asymmetry-allowed=1;packetization-mode=${mode};profile-level-id=${profile}`;

const CHROMIUM_VP8_H264 = [
	chromiumCodec(96, 'VP8', '', 97),
	chromiumCodec(102, 'H264', h264Format(1, '42001f'), 103),
	chromiumCodec(104, 'H264', h264Format(0, '42001f'), 107),
	chromiumCodec(108, 'H264', h264Format(1, '42e01f'), 109),
	chromiumCodec(114, 'H264', h264Format(0, '42e01f'), 115),
	chromiumCodec(116, 'H264', h264Format(1, '4d001f'), 117),
	chromiumCodec(39, 'H264', h264Format(0, '4d001f'), 40),
].join('\n');

const CHROMIUM_AV1_VP9_FEC = [
	chromiumCodec(45, 'AV1', 'level-idx=5;profile=0;tier=0', 46),
	chromiumCodec(98, 'VP9', 'profile-id=0', 99),
	chromiumCodec(100, 'VP9', 'profile-id=2', 101),
	'a=rtpmap:118 red/90000',
	'a=rtpmap:119 rtx/90000',
	'a=fmtp:119 apt=118',
	'a=rtpmap:120 ulpfec/90000',
].join('\n');

const CHROMIUM_AUDIO_EXTENSIONS = `
	a=mid:1
	a=extmap:14 urn:ietf:params:rtp-hdrext:ssrc-audio-level
	a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
	a=extmap:4 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
	a=extmap:9 urn:ietf:params:rtp-hdrext:sdes:mid
`;

const CHROMIUM_AUDIO_CODECS = `
	a=rtpmap:111 opus/48000/2
	a=rtcp-fb:111 transport-cc
	a=fmtp:111 minptime=10;useinbandfec=1
	a=rtpmap:63 red/48000/2
	a=fmtp:63 111/111
	a=rtpmap:9 G722/8000
	a=rtpmap:0 PCMU/8000
	a=rtpmap:8 PCMA/8000
	a=rtpmap:13 CN/8000
	a=rtpmap:110 telephone-event/48000
	a=rtpmap:126 telephone-event/8000
`;

/** Removes blank lines that joining the parts above leaves. */
const chromium = (...parts: string[]): string => sdp(parts.join('\n').replaceAll(/\n\s*\n/g, '\n'));

/** Chromium 156 publishing one stream of picture and sound: VP8 first, H.264 in six forms, RTX throughout. */
export const CHROMIUM_WHIP_OFFER = chromium(
	CHROMIUM_SESSION,
	'a=msid-semantic: WMS streamId',
	'm=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103 104 107 108 109 114 115 116 117 39 40 45 46 98 99 100 101 118 119 120',
	CHROMIUM_TRANSPORT,
	CHROMIUM_VIDEO_EXTENSIONS,
	'a=sendonly',
	'a=msid:streamId videoTrackId',
	CHROMIUM_RTCP,
	CHROMIUM_VP8_H264,
	CHROMIUM_AV1_VP9_FEC,
	'a=ssrc-group:FID 336554377 1384587904',
	'a=ssrc:336554377 cname:chromiumCname',
	'a=ssrc:336554377 msid:streamId videoTrackId',
	'a=ssrc:1384587904 cname:chromiumCname',
	'a=ssrc:1384587904 msid:streamId videoTrackId',
	'm=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126',
	CHROMIUM_TRANSPORT,
	CHROMIUM_AUDIO_EXTENSIONS,
	'a=sendonly',
	'a=msid:streamId audioTrackId',
	CHROMIUM_RTCP,
	CHROMIUM_AUDIO_CODECS,
	'a=ssrc:2586216488 cname:chromiumCname',
	'a=ssrc:2586216488 msid:streamId audioTrackId',
);

/**
 * Chromium 156 with two recvonly transceivers, as a viewer's page makes them without changes to the offer. Some of its
 * further VP9, AV1 and H.264 profiles are left out.
 */
export const CHROMIUM_WHEP_OFFER = chromium(
	CHROMIUM_SESSION,
	'a=msid-semantic: WMS',
	'm=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103 104 107 108 109 114 115 116 117 39 40 45 46 98 99 100 101 118 119 120',
	CHROMIUM_TRANSPORT,
	CHROMIUM_VIDEO_EXTENSIONS,
	'a=recvonly',
	CHROMIUM_RTCP,
	CHROMIUM_VP8_H264,
	CHROMIUM_AV1_VP9_FEC,
	'm=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126',
	CHROMIUM_TRANSPORT,
	CHROMIUM_AUDIO_EXTENSIONS,
	'a=recvonly',
	CHROMIUM_RTCP,
	CHROMIUM_AUDIO_CODECS,
);
