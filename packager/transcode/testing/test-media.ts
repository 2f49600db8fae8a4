/** Makes short coded tracks with FFmpeg's sources for tests, and reads them without code that is under test. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { NAL_TYPE, joinLengthPrefixed, nalType, splitAnnexB, splitLengthPrefixed } from '../../../core/media/h264.ts';
import { AAC_FRAME_SAMPLES, OPUS_CLOCK_RATE, VIDEO_CLOCK_RATE } from '../../../core/units.ts';
import type { AccessUnit } from '../../../core/media/access-unit.ts';
import type { AudioTrackConfig, Codec, VideoTrackConfig } from '../../../core/media/codecs.ts';

/** A coded track and what a decoder needs for it. Times start near 0; {@link moveUnits} shifts them. */
export type TestTrack<Config> = { config: Config; units: AccessUnit[] };

/** What to draw and how to code it. */
type TestVideoOptions = {
	durationSeconds: number;
	widthPixels?: number;
	heightPixels?: number;
	frameRate?: number;
	/** Frames between key frames. */
	gopFrames?: number;
	bFrames?: number;
	/** lavfi source and filters; default is FFmpeg's moving test picture. */
	source?: string;
	codec?: 'h264' | 'vp8';
	extraArguments?: readonly string[];
};

/** What to play and how to code it. */
type TestAudioOptions = {
	durationSeconds: number;
	sampleRate?: number;
	codec?: 'aac' | 'opus';
	/** aevalsrc expression of one channel; default is a tone. Commas need no escape. */
	expression?: string;
	bitrateBps?: number;
};

/** lavfi source: black, with one white frame in the middle of each second. */
export function flashSource(widthPixels: number, heightPixels: number, frameRate: number): string {
	const middle = Math.floor(frameRate / 2);
	return (
		`color=c=black:s=${widthPixels}x${heightPixels}:r=${frameRate},` +
		`drawbox=t=fill:c=white:w=iw:h=ih:enable='eq(mod(n,${frameRate}),${middle})'`
	);
}

/** aevalsrc expression: a 2 kHz burst of some 3 ms, whose middle is the middle of each second; else silence. */
export function clickExpression(sampleRate: number): string {
	const fromMiddle = `(mod(n,${sampleRate})-${sampleRate / 2})`;
	return `0.7*exp(-pow(${fromMiddle}/${sampleRate / 1000},2))*cos(2*PI*2000*${fromMiddle}/${sampleRate})`;
}

/** Encodes video. Blocks; for tests only. */
export function makeTestVideo(options: TestVideoOptions): TestTrack<VideoTrackConfig> {
	const { widthPixels = 320, heightPixels = 180, frameRate = 30, codec = 'h264' } = options;
	const source = options.source ?? `testsrc2=s=${widthPixels}x${heightPixels}:r=${frameRate}`;
	const input = ['-f', 'lavfi', '-i', source, '-t', String(options.durationSeconds), '-pix_fmt', 'yuv420p'];
	const gop = ['-g', String(options.gopFrames ?? 250), ...(options.extraArguments ?? [])];
	return inTemporaryFolder((folder) => {
		if (codec === 'vp8') {
			const file = path.join(folder, 'video.ivf');
			const vp8 = '-c:v libvpx -deadline realtime -cpu-used 8 -auto-alt-ref 0'.split(' ');
			ffmpeg([...input, ...vp8, ...gop, file]);
			return {
				config: { ...videoConfig([], [], widthPixels, heightPixels), codec },
				units: readIvf(readFileSync(file)),
			};
		}
		const file = path.join(folder, 'video.mp4');
		const x264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-bf', String(options.bFrames ?? 0), '-sc_threshold', '0'];
		ffmpeg([...input, ...x264, ...gop, '-video_track_timescale', String(VIDEO_CLOCK_RATE), file]);
		return readMp4Video(file, folder, widthPixels, heightPixels);
	});
}

