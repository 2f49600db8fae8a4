/** Track configurations for tests, with parameter sets that x264 wrote, and empty units. */
import type { AccessUnit, TrackId } from '../../core/media/access-unit.ts';
import type { AudioTrackConfig, VideoTrackConfig } from '../../core/media/codecs.ts';

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));

/** 1280 × 720, constrained baseline. */
export const H264_CONFIG: VideoTrackConfig = {
	kind: 'video',
	codec: 'h264',
	widthPixels: 1280,
	heightPixels: 720,
	sps: [bytes('6742c01fda014016ec0440000003004000000f23c60ca8')],
	pps: [bytes('68ce0fc8')],
};

/** 640 × 360, baseline. */
export const SMALL_H264_CONFIG: VideoTrackConfig = {
	...H264_CONFIG,
	widthPixels: 640,
	heightPixels: 360,
	sps: [bytes('6742c01ed900a02ff970110000030001000003003c0f162e48')],
};

/** 1920 × 1080, high profile, whose VUI announces two B-frames. */
export const B_FRAME_CONFIG: VideoTrackConfig = {
	...H264_CONFIG,
	widthPixels: 1920,
	heightPixels: 1080,
	sps: [bytes('67640028acd940780227e5c044000003000400000300f03c60c658')],
};

/** 640 × 360. */
export const VP8_CONFIG: VideoTrackConfig = {
	kind: 'video',
	codec: 'vp8',
	widthPixels: 640,
	heightPixels: 360,
	sps: [],
	pps: [],
};

/** AAC-LC at 48 kHz in stereo. */
export const AAC_CONFIG: AudioTrackConfig = {
	kind: 'audio',
	codec: 'aac',
	sampleRate: 48_000,
	channelCount: 2,
	audioSpecificConfig: bytes('1190'),
};

/** Opus as WHIP publishers send it. */
export const OPUS_CONFIG: AudioTrackConfig = {
	kind: 'audio',
	codec: 'opus',
	sampleRate: 48_000,
	channelCount: 2,
	audioSpecificConfig: new Uint8Array(),
};

/** A unit without content at this position, in ticks of 90 kHz also for sound. */
export function unitAt(trackId: TrackId, ticks: number, isKeyFrame: boolean): AccessUnit {
	const isVideo = trackId !== 'audio0';
	return {
		trackId,
		kind: isVideo ? 'video' : 'audio',
		codec: isVideo ? 'h264' : 'aac',
		clockRate: 90_000,
		decodeTimeTicks: ticks,
		presentationTimeTicks: ticks,
		captureTimeMs: 0,
		isKeyFrame,
		run: 0,
		bytes: new Uint8Array(),
	};
}
