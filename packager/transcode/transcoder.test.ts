/** Unit tests of transcoder.ts, with fake processes. */
import { describe, expect, it } from 'vitest';
import type { AccessUnit, TrackId } from '../../core/media/access-unit.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { nutStreamHeader } from '../../core/wire/nut/nut-writer.ts';
import { DEFAULT_RESTART_POLICY } from './restart-policy.ts';
import { encodedOpus, FakeProcess, OPUS } from './testing/fake-process.ts';
import { collect } from './testing/run-transcoder.ts';
import { FfmpegTranscoder } from './transcoder.ts';

function setUp(trackIds: readonly TrackId[] = ['audio0']): ReturnType<typeof collect> & {
	transcoder: FfmpegTranscoder;
	clock: FakeClock;
	processes: FakeProcess[];
} {
	const clock = new FakeClock();
	const processes: FakeProcess[] = [];
	const plan = {
		run: 2,
		outputs: trackIds.map((trackId) => ({ trackId, codec: 'opus', frameDurationMs: 20 }) as const),
		input: OPUS,
		argumentsFor: () => ({ input: [], filters: [], outputs: [] }),
	};
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

describe('a transcoder in each state, at each event', () => {
	const EVENTS = {
		'its process fails': async ({ processes }: ReturnType<typeof setUp>) => processes[0]!.exit(),
		'half a second passes': ({ clock }: ReturnType<typeof setUp>) => clock.advance(500),
		'it is closed': ({ transcoder }: ReturnType<typeof setUp>) => transcoder.close('run-ended'),
	};

	/** By what becomes of a further unit. */
	function stateOf({ transcoder, processes }: ReturnType<typeof setUp>): string {
		const countWritten = (): number => processes.reduce((sum, { written }) => sum + written.length, 0);
		const [writtenBefore, acceptedBefore] = [countWritten(), transcoder.statistics.writtenUnitCount];
		transcoder.write(unit(10));
		if (countWritten() > writtenBefore) {
			return 'ready';
		}
		return transcoder.statistics.writtenUnitCount > acceptedBefore ? 'backing-off' : 'closed';
	}

	it.each<[string, (keyof typeof EVENTS)[], keyof typeof EVENTS, string[], string]>([
		['ready', [], 'its process fails', ['restarting'], 'backing-off'],
		['ready', [], 'half a second passes', [], 'ready'],
		['ready', [], 'it is closed', ['closed'], 'closed'],
		['backing-off', ['its process fails'], 'its process fails', [], 'backing-off'],
		['backing-off', ['its process fails'], 'half a second passes', [], 'ready'],
		['backing-off', ['its process fails'], 'it is closed', ['closed'], 'closed'],
		['closed', ['it is closed'], 'its process fails', [], 'closed'],
		['closed', ['its process fails', 'it is closed'], 'half a second passes', [], 'closed'],
		['closed', ['it is closed'], 'it is closed', [], 'closed'],
	])('that is %s after %j, when %s, emits %j and is %s', async (_state, before, event, emitted, next) => {
		const own = setUp();
		own.transcoder.write(unit(0));
		for (const earlier of before) {
			await EVENTS[earlier](own);
		}
		own.events.length = 0;
		await EVENTS[event](own);
		expect(own.events.map((line) => line.split(':')[0])).toEqual(emitted);
		expect(stateOf(own)).toBe(next);
	});
});

describe('FfmpegTranscoder', () => {
	it('starts no process before the first unit, then reports the configuration before the first output', () => {
		const { transcoder, processes, configs, units } = setUp();
		expect(processes).toHaveLength(0);
		transcoder.write(unit(0));
		expect(processes[0]!.written).toHaveLength(2);
		processes[0]!.output(nutStreamHeader(OPUS));
		expect([configs.length, units.length]).toEqual([1, 0]);
		processes[0]!.output(encodedOpus(0));
		expect(units).toMatchObject([
			{ decodeTimeTicks: 0, captureTimeMs: 5000, run: 2, durationTicks: 960, trackId: 'audio0' },
		]);
	});

	it('holds units back while the pipe is full and passes them on in order', () => {
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
	});

	it('drops and counts units that wait longer than 2 s', () => {
		const { transcoder, processes } = setUp();
		transcoder.write(unit(0));
		processes[0]!.hasRoom = false;
		for (let index = 1; index < 300; index++) {
			transcoder.write(unit(index));
		}
		expect(transcoder.statistics.queuedMs).toBeLessThanOrEqual(2000);
		expect(transcoder.statistics.droppedUnitCount).toBeGreaterThan(100);
	});

	it('refuses units whose time does not increase', () => {
		const { transcoder, processes } = setUp();
		transcoder.write(unit(5));
		transcoder.write(unit(5));
		transcoder.write(unit(4));
		expect([processes[0]!.written.length, transcoder.statistics.droppedUnitCount]).toEqual([2, 2]);
	});

	it('starts again with back-off after a crash and does not repeat an unchanged configuration', async () => {
		const { transcoder, clock, processes, configs, units } = setUp();
		transcoder.write(unit(0));
		processes[0]!.output(nutStreamHeader(OPUS), encodedOpus(0));
		processes[0]!.exit();
		transcoder.write(unit(1));
		await clock.advance(499);
		expect(processes).toHaveLength(1);
		await clock.advance(1);
		expect(processes).toHaveLength(2);
		expect(processes[1]!.written).toHaveLength(2);
		// What the encoder repeats is not passed on again.
		processes[1]!.output(nutStreamHeader(OPUS), encodedOpus(0), encodedOpus(1));
		expect([configs.length, units.length, transcoder.statistics.restartCount]).toEqual([1, 2, 1]);
		await transcoder.close('run-ended');
		expect(clock.pendingCount).toBe(0);
	});

	it('is failing after six failures in a row, with the last words of FFmpeg, and is still tried again', async () => {
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
		// It works again: first for a moment, as six of them did before; then for long enough.
		processes[20]!.output(nutStreamHeader(OPUS), encodedOpus(20));
		expect(transcoder.encoderState).toBe('failing');
		await clock.advance(DEFAULT_RESTART_POLICY.healthyAfterMs);
		processes[20]!.output(encodedOpus(21));
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
		processes[1]!.output(nutStreamHeader(OPUS), encodedOpus(1));
		expect(events.map((event) => event.split(':')[0])).toEqual(['restarting', 'running']);
	});

	it('starts the back-off again after a healthy time', async () => {
		const { transcoder, clock, processes } = setUp();
		transcoder.write(unit(0));
		processes[0]!.exit();
		await clock.advance(500);
		transcoder.write(unit(1));
		processes[1]!.output(nutStreamHeader(OPUS), encodedOpus(1));
		await clock.advance(DEFAULT_RESTART_POLICY.healthyAfterMs);
		processes[1]!.exit();
		transcoder.write(unit(2));
		await clock.advance(500);
		expect(processes).toHaveLength(3);
	});

	it('treats silence as a hang only while input flows', async () => {
		const { transcoder, clock, processes } = setUp();
		let index = 0;
		const writeFor = async (ms: number): Promise<void> => {
			for (let elapsedMs = 0; elapsedMs < ms; elapsedMs += 100) {
				transcoder.write(unit(index++));
				await clock.advance(100);
			}
		};
		transcoder.write(unit(index++));
		processes[0]!.output(nutStreamHeader(OPUS), encodedOpus(0));
		// A last unit that waits inside for the next one is no hang, and neither is the first moment after a pause.
		await writeFor(1000);
		await clock.advance(60_000);
		await writeFor(4500);
		expect(processes[0]!.stopCount).toBe(0);
		processes[0]!.output(encodedOpus(1));
		await writeFor(4500);
		expect(processes[0]!.stopCount).toBe(0);
		await writeFor(1500);
		expect(processes[0]!.stopCount).toBe(1);
	});

	it('treats a pipe that stays full as a hang', async () => {
		const { transcoder, clock, processes } = setUp();
		transcoder.write(unit(0));
		processes[0]!.hasRoom = false;
		for (let index = 1; index <= 60; index++) {
			transcoder.write(unit(index));
			await clock.advance(100);
		}
		expect(processes[0]!.stopCount).toBe(1);
	});

	it('treats output that is not NUT as a crash', async () => {
		const { transcoder, clock, processes } = setUp();
		transcoder.write(unit(0));
		processes[0]!.output(new Uint8Array(100));
		expect(processes[0]!.stopCount).toBe(1);
		transcoder.write(unit(1));
		await clock.advance(500);
		expect(processes).toHaveLength(2);
	});

	it('fills a hole of up to a second and starts a new process behind a longer one', () => {
		const { transcoder, processes } = setUp();
		transcoder.write(unit(0));
		transcoder.write(unit(50));
		expect(processes).toHaveLength(1);
		transcoder.write(unit(102));
		expect(processes).toHaveLength(2);
		expect([processes[0]!.isInputEnded, processes[1]!.written.length]).toEqual([true, 2]);
		expect(transcoder.statistics.restartCount).toBe(0);
	});

	it('passes on each output as its own track, and starts all of them again together', async () => {
		const { transcoder, clock, processes, configs, units } = setUp(['audio0', 'audio1']);
		const configured: TrackId[] = [];
		transcoder.on('trackConfigured', (_, trackId) => configured.push(trackId));
		transcoder.write(unit(0));
		processes[0]!.outputOf(1, nutStreamHeader(OPUS), encodedOpus(0));
		processes[0]!.outputOf(0, nutStreamHeader(OPUS), encodedOpus(0), encodedOpus(1));
		processes[0]!.exit();
		transcoder.write(unit(2));
		await clock.advance(500);
		processes[1]!.outputOf(0, nutStreamHeader(OPUS), encodedOpus(1), encodedOpus(2));
		processes[1]!.outputOf(1, nutStreamHeader({ ...OPUS, channelCount: 1 }), encodedOpus(1));
		expect(configured).toEqual(['audio1', 'audio0', 'audio1']);
		expect(configs).toHaveLength(3);
		expect(units.map(({ trackId, decodeTimeTicks }) => [trackId, decodeTimeTicks / 960])).toEqual([
			['audio1', 0],
			['audio0', 0],
			['audio0', 1],
			['audio0', 2],
			['audio1', 1],
		]);
	});

	it('is behind by the media time between the newest input and the output that is furthest behind', () => {
		const { transcoder, processes } = setUp(['audio0', 'audio1']);
		expect(transcoder.statistics.lagMs).toBe(0);
		transcoder.write(unit(10));
		expect(transcoder.statistics.lagMs).toBe(0);
		transcoder.write(unit(12));
		expect(transcoder.statistics.lagMs).toBe(40);
		processes[0]!.outputOf(0, nutStreamHeader(OPUS), encodedOpus(12));
		processes[0]!.outputOf(1, nutStreamHeader(OPUS), encodedOpus(11));
		expect(transcoder.statistics.lagMs).toBe(20);
		processes[0]!.outputOf(1, encodedOpus(12));
		expect(transcoder.statistics.lagMs).toBe(0);
	});

	it('closes once, reports why, and ignores what comes later', async () => {
		const { transcoder, clock, processes, events, units } = setUp();
		transcoder.write(unit(0));
		processes[0]!.output(nutStreamHeader(OPUS));
		await Promise.all([transcoder.close('run-ended'), transcoder.close('server-shutdown')]);
		processes[0]!.output(encodedOpus(0));
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
