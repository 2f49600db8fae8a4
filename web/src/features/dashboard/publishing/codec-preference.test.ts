/** H.264 goes first, and nothing that the server cannot take goes at all. */
import { expect, it } from 'vitest';
import { orderVideoCodecs } from './codec-preference.ts';

it('orders what Chromium offers', () => {
	const codecs = [
		{ mimeType: 'video/VP8' },
		{ mimeType: 'video/rtx' },
		{ mimeType: 'video/VP9', sdpFmtpLine: 'profile-id=0' },
		{ mimeType: 'video/H264', sdpFmtpLine: 'packetization-mode=0;profile-level-id=42e01f' },
		{ mimeType: 'video/H264', sdpFmtpLine: 'packetization-mode=1;profile-level-id=4d001f' },
		{ mimeType: 'video/H264', sdpFmtpLine: 'packetization-mode=1;profile-level-id=42e01f' },
		{ mimeType: 'video/AV1' },
	];
	expect(orderVideoCodecs(codecs)).toEqual([codecs[5], codecs[4], codecs[3], codecs[0], codecs[1]]);
});

it('offers VP8 where there is no H.264', () => {
	expect(orderVideoCodecs([{ mimeType: 'video/VP9' }, { mimeType: 'video/VP8' }])).toEqual([{ mimeType: 'video/VP8' }]);
});
