/** Access units of real H.264 and AAC, made by FFmpeg and read from its fragmented MP4. For integration tests. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import type { AccessUnit, TrackId } from '../../core/media/access-unit.ts';
import type { TrackConfig } from '../../core/media/codecs.ts';
import { readFragments, readInitSegment, type ReadSample } from '../cmaf/box-reader.ts';
import { SYNC_SAMPLE_FLAGS } from '../cmaf/fragment-writer.ts';

const run = promisify(execFile);

/** One track as FFmpeg wrote it. */
export type FileTrack = {
	trackId: TrackId;
	config: TrackConfig;
	timescale: number;
	samples: ReadSample[];
};

/**
 * Makes a moving picture and a tone, encodes them once, and cuts them with `-c copy` into one fragmented MP4 per track:
 * FFmpeg's own packaging, which ours is compared with.
 */
export async function makeFileTracks(
	folder: string,
	options: {
		seconds: number;
		frameRate?: string;
		gopFrames?: number;
		bFrames?: number;
		sampleRate?: number;
		size?: string;
	},
): Promise<FileTrack[]> {
	const { seconds, frameRate = '30', gopFrames = 60, bFrames = 0, sampleRate = 48_000, size = '320x180' } = options;
	const source = path.join(folder, 'source.mp4');
	const common = ['-v', 'error', '-y'];
	await run('ffmpeg', [
		...common,
		...['-f', 'lavfi', '-i', `testsrc2=size=${size}:rate=${frameRate}:duration=${seconds}`],
		...['-f', 'lavfi', '-i', `sine=frequency=440:sample_rate=${sampleRate}:duration=${seconds}`],
		...[
			'-c:v',
			'libx264',
			'-preset',
			'ultrafast',
			'-pix_fmt',
			'yuv420p',
			'-g',
			String(gopFrames),
			'-sc_threshold',
			'0',
		],
		...[
			'-bf',
			String(bFrames),
			'-profile:v',
			'high',
			'-threads',
			'1',
			'-c:a',
			'aac',
			'-ac',
			'2',
			'-b:a',
			'96k',
			source,
		],
	]);
	const tracks: FileTrack[] = [];
	for (const [trackId, selector] of [
		['video0', 'v:0'],
		['audio0', 'a:0'],
	] as const) {
		const file = path.join(folder, `${trackId}.mp4`);
		await run('ffmpeg', [
			...[...common, '-i', source, '-map', `0:${selector}`, '-c', 'copy', '-video_track_timescale', '90000'],
			...['-movflags', '+cmaf+empty_moov+frag_every_frame+frag_discont+default_base_moof', file],
		]);
		tracks.push(readFileTrack(trackId, await readFile(file)));
	}
	return tracks;
}

function readFileTrack(trackId: TrackId, bytes: Uint8Array): FileTrack {
	const init = readInitSegment(bytes);
	const samples = readFragments(bytes)?.flatMap((fragment) => fragment.samples);
	if (init?.decoderConfiguration === undefined || samples === undefined) {
		throw new Error(`FFmpeg's ${trackId} file cannot be read.`);
	}
	const record = init.decoderConfiguration;
	const config: TrackConfig =
		init.kind === 'video'
			? {
					kind: 'video',
					codec: 'h264',
					widthPixels: init.widthPixels!,
					heightPixels: init.heightPixels!,
					...parameterSets(record),
				}
			: {
					kind: 'audio',
					codec: 'aac',
					sampleRate: init.timescale,
					channelCount: 2,
					audioSpecificConfig: specificConfig(record),
				};
	// FFmpeg writes the encoder's priming before time 0, as a negative tfdt.
	const fromStart = samples.filter((sample) => sample.decodeTimeTicks < Number.MAX_SAFE_INTEGER);
	return { trackId, config, timescale: init.timescale, samples: fromStart };
}

// AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3.1.2).
function parameterSets(record: Uint8Array): { sps: Uint8Array[]; pps: Uint8Array[] } {
	let offset = 5;
	const list = (mask: number): Uint8Array[] => {
		const count = record[offset++]! & mask;
		return Array.from({ length: count }, () => {
			const sizeBytes = record[offset]! * 256 + record[offset + 1]!;
			offset += 2 + sizeBytes;
			return record.slice(offset - sizeBytes, offset);
		});
	};
	return { sps: list(0x1f), pps: list(0xff) };
}

// The DecoderSpecificInfo descriptor (tag 5) of an esds, by its tag: enough for what FFmpeg writes.
function specificConfig(record: Uint8Array): Uint8Array {
	const at = record.findIndex((byte, index) => byte === 5 && record[index + 1] === 0x80 && record[index + 2] === 0x80);
	const sizeBytes = record[at + 4]!;
	return record.slice(at + 5, at + 5 + sizeBytes);
}

/** How {@link fileAccessUnits} places a file on the broadcast's timeline. */
export type FilePlacement = { run: number; startSeconds: number; captureTimeMs: number };

/** The access units of the tracks, by decode time, as a publisher would send them. */
export function fileAccessUnits(tracks: readonly FileTrack[], placement: FilePlacement): AccessUnit[] {
	const units = tracks.flatMap((track) => {
		// FFmpeg's offsets are negative for B-frames; a publisher decodes everything before it shows it.
		const earlyTicks = Math.min(0, ...track.samples.map((sample) => sample.compositionOffsetTicks));
		return track.samples.map((sample): AccessUnit => {
			const shiftTicks = Math.round(placement.startSeconds * track.timescale);
			const presentationTimeTicks = sample.decodeTimeTicks + sample.compositionOffsetTicks + shiftTicks;
			const decodeTimeTicks = sample.decodeTimeTicks + earlyTicks + shiftTicks;
			const isVideo = track.config.kind === 'video';
			return {
				trackId: track.trackId,
				kind: track.config.kind,
				codec: track.config.codec,
				clockRate: track.timescale,
				decodeTimeTicks,
				presentationTimeTicks,
				...(isVideo ? {} : { durationTicks: 1024 }),
				captureTimeMs:
					placement.captureTimeMs + (presentationTimeTicks / track.timescale - placement.startSeconds) * 1000,
				isKeyFrame: !isVideo || sample.flags === SYNC_SAMPLE_FLAGS,
				run: placement.run,
				bytes: sample.bytes,
			};
		});
	});
	return units.sort((one, other) => one.decodeTimeTicks / one.clockRate - other.decodeTimeTicks / other.clockRate);
}

/** The configurations of the tracks, for `beginRun()`. */
export function fileTrackConfigs(tracks: readonly FileTrack[]): Map<TrackId, TrackConfig> {
	return new Map(tracks.map((track) => [track.trackId, track.config]));
}
