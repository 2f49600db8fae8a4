/** The codecs we know by name, what a decoder needs besides the access units, and their RFC 6381 names. */

/** Video codecs that enter today; an open union, so that a further one is a row, not a redesign. */
export type VideoCodec = 'h264' | 'vp8';
/** Audio codecs that enter or leave. */
export type AudioCodec = 'aac' | 'opus';
/** Any of them. */
export type Codec = VideoCodec | AudioCodec;

/** What a decoder must know before the first access unit of a video track. A changed one means a discontinuity. */
export type VideoTrackConfig = {
	kind: 'video';
	codec: VideoCodec;
	widthPixels: number;
	heightPixels: number;
	/** H.264: sequence parameter sets, NAL units without start code. Empty for VP8. */
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

/** Either. */
export type TrackConfig = VideoTrackConfig | AudioTrackConfig;

/** RFC 6381 name for a CODECS attribute and MSE, such as `avc1.64001f`; undefined for a track with no CMAF form of ours. */
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

/** True when two configurations decode alike, so that no discontinuity is needed between them. */
export function isSameConfig(one: TrackConfig, other: TrackConfig): boolean {
	if (one.kind === 'video' && other.kind === 'video') {
		return (
			one.codec === other.codec &&
			one.widthPixels === other.widthPixels &&
			one.heightPixels === other.heightPixels &&
			isSameList(one.sps, other.sps) &&
			isSameList(one.pps, other.pps)
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

/** Byte-wise equality. */
export function isSameBytes(one: Uint8Array, other: Uint8Array): boolean {
	return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

function isSameList(one: readonly Uint8Array[], other: readonly Uint8Array[]): boolean {
	return one.length === other.length && one.every((bytes, index) => isSameBytes(bytes, other[index]!));
}

function hexByte(byte: number | undefined): string {
	return (byte ?? 0).toString(16).padStart(2, '0');
}
