/** The MP4 file of a clip in foreign readers: numbers of pictures by FFmpeg, packets by ffprobe and mediabunny. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ALL_FORMATS, EncodedPacketSink, FilePathSource, Input } from 'mediabunny';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { PATTERN_COLUMNS, PATTERN_ROW_RATIO, PATTERN_ROWS, readPattern } from '../source/time-pattern.ts';
import { complaintsOf, playWithFfprobe } from './ffmpeg-player.ts';

type NumberedPicture = { frameNumber: number; captureTimeMs: number };

export type ClipFileCheck = {
	/** As FFmpeg decodes them. */
	pictures: NumberedPicture[];
	/** Of the longest track. */
	durationSeconds: number;
	/** A line for each complaint of a reader. */
	failures: string[];
};

const SAMPLES_PER_CELL = 4;
const WIDTH = PATTERN_COLUMNS * SAMPLES_PER_CELL;
const HEIGHT = PATTERN_ROWS * SAMPLES_PER_CELL;
/** More pictures than the longest clip has at 120 a second. */
const MAX_BYTES = 12_000 * WIDTH * HEIGHT;
const DEADLINE_MS = 120_000;

/** Reads the whole file. */
export async function checkClipFile(file: string): Promise<ClipFileCheck> {
	const failures: string[] = [];
	const pictures = await readPictures(file, failures);
	const { complaints, frameCount: packetCount } = await playWithFfprobe(file, DEADLINE_MS);
	failures.push(...complaints.map((line) => `ffprobe: ${line}`));
	const { counts, durationSeconds, firstSeconds } = await readPackets(file);
	if (counts.video !== pictures.length || counts.video + counts.audio !== packetCount || firstSeconds !== 0) {
		failures.push(
			`mediabunny: ${counts.video} pictures and ${counts.audio} packets of sound from ${firstSeconds} s on; ` +
				`FFmpeg: ${pictures.length} pictures, ffprobe: ${packetCount} packets`,
		);
	}
	return { pictures, durationSeconds, failures };
}

async function readPictures(file: string, failures: string[]): Promise<NumberedPicture[]> {
	const band = `crop=iw:ih*${PATTERN_ROWS * PATTERN_ROW_RATIO}:0:0,scale=${WIDTH}:${HEIGHT}:flags=area`;
	const output = ['-map', '0:v:0', '-vf', band, '-fps_mode', 'passthrough', '-pix_fmt', 'gray', '-f', 'rawvideo', '-'];
	const { stdout, stderr } = await promisify(execFile)(
		'ffmpeg',
		['-nostdin', '-loglevel', 'repeat+warning', '-i', file, ...output],
		{ encoding: 'buffer', maxBuffer: MAX_BYTES, timeout: DEADLINE_MS },
	);
	failures.push(...complaintsOf(stderr.toString()).map((line) => `FFmpeg: ${line}`));
	const pictures: NumberedPicture[] = [];
	for (let from = 0; from < stdout.length; from += WIDTH * HEIGHT) {
		const picture = {
			samples: stdout.subarray(from, from + WIDTH * HEIGHT),
			width: WIDTH,
			pictureHeight: SAMPLES_PER_CELL / PATTERN_ROW_RATIO,
			rowStride: WIDTH,
			sampleStride: 1,
			firstIndex: 0,
		};
		const reading = readPattern(picture, systemClock.nowMs());
		if (reading === undefined) {
			failures.push(`the number in picture ${pictures.length} cannot be read`);
		}
		pictures.push(reading ?? { frameNumber: -1, captureTimeMs: NaN });
	}
	return pictures;
}

async function readPackets(
	file: string,
): Promise<{ counts: Record<'video' | 'audio', number>; durationSeconds: number; firstSeconds: number }> {
	using input = new Input({ source: new FilePathSource(file), formats: ALL_FORMATS });
	const [video, audio] = [await input.getPrimaryVideoTrack(), await input.getPrimaryAudioTrack()];
	const counts = { video: 0, audio: 0 };
	let firstSeconds = Infinity;
	for (const [kind, track] of [['video', video] as const, ['audio', audio] as const]) {
		if (track === null) {
			continue;
		}
		for await (const { timestamp } of new EncodedPacketSink(track).packets()) {
			counts[kind]++;
			firstSeconds = kind === 'video' ? Math.min(firstSeconds, timestamp) : firstSeconds;
		}
	}
	return { counts, durationSeconds: await input.computeDuration(), firstSeconds };
}
