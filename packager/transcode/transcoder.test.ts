/** Unit tests of transcoder.ts. */
import { describe, expect, it } from 'vitest';
import type { AccessUnit } from '../../core/media/access-unit.ts';
import type { AudioTrackConfig } from '../../core/media/codecs.ts';
import { reachableStates, type TransitionTable } from '../../core/lifecycle/state-machine.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import { ENCODING_TRANSITIONS, type EncoderProcess } from './encoding.ts';
import type { FfmpegExit, FfmpegProcessEvents } from './ffmpeg-process.ts';
import { nutFrameHeader, nutStreamHeader } from '../../core/wire/nut/nut-writer.ts';
import { DEFAULT_RESTART_POLICY } from './restart-policy.ts';
import { collect } from './testing/run-transcoder.ts';
import { FfmpegTranscoder, TRANSCODER_TRANSITIONS } from './transcoder.ts';

const OPUS: AudioTrackConfig = {
	kind: 'audio',
	codec: 'opus',
	sampleRate: 48_000,
	channelCount: 2,
	audioSpecificConfig: new Uint8Array(0),
};
const OFFSET_TICKS = 480_000;

class FakeProcess extends TypedEmitter<FfmpegProcessEvents> implements EncoderProcess {
	readonly processId = 1;
	readonly written: Uint8Array[] = [];
	hasRoom = true;
	isInputEnded = false;
	stopCount = 0;

	start(): void {
		this.written.length = 0;
	}

	write(chunk: Uint8Array): boolean {
		this.written.push(chunk);
		return this.hasRoom;
	}

	endInput(): void {
		this.isInputEnded = true;
	}

	stop(): Promise<void> {
		this.stopCount++;
		return Promise.resolve();
	}

	waitForEnd(): Promise<void> {
		this.exit({ isClean: true, message: '', stderrLines: [] });
		return Promise.resolve();
	}

	output(...chunks: Uint8Array[]): void {
		for (const chunk of chunks) {
			this.emit('output', chunk);
		}
	}

	makeRoom(): void {
		this.hasRoom = true;
		this.emit('writable');
	}

	exit(
		exit: FfmpegExit = {
			isClean: false,
			message: 'ffmpeg was killed with signal SIGKILL',
			stderrLines: ['last words'],
		},
	): void {
		this.emit('exited', exit);
	}
}

function setUp(): ReturnType<typeof collect> & {
	transcoder: FfmpegTranscoder;
	clock: FakeClock;
	processes: FakeProcess[];
} {
	const clock = new FakeClock();
	const processes: FakeProcess[] = [];
	const plan = {
		codec: 'opus',
		trackId: 'audio0',
		run: 2,
		frameDurationMs: 20,
		input: OPUS,
		argumentsFor: () => ({ input: [], output: [] }),
	} as const;
	const transcoder = new FfmpegTranscoder(
		{
			clock,
			logger: new RecordingLogger(),
			restartPolicy: DEFAULT_RESTART_POLICY,
			hangTimeoutMs: 5000,
			createProcess: () => {
				const process = new FakeProcess();
				processes.push(process);
				return process;
			},
		},
		plan,
	);
	return { transcoder, clock, processes, ...collect(transcoder) };
}

function unit(index: number): AccessUnit {
	const ticks = index * 960;
	const times = {
		clockRate: 48_000,
		decodeTimeTicks: ticks,
		presentationTimeTicks: ticks,
		durationTicks: 960,
		captureTimeMs: 5000 + index * 20,
	};
	return {
		trackId: 'audio0',
		kind: 'audio',
		codec: 'opus',
		...times,
		isKeyFrame: true,
		run: 2,
		bytes: Uint8Array.from([index & 255]),
	};
}

function encoded(index: number): Uint8Array {
	return Buffer.concat([nutFrameHeader(OFFSET_TICKS + index * 960, true, 2), Uint8Array.from([1, 2])]);
}

describe('the tables of states', () => {
	it.each<[string, TransitionTable<string, string>, string]>([
		['a transcoder', TRANSCODER_TRANSITIONS, 'closed'],
		['an encoding', ENCODING_TRANSITIONS, 'ended'],
	])('of %s reach the last state from every one and leave it by no event', (_name, table, last) => {
		for (const state of Object.keys(table)) {
			expect(reachableStates(table, state)).toContain(last);
		}
		expect(table[last]).toEqual({});
	});
});

