/** What the export of a clip of a minute costs: time, CPU of FFmpeg and of our process, where it begins and ends. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import type { AccessUnit, TrackId } from '../../core/media/access-unit.ts';
import type { TrackConfig } from '../../core/media/codecs.ts';
import { recordRuns, TEST_VIDEO_ID, type TestRecording } from '../pictures/testing/recorded-video.ts';
import { recordedObjectName } from '../recording/journal-entry.ts';
import { inDecodeOrder } from '../testing/simulated-source.ts';
import { checkFfmpeg } from '../transcode/ffmpeg-process.ts';
import { makeTestAudio, makeTestVideo, moveUnits } from '../transcode/testing/test-media.ts';
import { exportClip } from './clip-export.ts';

const TIMEOUT_MS = 5 * 60_000;
const LAP_SECONDS = 12;
const LAPS = 6;
const START_SECONDS = 100;
/** Of Linux's process times. */
const TICKS_PER_SECOND = 100;
const ROUNDS = 3;
const rows: string[] = [];

const CASES = [
	{ name: 'begins and ends with a GOP', from: 2, to: 62 },
	{ name: 'begins just behind a key frame', from: 2 + 1 / 30, to: 62 },
	{ name: 'begins in the middle of a GOP, ends in a group of B-frames', from: 3, to: 63 },
];

describe('a minute of 1080p30, 6 Mbit/s, two B-frames', () => {
	let recording: TestRecording;

	beforeAll(async () => {
		await checkFfmpeg(systemClock);
		const video = makeTestVideo({
			durationSeconds: LAP_SECONDS,
			widthPixels: 1920,
			heightPixels: 1080,
			gopFrames: 60,
			bFrames: 2,
			source: 'testsrc2=s=1920x1080:r=30,noise=alls=12:allf=t',
			extraArguments: ['-b_strategy', '0', '-b:v', '6M', '-maxrate', '6M', '-bufsize', '6M'],
		});
		const audio = makeTestAudio({ durationSeconds: LAP_SECONDS * LAPS });
		const units: AccessUnit[] = moveUnits(audio.units, START_SECONDS * 48_000);
		for (let lap = 0; lap < LAPS; lap++) {
			units.push(...moveUnits(video.units, (START_SECONDS + lap * LAP_SECONDS) * 90_000));
		}
		const tracks = new Map<TrackId, TrackConfig>([
			['video0', video.config],
			['audio0', audio.config],
		]);
		recording = await recordRuns([{ tracks, units: inDecodeOrder(units) }]);
	}, TIMEOUT_MS);

	it.each(CASES)('$name', { timeout: TIMEOUT_MS }, async ({ name, from, to }) => {
		for (let round = 0; round < ROUNDS; round++) {
			await measure(name, from, to);
		}
	});

	async function measure(name: string, from: number, to: number): Promise<void> {
		const folder = mkdtempSync(path.join(tmpdir(), 'spillway-clip-'));
		try {
			const [own, children, machine] = [process.cpuUsage(), readChildrenCpuSeconds(), readMachine()];
			const startMs = systemClock.monotonicMs();
			const made = await exportClip({
				segments: recording.tracks,
				read: async (trackId, file) =>
					(await recording.store.get(recordedObjectName(TEST_VIDEO_ID, trackId, file))).bytes,
				startSeconds: START_SECONDS + from,
				endSeconds: START_SECONDS + to,
				workFolder: folder,
				outputPath: path.join(folder, 'clip.mp4'),
				signal: AbortSignal.timeout(TIMEOUT_MS),
				logger: silentLogger,
				clock: systemClock,
			});
			const wallSeconds = (systemClock.monotonicMs() - startMs) / 1000;
			const { user, system } = process.cpuUsage(own);
			const after = readMachine();
			const share = (key: 'idle' | 'steal'): string =>
				`${Math.round(((after[key] - machine[key]) * 100) / (after.total - machine.total))} %`;
			const cells = [
				name,
				`${(made.sizeBytes / 1e6).toFixed(1)} MB`,
				wallSeconds.toFixed(2),
				(readChildrenCpuSeconds() - children).toFixed(2),
				((user + system) / 1e6).toFixed(2),
				share('idle'),
				share('steal'),
			];
			rows.push(`| ${cells.join(' | ')} |`);
			expect(Math.abs(made.durationSeconds - (to - from))).toBeLessThan(0.02);
		} finally {
			rmSync(folder, { recursive: true, force: true });
		}
	}
});

afterAll(() => {
	const head = '| clip | file | wall s | FFmpeg, CPU s | our process, CPU s | idle | steal |';
	console.log([head, '| --- | --- | --- | --- | --- | --- | --- |', ...rows].join('\n'));
});

/** Of all children that have ended and were waited for. */
function readChildrenCpuSeconds(): number {
	const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]!.split(' ');
	return (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND;
}

function readMachine(): { total: number; idle: number; steal: number } {
	const fields = readFileSync('/proc/stat', 'utf8').split('\n')[0]!.split(/\s+/).slice(1).map(Number);
	return { total: fields.slice(0, 8).reduce((sum, value) => sum + value, 0), idle: fields[3]!, steal: fields[7]! };
}
