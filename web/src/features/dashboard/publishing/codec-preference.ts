/** The order in which codecs are offered: H.264 first, because it goes through to both tiers untouched. Pure. */

/** A codec as browsers list it. */
export type OfferedCodec = { mimeType: string; sdpFmtpLine?: string };

/**
 * H.264 with packetization-mode 1 first, baseline before main before the rest (B-frames cannot occur in baseline); then VP8, which
 * the server re-encodes. Others the server does not take; retransmission and error correction keep their place at the end.
 */
export function orderVideoCodecs<Codec extends OfferedCodec>(codecs: readonly Codec[]): Codec[] {
	return codecs
		.map((codec, index) => ({ codec, index, rank: rankOf(codec) }))
		.filter(({ rank }) => rank < Infinity)
		.sort((a, b) => a.rank - b.rank || a.index - b.index)
		.map(({ codec }) => codec);
}

function rankOf({ mimeType, sdpFmtpLine = '' }: OfferedCodec): number {
	switch (mimeType.toLowerCase()) {
		case 'video/h264': {
			// RFC 6184 §8.1: the first two digits of profile-level-id are the profile; 42 is baseline, 4d main.
			const profile = /profile-level-id=([0-9a-f]{2})/i.exec(sdpFmtpLine)?.[1]?.toLowerCase() ?? '42';
			const mode = /packetization-mode=1/.test(sdpFmtpLine) ? 0 : 3;
			return mode + (profile === '42' ? 0 : profile === '4d' ? 1 : 2);
		}
		case 'video/vp8':
			return 10;
		case 'video/rtx':
		case 'video/red':
		case 'video/ulpfec':
			return 20;
		default:
			return Infinity;
	}
}