/** Encodes audio in stereo, the same in both channels. Blocks; for tests only. */
export function makeTestAudio(options: TestAudioOptions): TestTrack<AudioTrackConfig> {
	const { sampleRate = 48_000, codec = 'aac' } = options;
	const expression = (options.expression ?? `0.3*sin(2*PI*440*n/${sampleRate})`).replaceAll(',', '\\,');
	const source = `aevalsrc=exprs=${expression}|${expression}:s=${sampleRate}:d=${options.durationSeconds}`;
	const input = ['-f', 'lavfi', '-i', source];
	const bitrate = ['-b:a', String(options.bitrateBps ?? 128_000)];
	return inTemporaryFolder((folder) => {
		if (codec === 'opus') {
			const file = path.join(folder, 'audio.ogg');
			ffmpeg([...input, '-c:a', 'libopus', ...bitrate, '-page_duration', '1', file]);
			return readOggOpus(readFileSync(file));
		}
		const file = path.join(folder, 'audio.aac');
		ffmpeg([...input, '-c:a', 'aac', ...bitrate, file]);
		return readAdts(readFileSync(file));
	});
}

/** Copies of the units, later by `byTicks` of their clock, with capture times that start at `captureStartMs`. */
export function moveUnits(
	units: readonly AccessUnit[],
	byTicks: number,
	captureStartMs = 1_700_000_000_000,
): AccessUnit[] {
	return units.map((unit) => ({
		...unit,
		decodeTimeTicks: unit.decodeTimeTicks + byTicks,
		presentationTimeTicks: unit.presentationTimeTicks + byTicks,
		captureTimeMs: captureStartMs + (unit.presentationTimeTicks * 1000) / unit.clockRate,
	}));
}

/** Runs FFmpeg to its end and returns what it wrote to standard output. Throws with its messages when it fails. */
export function ffmpeg(args: readonly string[], input?: Uint8Array): Buffer {
	return execFileSync('ffmpeg', ['-hide_banner', '-loglevel', 'error', ...args], {
		maxBuffer: 1024 * 1024 * 1024,
		timeout: 60_000,
		...(input === undefined ? {} : { input }),
	});
}

