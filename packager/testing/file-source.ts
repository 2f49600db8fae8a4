/** Access units of real H.264 and AAC, made by FFmpeg and read from its fragmented MP4. For integration tests. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import type { AccessUnit, TrackId } from '../../core/media/access-unit.ts';
import type { TrackConfig } from '../../core/media/codecs.ts';
import { readMp4, type ReadPacket } from './mp4-reader.ts';

const run = promisify(execFile);

/** One track as FFmpeg wrote it. */
export type FileTrack = {
	trackId: TrackId;
	config: TrackConfig;
	timescale: number;
	/** In decode order. */
	packets: ReadPacket[];
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
		tracks.push(await readFileTrack(trackId, await readFile(file)));
	}
	return tracks;
}

async function readFileTrack(trackId: TrackId, bytes: Uint8Array): Promise<FileTrack> {
	const { kind, size, timescale, decoderConfiguration, packets } = await readMp4(bytes);
	const [widthPixels, heightPixels] = (size ?? '0x0').split('x').map(Number) as [number, number];
	const config: TrackConfig =
		kind === 'video'
			? { kind, codec: 'h264', widthPixels, heightPixels, ...parameterSets(decoderConfiguration) }
			: { kind, codec: 'aac', sampleRate: timescale, channelCount: 2, audioSpecificConfig: decoderConfiguration };
	// FFmpeg writes the encoder's priming before time 0, as a negative tfdt.
	const fromStart = packets.filter(({ timestampTicks }) => timestampTicks < Number.MAX_SAFE_INTEGER);
	return { trackId, config, timescale, packets: fromStart };
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

/** How {@link fileAccessUnits} places a file on the broadcast's timeline. */
export type FilePlacement = { run: number; startSeconds: number; captureTimeMs: number };

/** The access units of the tracks, by decode time, as a publisher would send them. */
export function fileAccessUnits(tracks: readonly FileTrack[], placement: FilePlacement): AccessUnit[] {
	const units = tracks.flatMap((track) => {
		const isVideo = track.config.kind === 'video';
		const shiftTicks = Math.round(placement.startSeconds * track.timescale);
		// In the order of the file one after another, and early enough that a publisher decodes each before it is shown.
		const shown = track.packets.map(({ timestampTicks }) => timestampTicks);
		const decoded = shown.toSorted((one, other) => one - other);
		const earlyTicks = Math.min(0, ...shown.map((ticks, index) => ticks - decoded[index]!));
		return track.packets.map(({ timestampTicks, isKey, bytes }, index): AccessUnit => {
			const presentationTimeTicks = timestampTicks + shiftTicks;
			return {
				trackId: track.trackId,
				codec: track.config.codec,
				clockRate: track.timescale,
				decodeTimeTicks: decoded[index]! + earlyTicks + shiftTicks,
				presentationTimeTicks,
				...(isVideo ? {} : { durationTicks: 1024 }),
				captureTimeMs:
					placement.captureTimeMs + (presentationTimeTicks / track.timescale - placement.startSeconds) * 1000,
				isKeyFrame: isKey,
				run: placement.run,
				bytes,
			};
		});
	});
	return units.sort((one, other) => one.decodeTimeTicks / one.clockRate - other.decodeTimeTicks / other.clockRate);
}

/** The configurations of the tracks, for `beginRun()`. */
export function fileTrackConfigs(tracks: readonly FileTrack[]): Map<TrackId, TrackConfig> {
	return new Map(tracks.map((track) => [track.trackId, track.config]));
}
