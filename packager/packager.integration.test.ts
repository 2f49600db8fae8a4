/** The packager with real media, a real server and FFmpeg, as reference for our CMAF and as HLS player. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccessUnit, TrackId } from '../core/media/access-unit.ts';
import type { TrackConfig } from '../core/media/codecs.ts';
import { leastIntervalSeconds } from '../core/media/rung.ts';
import { concatBytes } from './cmaf/box-writer.ts';
import { silentAacFrame } from './segmenting/track-writer.ts';
import { readMp4, type ReadPacket } from './testing/mp4-reader.ts';
import { PlaylistSequenceChecker } from './testing/playlist-rules.ts';
import { inArrivalOrder, inDecodeOrder, SIMULATED_LADDER } from './testing/simulated-source.ts';
import { createTestOrigin, playInRealTime, startDemo } from './testing/test-origin.ts';

const run = promisify(execFile);
const START_SECONDS = 5000;

/** One track as FFmpeg wrote it. */
type FileTrack = {
	trackId: TrackId;
	config: TrackConfig;
	timescale: number;
	/** In decode order. */
	packets: ReadPacket[];
};

/** Encodes a picture and a tone once, and cuts them with `-c copy` into one fragmented MP4 per track, our reference. */
async function makeFileTracks(
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
		...`-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g ${gopFrames} -sc_threshold 0 -bf ${bFrames}`.split(' '),
		...'-profile:v high -threads 1 -c:a aac -ac 2 -b:a 96k'.split(' '),
		source,
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
type FilePlacement = { run: number; startSeconds: number; captureTimeMs: number };

/** The access units of the tracks in decode order, as a publisher sends them. */
function fileAccessUnits(tracks: readonly FileTrack[], placement: FilePlacement): AccessUnit[] {
	const units = tracks.flatMap((track) => {
		const isVideo = track.config.kind === 'video';
		const shiftTicks = Math.round(placement.startSeconds * track.timescale);
		// Decode times in the order of the file, early enough that each unit is decoded before it is shown.
		const shown = track.packets.map(({ timestampTicks }) => timestampTicks);
		const decoded = shown.toSorted((one, other) => one - other);
		const earlyTicks = Math.min(0, ...shown.map((ticks, index) => ticks - decoded[index]!));
		return track.packets.map(({ timestampTicks, isKey, bytes }, index): AccessUnit => {
			const presentationTimeTicks = timestampTicks + shiftTicks;
			return {
				trackId: track.trackId,
				kind: track.config.kind,
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
	return inDecodeOrder(units);
}

/** The configurations of the tracks, for `beginRun()`. */
function fileTrackConfigs(tracks: readonly FileTrack[]): Map<TrackId, TrackConfig> {
	return new Map(tracks.map((track) => [track.trackId, track.config]));
}

let folder: string;
let tracks: FileTrack[];

beforeAll(async () => {
	folder = await mkdtemp(path.join(tmpdir(), 'packager-test-'));
	tracks = await makeFileTracks(folder, { seconds: 12 });
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** All that a rendition has, as one file. */
function wholeFile(broadcast: ReturnType<typeof startDemo>, trackId: string): Uint8Array {
	const get = (name: string): Uint8Array => broadcast.store.get(`${trackId}/${name}`)!;
	const segments = broadcast.rendition(trackId)!.segments.map((segment) => get(segment.name));
	return concatBytes([get('init0.mp4'), ...segments]);
}

describe('our CMAF compared with FFmpeg’s of the same coded media', () => {
	it.each([
		['without B-frames', 0, '30', 48_000],
		['with two B-frames', 2, '25', 44_100],
		['at 23.976 frames a second', 0, '24000/1001', 48_000],
	])('has the same samples, times and flags %s', async (_name, bFrames, frameRate, sampleRate) => {
		const own = await mkdtemp(path.join(folder, 'copy-'));
		const reference = await makeFileTracks(own, { seconds: 7, bFrames, frameRate, sampleRate, gopFrames: 50 });
		await using origin = createTestOrigin();
		const broadcast = startDemo(origin);
		broadcast.beginRun(0, fileTrackConfigs(reference));
		const units = fileAccessUnits(reference, { run: 0, startSeconds: START_SECONDS, captureTimeMs: 1_800_000_000_000 });
		for (const unit of units) {
			broadcast.write(unit);
		}
		broadcast.end();
		for (const track of reference) {
			const bytes = wholeFile(broadcast, track.trackId);
			const ours = (await readMp4(bytes)).packets;
			// Sound before the first picture and the encoder's priming are left out.
			const theirs = track.packets.slice(track.packets.length - ours.length);
			expect(theirs.length).toBeGreaterThan(track.packets.length - 4);
			expect(ours.map((packet) => packet.bytes.length)).toEqual(theirs.map((packet) => packet.bytes.length));
			expect(ours.map(({ isKey }) => isKey)).toEqual(theirs.map(({ isKey }) => isKey));
			expect(ours.every((packet, index) => Buffer.compare(packet.bytes, theirs[index]!.bytes) === 0)).toBe(true);
			// Relative to the first sample, exact to the tick but for the first frame of a part, which rounding may move.
			const [ourStart, theirStart] = [ours[0]!.timestampTicks, theirs[0]!.timestampTicks];
			const drift = ours.map(
				({ timestampTicks }, index) => timestampTicks - ourStart - (theirs[index]!.timestampTicks - theirStart),
			);
			expect(Math.max(...drift.map(Math.abs))).toBeLessThanOrEqual(track.config.kind === 'video' ? 4 : 0);
			const file = path.join(own, `${track.trackId}-ours.mp4`);
			await writeFile(file, bytes);
			const probe = await run('ffprobe', [
				...'-v warning -show_entries packet=pts,dts,duration,flags -of json'.split(' '),
				file,
			]);
			expect(probe.stderr).toBe('');
			const packets = (JSON.parse(probe.stdout) as { packets: { pts: number }[] }).packets;
			expect(packets.map((packet) => packet.pts)).toEqual(ours.map(({ timestampTicks }) => timestampTicks));
			const decoded = await run('ffmpeg', ['-v', 'warning', '-i', file, '-f', 'null', '-']);
			expect(decoded.stderr).toBe('');
		}
	});

	it('has silence that FFmpeg decodes to silence', async () => {
		const audio = tracks.find((track) => track.trackId === 'audio0')!;
		await using origin = createTestOrigin();
		const broadcast = startDemo(origin);
		broadcast.beginRun(0, new Map([['audio0', audio.config]]));
		const units = fileAccessUnits([audio], { run: 0, startSeconds: START_SECONDS, captureTimeMs: 0 });
		// A second of sound, then a hole up to second 5.
		units
			.filter((unit) => Math.abs(unit.decodeTimeTicks / 48_000 - START_SECONDS - 3) > 2)
			.forEach((unit) => broadcast.write(unit));
		broadcast.end();
		const file = path.join(folder, 'silence.mp4');
		await writeFile(file, wholeFile(broadcast, 'audio0'));
		const { stderr } = await run('ffmpeg', [
			...['-v', 'info', '-ss', '2', '-t', '2', '-i', file],
			...['-af', 'volumedetect', '-f', 'null', '-'],
		]);
		expect(stderr).toMatch(/max_volume: -9\d/);
		expect(stderr).not.toMatch(/error|invalid/i);
		expect(silentAacFrame(audio.config as Parameters<typeof silentAacFrame>[0])).toBeInstanceOf(Uint8Array);
	});
});

/** Encodes the source in `folder` as a rung, with the pictures and key frames that an encoder of rungs selects. */
async function makeRung(folder: string, trackId: TrackId): Promise<FileTrack> {
	const rung = SIMULATED_LADDER.get(trackId)!;
	const least = rung.kind === 'video' ? leastIntervalSeconds(rung.frameRate) : 0;
	const file = path.join(folder, `${trackId}.mp4`);
	await run('ffmpeg', [
		...['-v', 'error', '-y', '-i', path.join(folder, 'source.mp4'), '-map', '0:v:0', '-fps_mode', 'passthrough'],
		...['-vf', `select='isnan(prev_selected_t)+gt(key,0)+gte(t-prev_selected_t,${least})'`],
		...'-c:v libx264 -preset ultrafast -pix_fmt yuv420p -bf 0 -g 30 -sc_threshold 0 -threads 1'.split(' '),
		...['-force_key_frames', 'source', '-enc_time_base', '1/90000', '-video_track_timescale', '90000'],
		...['-movflags', '+cmaf+empty_moov+frag_every_frame+frag_discont+default_base_moof', file],
	]);
	return readFileTrack(trackId, await readFile(file));
}

describe('rungs that FFmpeg encodes', () => {
	it.each([
		['without B-frames', 0],
		['with two B-frames in the source', 2],
	])('have the borders and times of the source, and decode without a complaint, %s', async (_name, bFrames) => {
		const own = await mkdtemp(path.join(folder, 'rungs-'));
		// An odd GOP, so that rungs of half the rate have the odd pictures after every second key frame.
		const source = await makeFileTracks(own, { seconds: 7, frameRate: '60', gopFrames: 125, bFrames });
		const rungs = [await makeRung(own, 'video1'), await makeRung(own, 'video2')];
		await using origin = createTestOrigin();
		const broadcast = startDemo(origin);
		const placement = { run: 0, startSeconds: START_SECONDS, captureTimeMs: 1_800_000_000_000 };
		broadcast.beginRun(0, fileTrackConfigs([...source, ...rungs]), SIMULATED_LADDER);
		const units = fileAccessUnits([...source, ...rungs], placement);
		for (const unit of inArrivalOrder(units, ({ trackId }) => (SIMULATED_LADDER.has(trackId) ? 0.15 : 0))) {
			broadcast.write(unit);
		}
		broadcast.end();
		const bordersOf = (trackId: TrackId): number[][] =>
			broadcast.rendition(trackId)!.segments.map(({ parts }) => parts.map((part) => part.startTicks));
		const pictures = (await readMp4(wholeFile(broadcast, 'video0'))).packets;
		const times = new Set(pictures.map(({ timestampTicks }) => timestampTicks));
		for (const { trackId, packets } of rungs) {
			expect(bordersOf(trackId)).toEqual(bordersOf('video0'));
			const file = path.join(own, `${trackId}-ours.mp4`);
			const bytes = wholeFile(broadcast, trackId);
			await writeFile(file, bytes);
			const ours = (await readMp4(bytes)).packets;
			expect(ours).toHaveLength(packets.length);
			expect(ours.filter(({ timestampTicks }) => !times.has(timestampTicks))).toEqual([]);
			const exact = ['-fps_mode', 'passthrough', '-enc_time_base', '1/90000'];
			const decoded = await run('ffmpeg', ['-v', 'warning', '-i', file, ...exact, '-f', 'null', '-']);
			expect(decoded.stderr).toBe('');
		}
	});
});

describe('FFmpeg as a player of the origin', () => {
	it.each([['video and audio'], ['with a run change']])(
		'plays %s for 8 s without a warning about timestamps',
		async (kind) => {
			await using origin = createTestOrigin();
			const address = await origin.server.listen({ port: 0, host: '127.0.0.1' });
			const broadcast = startDemo(origin);
			const stop = new AbortController();
			const publish = async (): Promise<void> => {
				const placement = { startSeconds: START_SECONDS, captureTimeMs: Date.now() };
				broadcast.beginRun(0, fileTrackConfigs(tracks));
				const isChanging = kind === 'with a run change';
				const first = fileAccessUnits(tracks, { ...placement, run: 0 });
				const until = isChanging ? START_SECONDS + 5 : Infinity;
				await playInRealTime(
					broadcast,
					first.filter((unit) => unit.decodeTimeTicks / unit.clockRate < until),
					START_SECONDS,
					stop.signal,
				);
				if (isChanging && !stop.signal.aborted) {
					broadcast.interrupt();
					broadcast.beginRun(1, fileTrackConfigs(tracks));
					const again = { run: 1, startSeconds: START_SECONDS + 6, captureTimeMs: Date.now() };
					await playInRealTime(broadcast, fileAccessUnits(tracks, again), again.startSeconds, stop.signal);
				}
			};
			const published = publish();
			const faults: string[] = [];
			const watching = watchPlaylist(`${address}/hls/demo/01test/video0/index.m3u8`, stop.signal, faults);
			const recording = path.join(folder, `${kind.length}.nut`);
			const player = spawn('ffmpeg', [
				...['-v', 'warning', '-y', '-live_start_index', '-1', '-i', `${address}/hls/demo/index.m3u8`],
				...['-t', '8', '-map', '0:v', '-map', '0:a', '-c', 'copy', '-f', 'nut', recording],
			]);
			let stderr = '';
			player.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
			const [code] = (await once(player, 'exit')) as [number];
			stop.abort();
			await Promise.all([published, watching]);
			expect([code, stderr]).toEqual([0, expect.anything()]);
			// The HLS reader also warns about what it skips and opens; only complaints about timestamps are faults.
			expect(
				stderr.split('\n').filter((line) => /timestamp|dts|pts|non.?monoton|invalid|corrupt|error/i.test(line)),
			).toEqual([]);
			const { stdout } = await run('ffprobe', [
				...'-v error -count_packets -show_entries stream=codec_type,nb_read_packets -of json'.split(' '),
				recording,
			]);
			const counts = (JSON.parse(stdout) as { streams: { codec_type: string; nb_read_packets: string }[] }).streams;
			expect(Number(counts.find((stream) => stream.codec_type === 'video')!.nb_read_packets)).toBeGreaterThan(150);
			expect(Number(counts.find((stream) => stream.codec_type === 'audio')!.nb_read_packets)).toBeGreaterThan(230);
			expect(faults).toEqual([]);
			expect((await readFile(recording)).length).toBeGreaterThan(10_000);
		},
	);
});

/** Follows a playlist as a low-latency player does, with blocking reloads and parts, and collects faults. */
async function watchPlaylist(url: string, signal: AbortSignal, faults: string[]): Promise<void> {
	const checker = new PlaylistSequenceChecker(() => 2);
	let query = '';
	while (!signal.aborted) {
		const response = await fetch(url + query);
		const text = await response.text();
		if (response.status !== 200) {
			if (response.status !== 404 && response.status !== 503) {
				faults.push(`status ${response.status}`);
			}
			await new Promise((resolve) => setTimeout(resolve, 100));
			continue;
		}
		faults.push(...checker.check(text));
		const last = checker.latest!.segments.at(-1)!;
		query =
			last.uri === undefined
				? `?_HLS_msn=${last.mediaSequence}&_HLS_part=${last.parts.length}`
				: `?_HLS_msn=${last.mediaSequence + 1}&_HLS_part=0`;
	}
}
