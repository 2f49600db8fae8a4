/** Writes NUT for FFmpeg's standard input: exact timestamps, no delay, one frame at a time. */
import { OPUS_CLOCK_RATE, VIDEO_CLOCK_RATE } from '../../units.ts';
import { spsFacts, type AudioTrackConfig, type TrackConfig, type VideoTrackConfig } from '../../media/codecs.ts';
import { NUT_FILE_ID, NUT_FRAME_FLAG, NUT_START_CODE, nutChecksum, pushUint32, pushVarint } from './nut-format.ts';

const VIDEO_CLASS = 0;
const AUDIO_CLASS = 1;
// Two frame codes a track are enough: packing sizes and times into more codes saves no bytes that matter.
const CODE_DELTA_FRAME = 1;
const CODE_KEY_FRAME = 2;
const CODES_PER_TRACK = 2;
// NUT_PIPE: no syncpoints follow the first. FFmpeg keeps every syncpoint in memory for seeking; with one a frame it
// grows by some 10 MB an hour.
const PIPE_VERSION = 4;
const PIPE_MINOR_VERSION = 0;
const PIPE_FLAG = 2;
const MAX_DISTANCE_BYTES = 65_536;
const FOURCC: Readonly<Record<TrackConfig['codec'], Uint8Array>> = {
	h264: Buffer.from('H264'),
	vp8: Buffer.from('VP80'),
	opus: Buffer.from('Opus'),
	// WAVE_FORMAT_RAW_AAC1, little-endian, as FFmpeg writes it.
	aac: Uint8Array.from([0xff, 0x00]),
};

/** A track in the headers, coded or raw. */
export type NutTrack = {
	fourcc: Uint8Array;
	/** Ticks a second; for sound, its sample rate. */
	clockRate: number;
	codecSpecificData: Uint8Array;
	/** The minimum of pictures that FFmpeg's decoder holds back. */
	decodeDelay: number;
} & (
	| {
			kind: 'video';
			widthPixels: number;
			heightPixels: number;
			/** Pictures a second. For rate control only; FFmpeg keeps the times that the frames have. */
			frameRate?: number | undefined;
	  }
	| { kind: 'audio'; channelCount: number }
);

/** Ticks a second of the NUT stream that {@link nutStreamHeader} announces for this track. */
export function nutClockRate(config: TrackConfig): number {
	if (config.kind === 'video') {
		return VIDEO_CLOCK_RATE;
	}
	return config.codec === 'opus' ? OPUS_CLOCK_RATE : config.sampleRate;
}

/** Everything before the first frame of a stream of one coded track. `frameRate`: of a picture, where it is known. */
export function nutStreamHeader(config: TrackConfig, frameRate?: number): Uint8Array {
	const coding = { fourcc: FOURCC[config.codec], clockRate: nutClockRate(config) };
	return nutHeader([
		config.kind === 'audio'
			? { ...config, ...coding, codecSpecificData: audioSetup(config), decodeDelay: 0 }
			: {
					...config,
					...coding,
					codecSpecificData: parameterSets(config),
					decodeDelay: decodeDelay(config),
					frameRate,
				},
	]);
}

/** Everything before the first frame: file id, main header, stream headers, their facts, one syncpoint. */
export function nutHeader(tracks: readonly NutTrack[]): Uint8Array {
	return Buffer.concat([
		NUT_FILE_ID,
		packet(NUT_START_CODE.main, mainHeader(tracks)),
		...tracks.map((track, index) => packet(NUT_START_CODE.stream, streamHeader(track, index))),
		...tracks.flatMap((track, index) =>
			track.kind === 'video' && track.frameRate !== undefined
				? [packet(NUT_START_CODE.info, frameRateInfo(track.frameRate, index))]
				: [],
		),
		// global_key_pts 0 and back_ptr 0: no time is relative to it, because every frame has its full time.
		packet(NUT_START_CODE.syncpoint, [0, 0]),
	]);
}

/**
 * Header of one frame. Its bytes follow separately, so that no picture is copied. `timeTicks` is the presentation time
 * in ticks of the track's clock, whole and not negative.
 */
export function nutFrameHeader(timeTicks: number, isKeyFrame: boolean, sizeBytes: number, trackIndex = 0): Uint8Array {
	const header: number[] = [(isKeyFrame ? CODE_KEY_FRAME : CODE_DELTA_FRAME) + trackIndex * CODES_PER_TRACK];
	// coded_pts: with msb_pts_shift 0 a full time is written plus one.
	pushVarint(header, timeTicks + 1);
	pushVarint(header, sizeBytes);
	pushUint32(header, nutChecksum(Uint8Array.from(header)));
	return Uint8Array.from(header);
}

function packet(startCode: string, payload: readonly number[]): Uint8Array {
	const out: number[] = [...Buffer.from(startCode, 'hex')];
	const sizeBytes = payload.length + 4;
	pushVarint(out, sizeBytes);
	if (sizeBytes > 4096) {
		pushUint32(out, nutChecksum(Uint8Array.from(out)));
	}
	const body = Uint8Array.from(payload);
	const tail: number[] = [];
	pushUint32(tail, nutChecksum(body));
	return Buffer.concat([Uint8Array.from(out), body, Uint8Array.from(tail)]);
}