describe('FfmpegTranscoder', () => {
	it('starts no process before the first unit, then tells the configuration before the first output', async () => {
		const { transcoder, processes, configs, units } = setUp();
		expect(processes).toHaveLength(0);
		transcoder.write(unit(0));
		expect(processes[0]!.written).toHaveLength(2);
		processes[0]!.output(nutStreamHeader(OPUS));
		expect([configs.length, units.length]).toEqual([1, 0]);
		processes[0]!.output(encoded(0));
		expect(units).toMatchObject([
			{ decodeTimeTicks: 0, captureTimeMs: 5000, run: 2, durationTicks: 960, trackId: 'audio0' },
		]);
		await transcoder.close('run-ended');
	});

	it('holds units back while the pipe is full and passes them on in order', async () => {
		const { transcoder, processes } = setUp();
		transcoder.write(unit(0));
		const process = processes[0]!;
		process.hasRoom = false;
		transcoder.write(unit(1));
		transcoder.write(unit(2));
		transcoder.write(unit(3));
		expect([process.written.length, transcoder.statistics.queuedMs]).toEqual([3, 20]);
		process.makeRoom();
		expect(process.written.slice(1).map((chunk) => chunk.at(-1))).toEqual([0, 1, 2, 3]);
		await transcoder.close('run-ended');
	});

	it('drops and counts what waits longer than 2 s', async () => {
		const { transcoder, processes } = setUp();
		transcoder.write(unit(0));
		processes[0]!.hasRoom = false;
		for (let index = 1; index < 300; index++) {
			transcoder.write(unit(index));
		}
		expect(transcoder.statistics.queuedMs).toBeLessThanOrEqual(2000);
		expect(transcoder.statistics.droppedUnitCount).toBeGreaterThan(100);
		await transcoder.close('run-ended');
	});

	it('refuses units whose time does not increase', async () => {
		const { transcoder, processes } = setUp();
		transcoder.write(unit(5));
		transcoder.write(unit(5));
		transcoder.write(unit(4));
		expect([processes[0]!.written.length, transcoder.statistics.droppedUnitCount]).toEqual([2, 2]);
		await transcoder.close('run-ended');
	});

	it('starts again with back-off after a crash and does not repeat an unchanged configuration', async () => {
		const { transcoder, clock, processes, configs, units } = setUp();
		transcoder.write(unit(0));
		processes[0]!.output(nutStreamHeader(OPUS), encoded(0));
		processes[0]!.exit();
		transcoder.write(unit(1));
		await clock.advance(499);
		expect(processes).toHaveLength(1);
		await clock.advance(1);
		expect(processes).toHaveLength(2);
		expect(processes[1]!.written).toHaveLength(2);
		// What the encoder repeats is not told again.
		processes[1]!.output(nutStreamHeader(OPUS), encoded(0), encoded(1));
		expect([configs.length, units.length, transcoder.statistics.restartCount]).toEqual([1, 2, 1]);
		await transcoder.close('run-ended');
		expect(clock.pendingCount).toBe(0);
	});

	it('is called failing after six failures in a row, with the last words of FFmpeg, and goes on being tried', async () => {
		const { transcoder, clock, processes, events } = setUp();
		const failure = 'FFmpeg failed (ffmpeg was killed with signal SIGKILL): last words';
		for (let index = 0; index < 20; index++) {
			transcoder.write(unit(index));
			processes[index]!.exit();
			await clock.advance(10_000);
		}
		transcoder.write(unit(20));
		expect(processes).toHaveLength(21);
		expect(events).toEqual([`restarting: ${failure}`, `failing: ${failure}`]);
		// It works at last: for a moment, which six of them did before; then for long enough.
		processes[20]!.output(nutStreamHeader(OPUS), encoded(20));
		expect(transcoder.encoderState).toBe('failing');
		await clock.advance(DEFAULT_RESTART_POLICY.healthyAfterMs);
		processes[20]!.output(encoded(21));
		expect([transcoder.encoderState, events.at(-1)]).toEqual(['running', 'running']);
		await transcoder.close('run-ended');
		expect(clock.pendingCount).toBe(0);
	});

	it('is restarting until something comes out again', async () => {
		const { transcoder, clock, processes, events } = setUp();
		transcoder.write(unit(0));
		processes[0]!.exit();
		await clock.advance(500);
		transcoder.write(unit(1));
		expect(transcoder.encoderState).toBe('restarting');
		processes[1]!.output(nutStreamHeader(OPUS), encoded(1));
		expect(events.map((event) => event.split(':')[0])).toEqual(['restarting', 'running']);
		await transcoder.close('run-ended');
	});

	it('begins the back-off anew after a healthy time', async () => {
		const { transcoder, clock, processes } = setUp();
		transcoder.write(unit(0));
		processes[0]!.exit();
		await clock.advance(500);
		transcoder.write(unit(1));
		processes[1]!.output(nutStreamHeader(OPUS), encoded(1));
		await clock.advance(DEFAULT_RESTART_POLICY.healthyAfterMs);
		processes[1]!.exit();
		transcoder.write(unit(2));
		await clock.advance(500);
		expect(processes).toHaveLength(3);
		await transcoder.close('run-ended');
	});

	it('takes silence for a hang only while input flows', async () => {
		const { transcoder, clock, processes } = setUp();
		let index = 0;
		const writeFor = async (ms: number): Promise<void> => {
			for (let elapsedMs = 0; elapsedMs < ms; elapsedMs += 100) {
				transcoder.write(unit(index++));
				await clock.advance(100);
			}
		};
		transcoder.write(unit(index++));
		processes[0]!.output(nutStreamHeader(OPUS), encoded(0));
		// A last unit that waits inside for the next one is no hang, nor is the first moment after a pause.
		await writeFor(1000);
		await clock.advance(60_000);
		await writeFor(4500);
		expect(processes[0]!.stopCount).toBe(0);
		processes[0]!.output(encoded(1));
		await writeFor(4500);
		expect(processes[0]!.stopCount).toBe(0);
		await writeFor(1500);
		expect(processes[0]!.stopCount).toBe(1);
		await transcoder.close('run-ended');
	});

	it('takes a pipe that stays full for a hang', async () => {
		const { transcoder, clock, processes } = setUp();
		transcoder.write(unit(0));
		processes[0]!.hasRoom = false;
		for (let index = 1; index <= 60; index++) {
			transcoder.write(unit(index));
			await clock.advance(100);
		}
		expect(processes[0]!.stopCount).toBe(1);
		await transcoder.close('run-ended');
	});

	it('treats output that is not NUT as a crash', async () => {
		const { transcoder, clock, processes } = setUp();
		transcoder.write(unit(0));
		processes[0]!.output(new Uint8Array(100));
		expect(processes[0]!.stopCount).toBe(1);
		transcoder.write(unit(1));
		await clock.advance(500);
		expect(processes).toHaveLength(2);
		await transcoder.close('run-ended');
	});

	it('fills a hole of up to a second and starts afresh behind a longer one', async () => {
		const { transcoder, processes } = setUp();
		transcoder.write(unit(0));
		transcoder.write(unit(50));
		expect(processes).toHaveLength(1);
		transcoder.write(unit(102));
		expect(processes).toHaveLength(2);
		expect([processes[0]!.isInputEnded, processes[1]!.written.length]).toEqual([true, 2]);
		expect(transcoder.statistics.restartCount).toBe(0);
		await transcoder.close('run-ended');
	});

	it('closes once, says why, and ignores what comes later', async () => {
		const { transcoder, clock, processes, events, units } = setUp();
		transcoder.write(unit(0));
		processes[0]!.output(nutStreamHeader(OPUS));
		await Promise.all([transcoder.close('run-ended'), transcoder.close('server-shutdown')]);
		processes[0]!.output(encoded(0));
		transcoder.write(unit(1));
		expect(events).toEqual(['closed: run-ended']);
		expect([units.length, processes.length, processes[0]!.stopCount, clock.pendingCount]).toEqual([0, 1, 1, 0]);
	});

	it('closes as finished after the last output', async () => {
		const { transcoder, processes, events } = setUp();
		transcoder.write(unit(0));
		await transcoder.finish();
		expect(processes[0]!.isInputEnded).toBe(true);
		expect(events).toEqual(['closed: finished']);
	});
});
