/** Writes the init segment (`ftyp` and `moov`) of one CMAF track: H.264 in `avc1`, AAC in `mp4a`. */
import {
	displaySize,
	spsFacts,
	type AudioTrackConfig,
	type TrackConfig,
	type VideoTrackConfig,
} from '../../core/media/codecs.ts';
import { VIDEO_CLOCK_RATE } from '../../core/units.ts';
import { ascii, box, concatBytes, fullBox, u16, u32, u8 } from './box-writer.ts';

/** Track id in all our files: each has one track. */
export const CMAF_TRACK_ID = 1;

const LANGUAGE_UNDETERMINED = 0x55c4;
const IDENTITY_MATRIX = u32(0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000);

/** True when {@link writeInitSegment} can write it: H.264 with its parameter sets, AAC with its configuration. */
export function isPackageable(config: TrackConfig): boolean {
	return config.kind === 'video'
		? config.codec === 'h264' && (config.sps[0]?.length ?? 0) >= 4 && config.pps.length > 0
		: config.codec === 'aac' && config.audioSpecificConfig.length >= 2 && config.sampleRate > 0;
}

/** Ticks per second of the track's file: 90 000 for video, the sample rate for audio. */
export function cmafTimescale(config: TrackConfig): number {
	return config.kind === 'video' ? VIDEO_CLOCK_RATE : config.sampleRate;
}

/**
 * The bytes that EXT-X-MAP points to. Throws TypeError for a track that is not {@link isPackageable}.
 *
 * `presentationDelayTicks`: time between decoding and presentation of the first picture of a stream with B-frames. An
 * edit list removes it, so that `tfdt` is the presentation time of a segment's first picture while composition offsets
 * stay positive. Signed offsets without an edit list (CMAF's `cmf2`) look the same in Chromium. But FFmpeg 5.1 shows
 * them late by the largest negative offset, one or two frames behind the sound.
 */
export function writeInitSegment(config: TrackConfig, presentationDelayTicks = 0): Uint8Array {
	if (!isPackageable(config)) {
		throw new TypeError(`A ${config.codec} track without its decoder configuration has no init segment.`);
	}
	// rfc8216bis §3.1.2: "iso6" or a later brand; no samples and no duration in the movie box.
	const fileType = box('ftyp', ascii('cmfc'), u32(0), ascii('iso6'), ascii('cmfc'));
	const track = trackBox(config, {
		trackId: CMAF_TRACK_ID,
		durationTicks: 0,
		mediaDurationTicks: 0,
		// One edit without a duration, which in a fragmented file covers all of it.
		edits: presentationDelayTicks === 0 ? [] : [{ durationTicks: 0, mediaTimeTicks: presentationDelayTicks }],
		tables: [
			fullBox('stts', 0, 0, u32(0)),
			fullBox('stsc', 0, 0, u32(0)),
			fullBox('stsz', 0, 0, u32(0, 0)),
			fullBox('stco', 0, 0, u32(0)),
		],
	});
	const trackExtends = fullBox('trex', 0, 0, u32(CMAF_TRACK_ID, 1, 0, 0, 0));
	const header = movieHeader({ timescale: 1000, durationTicks: 0, nextTrackId: CMAF_TRACK_ID + 1 });
	return concatBytes([fileType, box('moov', header, track, box('mvex', trackExtends))]);
}

/** `mvhd` (ISO/IEC 14496-12 §8.2.2). */
export function movieHeader(movie: { timescale: number; durationTicks: number; nextTrackId: number }): Uint8Array {
	return fullBox(
		'mvhd',
		0,
		0,
		u32(0, 0, movie.timescale, movie.durationTicks, 0x1_0000),
		u16(0x100, 0),
		u32(0, 0),
		IDENTITY_MATRIX,
		u32(0, 0, 0, 0, 0, 0),
		u32(movie.nextTrackId),
	);
}

/** One stretch of a track's presentation. */
type Edit = {
	/** In ticks of the movie. */
	durationTicks: number;
	/** Where it begins in the track's media. */
	mediaTimeTicks: number;
};

/** `trak` of a track that {@link isPackageable}. `tables`: the boxes of `stbl` behind the sample entry. */
export function trackBox(
	config: TrackConfig,
	track: {
		trackId: number;
		/** In ticks of the movie. */
		durationTicks: number;
		/** In ticks of the track. */
		mediaDurationTicks: number;
		edits: readonly Edit[];
		tables: readonly Uint8Array[];
	},
): Uint8Array {
	const isVideo = config.kind === 'video';
	const { mediaDurationTicks, tables } = track;
	const sampleEntry = isVideo ? avcSampleEntry(config) : aacSampleEntry(config);
	const media = box(
		'mdia',
		fullBox('mdhd', 0, 0, u32(0, 0, cmafTimescale(config), mediaDurationTicks), u16(LANGUAGE_UNDETERMINED, 0)),
		fullBox(
			'hdlr',
			0,
			0,
			u32(0),
			ascii(isVideo ? 'vide' : 'soun'),
			u32(0, 0, 0),
			ascii(isVideo ? 'Video\0' : 'Audio\0'),
		),
		box(
			'minf',
			isVideo ? fullBox('vmhd', 0, 1, u16(0, 0, 0, 0)) : fullBox('smhd', 0, 0, u16(0, 0)),
			box('dinf', fullBox('dref', 0, 0, u32(1), fullBox('url ', 0, 1))),
			box('stbl', fullBox('stsd', 0, 0, u32(1), sampleEntry), ...tables),
		),
	);
	return box('trak', trackHeader(config, track), editList(track.edits), media);
}

