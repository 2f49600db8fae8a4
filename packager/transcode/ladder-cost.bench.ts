/**
 * What a ladder below 1080p60 costs, in core-seconds for each second of media. In real time, with one to four rungs:
 * FFmpeg, our own share, and how late each rung is; this needs a machine that is otherwise quiet (see idle and steal
 * time). As fast as it can, which needs none: FFmpeg under our transcoder and the same FFmpeg alone, in turn.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import type { AccessUnit } from '../../core/media/access-unit.ts';
import type { VideoTrackConfig } from '../../core/media/codecs.ts';
import type { VideoEncoderOutput } from '../../core/media/transcoder.ts';
import { percentile } from '../../core/percentiles.ts';
import { ticksToMs } from '../../core/units.ts';
import { nutStreamHeader } from '../../core/wire/nut/nut-writer.ts';
import { toNutFrame } from './encoding.ts';
import { videoArguments } from './ffmpeg-arguments.ts';
import { OutputSockets } from './output-sockets.ts';
import { makeTestVideo, moveUnits, type TestTrack } from './testing/test-media.ts';
import { createTranscoderFactory } from './transcoder-factory.ts';

const DURATION_SECONDS = 15;
const FRAME_RATE = 60;
/** Delays are counted from here on: the process has started, and has caught up. */
const WARM_UP_MS = 3000;
/** As much as waits where the encoder sets the pace. */
const QUEUED_MS = 500;
const TIMEOUT_MS = 5 * 60_000;
const LAUNCHER = fileURLToPath(new URL('./launch-ffmpeg.sh', import.meta.url));
const CPU_COUNT = cpus().length;
/** Of Linux's process times. */
const TICKS_PER_SECOND = 100;

const RUNG = { codec: 'h264', keyFrames: 'source', gopDurationSeconds: 1, frameRate: FRAME_RATE } as const;
const RUNGS: readonly (VideoEncoderOutput & { name: string })[] = [
	{ ...RUNG, name: '160p30', trackId: 'video4', heightPixels: 160, maxFrameRate: 30, maxBitrateBps: 250_000 },
	{ ...RUNG, name: '360p30', trackId: 'video3', heightPixels: 360, maxFrameRate: 30, maxBitrateBps: 800_000 },
	{ ...RUNG, name: '480p30', trackId: 'video2', heightPixels: 480, maxFrameRate: 30, maxBitrateBps: 1_500_000 },
	{ ...RUNG, name: '720p60', trackId: 'video1', heightPixels: 720, maxFrameRate: 60, maxBitrateBps: 3_500_000 },
];

type Pace = 'in real time' | 'as fast as it can';
type Cost = { ffmpegCores: number; ownCores: number | undefined; delays: Map<string, number[]>; lost: number };

const rows: string[] = [];
const totals = { ours: [] as number[], bare: [] as number[] };
let source: TestTrack<VideoTrackConfig>;

beforeAll(() => {
	const video = makeTestVideo({
		durationSeconds: DURATION_SECONDS,
		widthPixels: 1920,
		heightPixels: 1080,
		frameRate: FRAME_RATE,
		// On odd pictures too.
		gopFrames: 97,
		source: `testsrc2=s=1920x1080:r=${FRAME_RATE},noise=alls=12:allf=t`,
		extraArguments: ['-preset', 'ultrafast', '-b:v', '6M', '-maxrate', '6M', '-bufsize', '6M'],
	});
	source = { config: video.config, units: moveUnits(video.units, 9_000_000) };
}, TIMEOUT_MS);

describe('a ladder below 1080p60', () => {
	it.each([1, 2, 3, 4])('costs this in real time with %d rungs', { timeout: TIMEOUT_MS }, async (count) => {
		const rungs = RUNGS.slice(0, count);
		await measure(`${rungs.map(({ name }) => name).join(' ')}, in real time`, () => runOurs(rungs, 'in real time'));
	});

	it.each([1, 2])('costs as much as FFmpeg alone, round %d', { timeout: TIMEOUT_MS }, async () => {
		const ours = await measure('all, as fast as it can', () => runOurs(RUNGS, 'as fast as it can'));
		const bare = await measure('the same, FFmpeg alone', () => runBare(RUNGS));
		expect(ours.lost).toBe(0);
		totals.ours.push(ours.ffmpegCores);
		totals.bare.push(bare.ffmpegCores);
	});
});

afterAll(() => {
	console.log(
		[
			'| run | FFmpeg, cores | our process, cores | delay p50 / p95 / max ms | lost | idle | steal |',
			'| --- | --- | --- | --- | --- | --- | --- |',
			...rows,
			...(totals.bare.length > 0
				? [`\nFFmpeg under our transcoder to FFmpeg alone: ${(sum(totals.ours) / sum(totals.bare)).toFixed(3)}`]
				: []),
		].join('\n'),
	);
});

async function measure(what: string, run: () => Promise<Cost>): Promise<Cost> {
	const before = readMachine();
	const cost = await run();
	const after = readMachine();
	const share = (name: 'idle' | 'steal'): string =>
		`${Math.round(((after[name] - before[name]) * 100) / (after.total - before.total))} %`;
	const counted = [...cost.delays].filter(([, values]) => values.length > 0);
	const delays = counted.map(([name, values]) => {
		const at = (percent: number): string => percentile(values, percent).toFixed(1);
		return `${name}: ${at(50)} / ${at(95)} / ${at(100)}`;
	});
	const cells = [
		what,
		cost.ffmpegCores.toFixed(3),
		cost.ownCores?.toFixed(3) ?? '–',
		delays.join(', ') || '–',
		cost.lost,
		share('idle'),
		share('steal'),
	];
	rows.push(`| ${cells.join(' | ')} |`);
	expect(cost.ffmpegCores).toBeGreaterThan(0);
	return cost;
}