function mainHeader(tracks: readonly NutTrack[]): number[] {
	const out: number[] = [];
	pushVarint(out, PIPE_VERSION);
	pushVarint(out, PIPE_MINOR_VERSION);
	pushVarint(out, tracks.length);
	pushVarint(out, MAX_DISTANCE_BYTES);
	// One time base for each track.
	pushVarint(out, tracks.length);
	for (const { clockRate } of tracks) {
		pushVarint(out, 1);
		pushVarint(out, clockRate);
	}
	// A checksum in every frame header, because max_pts_distance and max_distance require it for late and large frames.
	const flags = NUT_FRAME_FLAG.codedPts | NUT_FRAME_FLAG.sizeMsb | NUT_FRAME_FLAG.checksum;
	pushFrameCodes(out, NUT_FRAME_FLAG.invalid, 0, CODE_DELTA_FRAME);
	tracks.forEach((_track, index) => {
		pushFrameCodes(out, flags, index, 1);
		pushFrameCodes(out, flags | NUT_FRAME_FLAG.key, index, 1);
	});
	// The forbidden code, "N", is after ours; the reader skips it and does not count it.
	pushFrameCodes(out, NUT_FRAME_FLAG.invalid, 0, 256 - CODE_DELTA_FRAME - tracks.length * CODES_PER_TRACK - 1);
	// No elision headers.
	pushVarint(out, 0);
	pushVarint(out, PIPE_FLAG);
	return out;
}

// tmp_fields 6: pts_delta 0, data_size_mul 1, the stream, data_size_lsb 0, no reserved fields, `count` equal codes.
// data_size_lsb grows with each code of a group, so each valid code has a separate group.
function pushFrameCodes(out: number[], flags: number, trackIndex: number, count: number): void {
	pushVarint(out, flags);
	pushVarint(out, 6);
	out.push(0, 1, trackIndex, 0, 0);
	pushVarint(out, count);
}

function streamHeader(track: NutTrack, index: number): number[] {
	const out: number[] = [];
	pushVarint(out, index);
	pushVarint(out, track.kind === 'video' ? VIDEO_CLASS : AUDIO_CLASS);
	pushBytes(out, track.fourcc);
	// time_base_id, msb_pts_shift, max_pts_distance.
	pushVarint(out, index);
	pushVarint(out, 0);
	pushVarint(out, track.clockRate);
	pushVarint(out, track.decodeDelay);
	pushVarint(out, 0);
	pushBytes(out, track.codecSpecificData);
	if (track.kind === 'video') {
		pushVarint(out, track.widthPixels);
		pushVarint(out, track.heightPixels);
		// Sample aspect ratio and colour space: unknown.
		out.push(0, 0, 0);
	} else {
		pushVarint(out, track.clockRate);
		pushVarint(out, 1);
		pushVarint(out, track.channelCount);
	}
	return out;
}

// nut.txt, "info_packet". The name is FFmpeg's, which reads and writes it; without it FFmpeg takes the ticks of the
// time base for the rate, 90 000 pictures a second.
function frameRateInfo(frameRate: number, index: number): number[] {
	const out: number[] = [];
	pushVarint(out, index + 1);
	// chapter_id, chapter_start and chapter_len: the whole stream. One field.
	out.push(0, 0, 0, 1);
	pushBytes(out, Buffer.from('r_frame_rate'));
	// Type -1, a text, as a signed number.
	out.push(2);
	pushBytes(out, Buffer.from(`${Math.max(1, Math.round(frameRate * 1000))}/1000`));
	return out;
}

// One too many costs a frame of delay. For a stream without the number FFmpeg's decoder finds it out, which costs one
// or two pictures at the start.
function decodeDelay(config: VideoTrackConfig): number {
	return config.codec === 'h264' ? (spsFacts(config)?.maxNumReorderFrames ?? 0) : 0;
}

function pushBytes(out: number[], bytes: Uint8Array): void {
	pushVarint(out, bytes.length);
	out.push(...bytes);
}

// "For H.264 the NAL units MUST be formatted as in a bytestream (with 00 00 01 prefixes)."
function parameterSets({ sps, pps }: VideoTrackConfig): Uint8Array {
	const startCode = Uint8Array.from([0, 0, 0, 1]);
	return Buffer.concat([...sps, ...pps].flatMap((nal) => [startCode, nal]));
}

function audioSetup(config: AudioTrackConfig): Uint8Array {
	return config.codec === 'aac' ? config.audioSpecificConfig : opusHead(config);
}

// RFC 7845 §5.1. Pre-skip 0: on our timeline a unit's time is that of the first sample that its decoder outputs,
// priming included, so no sample may be cut.
function opusHead(config: AudioTrackConfig): Uint8Array {
	const head = Buffer.alloc(19);
	head.write('OpusHead', 0, 'latin1');
	head[8] = 1;
	head[9] = config.channelCount;
	head.writeUInt32LE(OPUS_CLOCK_RATE, 12);
	return head;
}
