/** The codecs of our routers and the payload types they use, per viewer's offer. */
import type { RouterRtpCodecCapability } from 'mediasoup/types';
import { OPUS_CLOCK_RATE, VIDEO_CLOCK_RATE } from '../../core/units.ts';

/**
 * Payload types of a router. mediasoup sends every Consumer the payload types of its router, while a WHEP viewer must
 * get those of its own offer (RFC 3264 §5.1). So each combination gets its own router behind a pipe.
 */
export type PayloadTypes = { h264: number; opus: number };

/** What Chromium offers; the stage's own router uses them, so that most viewers need no pipe. */
export const DEFAULT_PAYLOAD_TYPES: PayloadTypes = { h264: 108, opus: 111 };

/** Name of a combination, for maps and logs. */
export function payloadTypesKey(payloadTypes: PayloadTypes): string {
	return `${payloadTypes.h264}/${payloadTypes.opus}`;
}

/** H.264 of any profile is declared so everywhere: browsers decode High under this name, and OBS sends it so. */
export const H264_PARAMETERS = {
	'packetization-mode': 1,
	'profile-level-id': '42e01f',
	'level-asymmetry-allowed': 1,
} as const;

/** Opus as the stage sends it: in stereo, with forward error correction. */
export const OPUS_PARAMETERS = { 'sprop-stereo': 1, useinbandfec: 1 } as const;

/**
 * Codec under which mediasoup (3.27) gets H.264 whose parameter sets are only in the offer. It forwards no packet of
 * H.264 before one with an SPS, which never comes, but all packets of AV1. Only our tap receives them, and knows
 * better.
 */
export const OPAQUE_VIDEO_CODEC = { mimeType: 'video/AV1', parameters: {} } as const;

/** Codecs of a router for viewers. VP8 is there for publishers; it never reaches the stage. */
export function routerMediaCodecs(payloadTypes: PayloadTypes): RouterRtpCodecCapability[] {
	const [vp8PayloadType, opaquePayloadType] = [96, 98, 120, 122].filter(
		(type) => type !== payloadTypes.h264 && type !== payloadTypes.opus,
	) as [number, number];
	return [
		{
			kind: 'audio',
			mimeType: 'audio/opus',
			clockRate: OPUS_CLOCK_RATE,
			channels: 2,
			preferredPayloadType: payloadTypes.opus,
			parameters: {},
		},
		{
			kind: 'video',
			mimeType: 'video/H264',
			clockRate: VIDEO_CLOCK_RATE,
			preferredPayloadType: payloadTypes.h264,
			parameters: { ...H264_PARAMETERS },
		},
		{
			kind: 'video',
			mimeType: 'video/VP8',
			clockRate: VIDEO_CLOCK_RATE,
			preferredPayloadType: vp8PayloadType,
			parameters: {},
		},
		{
			kind: 'video',
			...OPAQUE_VIDEO_CODEC,
			clockRate: VIDEO_CLOCK_RATE,
			preferredPayloadType: opaquePayloadType,
		},
	];
}
