/** The bench's kinds of publisher by name. */
import { ChromiumWhipPublisher } from './whip/chromium-whip-publisher.ts';
import type { EncoderSettings } from '../source/encoder-settings.ts';
import type { Publisher, PublishTarget } from '../source/publisher.ts';
import { RtmpPublisher } from './rtmp/rtmp-publisher.ts';
import { WeriftWhipPublisher } from './whip/werift-whip-publisher.ts';

/** Every kind and what it is. */
export const PUBLISHER_KINDS = {
	rtmp: 'FFmpeg by RTMP, no B-frames, GOP as given: passes through to both tiers',
	'rtmp-b-frames': 'FFmpeg by RTMP, two B-frames, GOP as given: re-encoded for WebRTC, passes through to LL-HLS',
	'rtmp-obs-defaults': 'FFmpeg by RTMP as OBS does it: two B-frames, 250 frames of GOP: both legs are re-encoded',
	'whip-chromium': 'headless Chromium by WHIP, H.264, key frames on request only',
	'whip-chromium-simulcast': 'as whip-chromium, with three simulcast layers: the smaller ones are rungs',
	'whip-chromium-vp8': 'headless Chromium by WHIP, VP8: re-encoded for both tiers',
	'whip-obs': 'as OBS by WHIP, GOP as given, key-frame requests ignored',
	'whip-obs-simulcast': 'as whip-obs, with three simulcast layers: the smaller ones are rungs',
	'whip-obs-defaults': 'as OBS by WHIP, 250 frames of GOP, key-frame requests ignored: both legs are re-encoded',
} as const;

export type PublisherKind = keyof typeof PUBLISHER_KINDS;

/** Where a kind publishes to, and with which key. */
export type IngestAddresses = { httpUrl: string; rtmpUrl: string; streamKey: string };

/** The settings of the kind's encoder when these are asked for. */
export function encoderSettings(kind: PublisherKind, settings: EncoderSettings): EncoderSettings {
	switch (kind) {
		case 'rtmp-b-frames':
			return { ...settings, profile: 'b-frames' };
		case 'rtmp-obs-defaults':
			// As OBS: sound without a lead, as from a sound card, and x264's own default for the GOP.
			return { ...settings, profile: 'obs-rtmp-defaults', gopSeconds: undefined, soundLeadMs: 0 };
		case 'whip-obs-defaults':
			return { ...settings, gopSeconds: undefined };
		default:
			return settings;
	}
}

/** The publisher is not started. */
export function createPublisher(kind: PublisherKind, wanted: EncoderSettings, addresses: IngestAddresses): Publisher {
	const rtmp: PublishTarget = { url: addresses.rtmpUrl, streamKey: addresses.streamKey };
	const whip: PublishTarget = { url: new URL('/whip', addresses.httpUrl).href, streamKey: addresses.streamKey };
	const settings = encoderSettings(kind, wanted);
	switch (kind) {
		case 'rtmp':
		case 'rtmp-b-frames':
		case 'rtmp-obs-defaults':
			return new RtmpPublisher(settings, rtmp);
		case 'whip-obs':
		case 'whip-obs-defaults':
			return new WeriftWhipPublisher(settings, whip);
		case 'whip-obs-simulcast':
			return new WeriftWhipPublisher(settings, whip, 3);
		case 'whip-chromium':
		case 'whip-chromium-simulcast':
		case 'whip-chromium-vp8': {
			const { widthPixels, heightPixels, frameRate, videoBitrateBps } = settings;
			const codec = kind === 'whip-chromium-vp8' ? 'vp8' : 'h264';
			const layerCount = kind === 'whip-chromium-simulcast' ? 3 : 1;
			const options = { widthPixels, heightPixels, frameRate, videoBitrateBps, codec, layerCount } as const;
			return new ChromiumWhipPublisher(options, whip);
		}
	}
}
