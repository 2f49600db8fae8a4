/** The known codecs, what a decoder needs besides the access units, and RFC 6381 names. */
import { isSameSps, parseSps, type SpsFacts } from './h264-parameter-sets.ts';

/** A further codec needs a branch wherever `codec` is compared. */
export type VideoCodec = 'h264' | 'vp8';
export type AudioCodec = 'aac' | 'opus';
export type Codec = VideoCodec | AudioCodec;

/** What a decoder must know before the first access unit of a video track. A changed one means a discontinuity. */
export type VideoTrackConfig = {
	kind: 'video';
	codec: VideoCodec;
	/** The coded size; see {@link displaySize} for the size on the screen. */
	widthPixels: number;
	heightPixels: number;
	/** H.264: sequence parameter sets, NAL units without start code; the one in use comes first. Empty for VP8. */
	sps: readonly Uint8Array[];
	/** H.264: picture parameter sets, NAL units without start code. Empty for VP8. */
	pps: readonly Uint8Array[];
};

/** What a decoder must know before the first access unit of an audio track. */
export type AudioTrackConfig = {
	kind: 'audio';
	codec: AudioCodec;
	sampleRate: number;
	channelCount: number;
	/** AAC: the AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1). Empty for Opus. */
	audioSpecificConfig: Uint8Array;
};

export type TrackConfig = VideoTrackConfig | AudioTrackConfig;

/** RFC 6381 name for a CODECS attribute and MSE, such as `avc1.64001f`; undefined for a track without CMAF form. */
export function codecString(config: TrackConfig): string | undefined {
	switch (config.codec) {
		case 'h264': {
			const sps = config.sps[0];
			return sps === undefined ? undefined : `avc1.${hexByte(sps[1])}${hexByte(sps[2])}${hexByte(sps[3])}`;
		}
		case 'aac': {
			const first = config.audioSpecificConfig[0] ?? 0x10;
			return `mp4a.40.${first >> 3}`;
		}
		case 'opus':
			return 'opus';
		case 'vp8':
			return undefined;
	}
}

/** Facts of the sequence parameter set in use; undefined for VP8, and for one that cannot be read. */
export function spsFacts(config: VideoTrackConfig): SpsFacts | undefined {
	const sps = config.sps[0];
	return sps === undefined ? undefined : parseSps(sps);
}

/** Size on the screen, in square pixels: the coded size, with the width stretched by the sample aspect ratio. */
export function displaySize(config: VideoTrackConfig): { widthPixels: number; heightPixels: number } {
	const ratio = spsFacts(config)?.sampleAspectRatio ?? { width: 1, height: 1 };
	return {
		widthPixels: Math.max(1, Math.round((config.widthPixels * ratio.width) / ratio.height)),
		heightPixels: config.heightPixels,
	};
}

/**
 * True when two configurations need no discontinuity between them: size on the screen, profile, chroma, depth,
 * reference pictures and their numbering are equal. All else in the parameter sets may differ, so a decoder must get
 * those that its pictures refer to.
 */
export function isSameConfig(one: TrackConfig, other: TrackConfig): boolean {
	if (one.kind === 'video' && other.kind === 'video') {
		return (
			one.codec === other.codec &&
			one.widthPixels === other.widthPixels &&
			one.heightPixels === other.heightPixels &&
			isSameSequence(one, other)
		);
	}
	if (one.kind === 'audio' && other.kind === 'audio') {
		return (
			one.codec === other.codec &&
			one.sampleRate === other.sampleRate &&
			one.channelCount === other.channelCount &&
			isSameBytes(one.audioSpecificConfig, other.audioSpecificConfig)
		);
	}
	return false;
}

/** True when two configurations are the same to the byte. */
export function isIdenticalConfig(one: TrackConfig, other: TrackConfig): boolean {
	return (
		isSameConfig(one, other) &&
		(one.kind === 'audio' ||
			other.kind === 'audio' ||
			(isSameList(one.sps, other.sps) && isSameList(one.pps, other.pps)))
	);
}

export function isSameBytes(one: Uint8Array, other: Uint8Array): boolean {
	return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

function isSameSequence(one: VideoTrackConfig, other: VideoTrackConfig): boolean {
	const facts = spsFacts(one);
	const otherFacts = spsFacts(other);
	return facts === undefined || otherFacts === undefined
		? isSameList(one.sps, other.sps)
		: isSameSps(facts, otherFacts);
}

function isSameList(one: readonly Uint8Array[], other: readonly Uint8Array[]): boolean {
	return one.length === other.length && one.every((bytes, index) => isSameBytes(bytes, other[index]!));
}

function hexByte(byte: number | undefined): string {
	return (byte ?? 0).toString(16).padStart(2, '0');
}