async function runOurs(rungs: typeof RUNGS, pace: Pace): Promise<Cost> {
	const factory = createTranscoderFactory({ clock: systemClock });
	await using transcoder = factory.createVideo({
		input: source.config,
		outputs: rungs,
		run: 0,
		logger: silentLogger,
	});
	const writtenAtMs = new Map<number, number>();
	const delays = new Map(rungs.map(({ name }) => [name, [] as number[]]));
	const startMs = systemClock.monotonicMs();
	transcoder.on('accessUnit', ({ trackId, presentationTimeTicks }) => {
		const nowMs = systemClock.monotonicMs();
		if (pace === 'in real time' && nowMs - startMs > WARM_UP_MS) {
			const { name } = rungs.find((rung) => rung.trackId === trackId)!;
			delays.get(name)!.push(nowMs - writtenAtMs.get(presentationTimeTicks)!);
		}
	});
	const cpuBefore = process.cpuUsage();
	let ffmpegSeconds = 0;
	for (const unit of source.units) {
		if (pace === 'in real time') {
			await pauseUntil(startMs + mediaMs(unit));
		}
		while (pace === 'as fast as it can' && transcoder.statistics.queuedMs > QUEUED_MS) {
			await sleep(systemClock, 1);
		}
		writtenAtMs.set(unit.presentationTimeTicks, systemClock.monotonicMs());
		transcoder.write(unit);
		ffmpegSeconds = readCpuSeconds(transcoder.statistics.processId) ?? ffmpegSeconds;
	}
	for (let count = 0; count < 3000 && transcoder.statistics.lagMs > 0; count++) {
		await sleep(systemClock, 10);
		ffmpegSeconds = readCpuSeconds(transcoder.statistics.processId) ?? ffmpegSeconds;
	}
	const { user, system } = process.cpuUsage(cpuBefore);
	return {
		ffmpegCores: ffmpegSeconds / DURATION_SECONDS,
		ownCores: (user + system) / 1e6 / DURATION_SECONDS,
		delays,
		lost: transcoder.statistics.droppedUnitCount,
	};
}

/** The same command line, out of a file into sockets that are read and thrown away. */
async function runBare(rungs: typeof RUNGS): Promise<Cost> {
	const folder = mkdtempSync(path.join(tmpdir(), 'spillway-bare-'));
	const sockets = await OutputSockets.open(systemClock, { count: rungs.length, onChunk: () => undefined });
	try {
		const file = path.join(folder, 'source.nut');
		const header = nutStreamHeader(source.config, FRAME_RATE);
		writeFileSync(file, Buffer.concat([header, ...source.units.map((unit) => toNutFrame(unit, source.config))]));
		const { input, filters, outputs } = videoArguments(
			{ input: source.config, outputs: rungs },
			{ encoder: 'libx264', cpuCount: CPU_COUNT, startTimeSeconds: 0 },
		);
		const all = [
			...input,
			...['-i', 'pipe:0', '-filter_complex', filters.join(';')],
			...outputs.flatMap((words, index) => [...words, `unix:${sockets.path(index)}`]),
		];
		const handle = openSync(file, 'r');
		const child = spawn(LAUNCHER, all, { stdio: [handle, 'ignore', 'inherit'] });
		const ended = once(child, 'exit');
		closeSync(handle);
		let ffmpegSeconds = 0;
		while (child.exitCode === null && child.signalCode === null) {
			ffmpegSeconds = readCpuSeconds(child.pid) ?? ffmpegSeconds;
			await sleep(systemClock, 10);
		}
		await ended;
		return { ffmpegCores: ffmpegSeconds / DURATION_SECONDS, ownCores: undefined, delays: new Map(), lost: 0 };
	} finally {
		sockets.close();
		rmSync(folder, { recursive: true, force: true });
	}
}

function mediaMs(unit: AccessUnit): number {
	return ticksToMs(unit.decodeTimeTicks - source.units[0]!.decodeTimeTicks, unit.clockRate);
}

async function pauseUntil(dueMs: number): Promise<void> {
	const restMs = dueMs - systemClock.monotonicMs();
	if (restMs > 0) {
		await sleep(systemClock, restMs);
	}
}

/** Of one process, its own time and the kernel's; undefined when it is gone. */
function readCpuSeconds(processId: number | undefined): number | undefined {
	try {
		const fields = readFileSync(`/proc/${processId}/stat`, 'utf8').split(') ')[1]!.split(' ');
		return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
	} catch {
		return undefined;
	}
}

function readMachine(): { total: number; idle: number; steal: number } {
	const fields = readFileSync('/proc/stat', 'utf8').split('\n')[0]!.split(/\s+/).slice(1).map(Number);
	return { total: sum(fields.slice(0, 8)), idle: fields[3]!, steal: fields[7]! };
}

function sum(values: readonly number[]): number {
	return values.reduce((total, value) => total + value, 0);
}