// ISO/IEC 14496-12 §8.3.2: width and height of a track are those of its presentation, pixels stretched to squares.
function trackHeader(config: TrackConfig, track: { trackId: number; durationTicks: number }): Uint8Array {
	const isVideo = config.kind === 'video';
	const shown = isVideo ? displaySize(config) : { widthPixels: 0, heightPixels: 0 };
	return fullBox(
		'tkhd',
		0,
		7,
		u32(0, 0, track.trackId, 0, track.durationTicks, 0, 0),
		u16(0, isVideo ? 0 : 1, isVideo ? 0 : 0x100, 0),
		IDENTITY_MATRIX,
		u32(shown.widthPixels * 0x1_0000, shown.heightPixels * 0x1_0000),
	);
}

// ISO/IEC 14496-12 §8.6.6.
function editList(edits: readonly Edit[]): Uint8Array {
	const entries = edits.flatMap(({ durationTicks, mediaTimeTicks }) => [u32(durationTicks, mediaTimeTicks), u16(1, 0)]);
	return edits.length === 0 ? new Uint8Array(0) : box('edts', fullBox('elst', 0, 0, u32(edits.length), ...entries));
}

// ISO/IEC 14496-12 §12.1.3 and 14496-15 §5.4.2.
function avcSampleEntry(config: VideoTrackConfig): Uint8Array {
	return box(
		'avc1',
		u8(0, 0, 0, 0, 0, 0),
		u16(1),
		u16(0, 0),
		u32(0, 0, 0),
		u16(config.widthPixels, config.heightPixels),
		u32(0x48_0000, 0x48_0000, 0),
		u16(1),
		new Uint8Array(32),
		u16(0x18, 0xffff),
		box('avcC', avcDecoderConfiguration(config)),
		pixelAspectRatio(config),
	);
}

// ISO/IEC 14496-12 §12.1.4. Left out for square pixels, as is usual.
function pixelAspectRatio(config: VideoTrackConfig): Uint8Array {
	const { width, height } = spsFacts(config)?.sampleAspectRatio ?? { width: 1, height: 1 };
	return width === height ? new Uint8Array(0) : box('pasp', u32(width, height));
}

const PROFILES_WITH_CHROMA = new Set([100, 110, 122, 144, 244]);

/**
 * AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3.1.2), with the extension that High profiles need.
 * @internal for tests
 */
export function avcDecoderConfiguration(config: VideoTrackConfig): Uint8Array {
	const firstSps = config.sps[0]!;
	const profileIdc = firstSps[1]!;
	// "The level indication must indicate a level of capability equal to or greater than the highest level" of all sets.
	const levelIdc = Math.max(...config.sps.map((sps) => sps[3]!));
	const parts = [
		u8(1, profileIdc, firstSps[2]!, levelIdc, 0xff, 0xe0 | config.sps.length),
		...config.sps.flatMap((sps) => [u16(sps.length), sps]),
		u8(config.pps.length),
		...config.pps.flatMap((pps) => [u16(pps.length), pps]),
	];
	if (PROFILES_WITH_CHROMA.has(profileIdc)) {
		// 4:2:0 with 8 bits is assumed when the set cannot be read.
		const facts = spsFacts(config) ?? { chromaFormatIdc: 1, bitDepthLuma: 8, bitDepthChroma: 8 };
		parts.push(u8(0xfc | facts.chromaFormatIdc, 0xf8 | (facts.bitDepthLuma - 8), 0xf8 | (facts.bitDepthChroma - 8), 0));
	}
	return concatBytes(parts);
}

// ISO/IEC 14496-12 §12.2.3 and 14496-14 §5.6. The sample rate field has 16 bits; 0 means "see the decoder
// configuration".
function aacSampleEntry(config: AudioTrackConfig): Uint8Array {
	const rate = config.sampleRate <= 0xffff ? config.sampleRate * 0x1_0000 : 0;
	return box(
		'mp4a',
		u8(0, 0, 0, 0, 0, 0),
		u16(1),
		u32(0, 0),
		u16(config.channelCount, 16),
		u32(0, rate),
		fullBox('esds', 0, 0, elementaryStreamDescriptor(config.audioSpecificConfig)),
	);
}

// ISO/IEC 14496-1 §7.2.6.5: object type 0x40 is AAC, stream type 5 audio, SL predefined 2 is MP4.
function elementaryStreamDescriptor(audioSpecificConfig: Uint8Array): Uint8Array {
	const decoderSpecific = descriptor(0x05, audioSpecificConfig);
	const decoderConfig = descriptor(0x04, u8(0x40, (5 << 2) | 1, 0, 0, 0), u32(0, 0), decoderSpecific);
	return descriptor(0x03, u16(CMAF_TRACK_ID), u8(0), decoderConfig, descriptor(0x06, u8(0x02)));
}

function descriptor(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
	const body = concatBytes(contents);
	const size = body.length;
	return concatBytes([
		u8(tag, 0x80 | ((size >> 21) & 0x7f), 0x80 | ((size >> 14) & 0x7f), 0x80 | ((size >> 7) & 0x7f), size & 0x7f),
		body,
	]);
}