/** Calls back with a new folder that is deleted afterwards. */
function inTemporaryFolder<T>(callback: (folder: string) => T): T {
	const folder = mkdtempSync(path.join(tmpdir(), 'spillway-media-'));
	try {
		return callback(folder);
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}

function makeUnit(codec: Codec, clockRate: number, presentationTimeTicks: number, bytes: Uint8Array): AccessUnit {
	const kind = codec === 'h264' || codec === 'vp8' ? 'video' : 'audio';
	const decodeTimeTicks = presentationTimeTicks;
	return {
		trackId: `${kind}0`,
		kind,
		codec,
		clockRate,
		decodeTimeTicks,
		presentationTimeTicks,
		captureTimeMs: 0,
		isKeyFrame: true,
		run: 0,
		bytes,
	};
}

function videoConfig(
	sps: Uint8Array[],
	pps: Uint8Array[],
	widthPixels: number,
	heightPixels: number,
): VideoTrackConfig {
	return { kind: 'video', codec: 'h264', widthPixels, heightPixels, sps, pps };
}

// Positions and sizes of the samples come from ffprobe; a sample in an MP4 file is length-prefixed NAL units already.
function readMp4Video(
	file: string,
	folder: string,
	widthPixels: number,
	heightPixels: number,
): TestTrack<VideoTrackConfig> {
	const annexB = path.join(folder, 'video.h264');
	ffmpeg(['-i', file, '-c', 'copy', '-bsf:v', 'h264_mp4toannexb', '-f', 'h264', annexB]);
	const nals = splitAnnexB(readFileSync(annexB));
	const sps = nals.find((nal) => nalType(nal) === NAL_TYPE.SPS)!;
	const pps = nals.find((nal) => nalType(nal) === NAL_TYPE.PPS)!;
	const probe = execFileSync(
		'ffprobe',
		['-v', 'error', '-show_entries', 'packet=pts,dts,size,pos,flags', '-of', 'json', file],
		{ maxBuffer: 64 * 1024 * 1024 },
	);
	const { packets } = JSON.parse(probe.toString()) as {
		packets: { pts: number; dts: number; size: string; pos: string; flags: string }[];
	};
	const bytes = readFileSync(file);
	const units = packets.map((packet): AccessUnit => {
		const sample = bytes.subarray(Number(packet.pos), Number(packet.pos) + Number(packet.size));
		const unit = makeUnit('h264', VIDEO_CLOCK_RATE, packet.pts, joinLengthPrefixed(splitLengthPrefixed(sample)));
		return { ...unit, decodeTimeTicks: packet.dts, isKeyFrame: packet.flags.startsWith('K') };
	});
	return { config: videoConfig([Uint8Array.from(sps)], [Uint8Array.from(pps)], widthPixels, heightPixels), units };
}

// IVF: 32 bytes of header with the time base at 16 and 20; each frame after its size and its time. VP8 key frame: the
// lowest bit of the first byte is 0 (RFC 6386 §9.1).
function readIvf(file: Buffer): AccessUnit[] {
	const ticksPerStep = (VIDEO_CLOCK_RATE * file.readUInt32LE(20)) / file.readUInt32LE(16);
	const units: AccessUnit[] = [];
	for (let offset = 32; offset + 12 <= file.length;) {
		const size = file.readUInt32LE(offset);
		const bytes = Uint8Array.from(file.subarray(offset + 12, offset + 12 + size));
		const time = Number(file.readBigUInt64LE(offset + 4)) * ticksPerStep;
		units.push({ ...makeUnit('vp8', VIDEO_CLOCK_RATE, time, bytes), isKeyFrame: (bytes[0]! & 1) === 0 });
		offset += 12 + size;
	}
	return units;
}

const ADTS_SAMPLE_RATES = [
	96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000,
];

// ADTS (ISO/IEC 13818-7 §6.2), without CRC. FFmpeg's encoder begins 1024 samples early, so the first unit is at -1024.
function readAdts(file: Buffer): TestTrack<AudioTrackConfig> {
	const rateIndex = (file[2]! >> 2) & 15;
	const channelCount = ((file[2]! & 1) << 2) | (file[3]! >> 6);
	const objectType = (file[2]! >> 6) + 1;
	const sampleRate = ADTS_SAMPLE_RATES[rateIndex]!;
	const units: AccessUnit[] = [];
	for (let offset = 0; offset + 7 <= file.length;) {
		const length = ((file[offset + 3]! & 3) << 11) | (file[offset + 4]! << 3) | (file[offset + 5]! >> 5);
		const bytes = Uint8Array.from(file.subarray(offset + 7, offset + length));
		const time = (units.length - 1) * AAC_FRAME_SAMPLES;
		units.push({ ...makeUnit('aac', sampleRate, time, bytes), durationTicks: AAC_FRAME_SAMPLES });
		offset += length;
	}
	const audioSpecificConfig = Uint8Array.from([
		(objectType << 3) | (rateIndex >> 1),
		((rateIndex & 1) << 7) | (channelCount << 3),
	]);
	return { config: { kind: 'audio', codec: 'aac', sampleRate, channelCount, audioSpecificConfig }, units };
}

// Ogg with one packet a page (RFC 3533 §6), 20 ms each. The first unit begins pre-skip samples early.
function readOggOpus(file: Buffer): TestTrack<AudioTrackConfig> {
	const packets: Uint8Array[] = [];
	for (let offset = 0; offset + 27 <= file.length;) {
		const segmentCount = file[offset + 26]!;
		const segments = file.subarray(offset + 27, offset + 27 + segmentCount);
		const size = segments.reduce((sum, length) => sum + length, 0);
		const start = offset + 27 + segmentCount;
		packets.push(Uint8Array.from(file.subarray(start, start + size)));
		offset = start + size;
	}
	const head = Buffer.from(packets[0]!);
	const preSkip = head.readUInt16LE(10);
	const units = packets.slice(2).map((bytes, index) => {
		const time = index * 960 - preSkip;
		return { ...makeUnit('opus', OPUS_CLOCK_RATE, time, bytes), durationTicks: 960 };
	});
	const config = { sampleRate: OPUS_CLOCK_RATE, channelCount: head[9]!, audioSpecificConfig: new Uint8Array(0) };
	return { config: { kind: 'audio', codec: 'opus', ...config }, units };
}
