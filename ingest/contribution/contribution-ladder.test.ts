/** Tests of the ladder of a stream on its way into the LL-HLS tier: its rungs begin, change and end with the stream. */
import { describe, expect, it } from 'vitest';
import type { TrackId } from '../../core/media/access-unit.ts';
import type { LadderChoice } from '../../core/protocol/ladder-choice.ts';
import { BroadcastBench } from '../testing/broadcast-bench.ts';
import type { FakeEncoderSettings, FakePublisher } from '../testing/fake-publisher.ts';
import { B_FRAME_CONFIG, OPUS_CONFIG, SMALL_H264_CONFIG, VP8_CONFIG } from '../testing/track-configs.ts';

const ALL = 'run 0 video5+video4+video3+video0+audio1+audio0';

async function onAir(
	settings: Partial<FakeEncoderSettings> = {},
	choice: LadderChoice = 'automatic',
): Promise<{ bench: BroadcastBench; publisher: FakePublisher }> {
	const bench = await BroadcastBench.started();
	bench.ladderChoice = choice;
	const publisher = bench.attach(settings);
	await publisher.run(3000);
	return { bench, publisher };
}

/** Positions of a track's pictures in the newest run, in milliseconds. */
const timesMs = (bench: BroadcastBench, trackId: TrackId): number[] =>
	bench.sink.unitsOf(trackId).map(({ presentationTimeTicks, clockRate }) => (presentationTimeTicks * 1000) / clockRate);
/** The outputs of the newest encoder of pictures. */
const encoderOutputs = (bench: BroadcastBench): string[] => {
	const { options } = bench.transcoders.all.findLast(({ output }) => output.kind === 'video')!;
	return 'outputs' in options ? options.outputs.map(({ trackId, keyFrames }) => `${trackId} ${keyFrames}`) : [];
};

describe('a stream with a ladder', () => {
	it('has its rungs in the first run, from one encoder, with key frames at the source’s', async () => {
		const { bench, publisher } = await onAir();
		expect(bench.sink.calls).toEqual([ALL]);
		expect(encoderOutputs(bench)).toEqual(['video3 source', 'video4 source', 'video5 source']);
		expect(bench.transcoders.running.toSorted()).toEqual(['audio → aac', 'audio → opus', 'video → h264']);
		await publisher.run(2000);
		const source = timesMs(bench, 'video0');
		for (const rung of ['video3', 'video4', 'video5'] as const) {
			// An encoder that begins in the middle of a broadcast gets the running GOP.
			expect(timesMs(bench, rung)).toEqual(source.slice(source.indexOf(timesMs(bench, rung)[0]!)));
			expect(source.length - timesMs(bench, rung).length).toBeLessThanOrEqual(50);
		}
		expect(bench.stage.shown('video')).toHaveLength(125);
	});

	it.each([
		['Opus over WHIP', { protocol: 'whip', audio: OPUS_CONFIG, answersKeyFrameRequests: true }, 'source'],
		['no sound', { audio: undefined }, 'source'],
		['B-frames', { video: B_FRAME_CONFIG, compositionMs: 80 }, 'source'],
		['VP8', { video: VP8_CONFIG, protocol: 'whip', audio: OPUS_CONFIG, answersKeyFrameRequests: true }, 'timeline'],
		['a long GOP', { gopPictures: 250 }, 'timeline'],
	] as const)('has rungs with %s', async (_name, settings, keyFrames) => {
		const { bench, publisher } = await onAir(settings);
		await publisher.run(4000);
		expect(bench.sink.runs).toHaveLength(1);
		expect(bench.plans.at(-1)!.ladder.rungs.length).toBeGreaterThan(0);
		expect(encoderOutputs(bench).every((output) => output.endsWith(keyFrames))).toBe(true);
		expect(bench.transcoders.running.filter((name) => name.startsWith('video'))).toHaveLength(1);
		expect(timesMs(bench, 'video5').length).toBeGreaterThan(50);
	});

	it('loses rungs without a break of the others, and pauses them in the packager', async () => {
		const { bench, publisher } = await onAir();
		await publisher.run(2000);
		bench.ladderChoice = ['160p30'];
		await publisher.run(3000);
		expect(bench.sink.calls).toEqual([ALL, 'pause video3', 'pause video4']);
		expect(encoderOutputs(bench)).toEqual(['video5 source']);
		expect(bench.transcoders.running.filter((name) => name.startsWith('video'))).toHaveLength(1);
		const kept = timesMs(bench, 'video5');
		expect(new Set(kept.slice(1).map((at, index) => at - kept[index]!))).toEqual(new Set([40]));
		bench.ladderChoice = 'automatic';
		await publisher.run(3000);
		expect(bench.sink.runs).toHaveLength(1);
		expect(timesMs(bench, 'video3').at(-1)).toBe(timesMs(bench, 'video0').at(-1));
	});

	it('ends its ladder, and the encoder with it, when it is switched off, and begins it again', async () => {
		const { bench, publisher } = await onAir();
		bench.ladderChoice = 'off';
		await publisher.run(2000);
		expect(bench.transcoders.running).toEqual(['audio → opus', 'audio → aac']);
		expect(bench.sink.calls.slice(1)).toEqual(['pause video3', 'pause video4', 'pause video5']);
		bench.ladderChoice = 'automatic';
		await publisher.run(3000);
		expect(timesMs(bench, 'video5').at(-1)).toBe(timesMs(bench, 'video0').at(-1));
		expect(bench.sink.runs).toHaveLength(1);
	});

	it('follows the choice of its channel at once, before that of the server', async () => {
		const { bench, publisher } = await onAir();
		bench.broadcast.ladderChoice = 'off';
		await publisher.run(500);
		expect(bench.transcoders.running).toEqual(['audio → opus', 'audio → aac']);
		expect(bench.broadcast.plan!.ladder.reason).toContain('switched off in the settings of this channel');
		bench.broadcast.ladderChoice = undefined;
		await publisher.run(3000);
		expect(bench.broadcast.plan!.ladder.rungs).toHaveLength(3);
	});

	it('reports a rung that overload has cost to its streamer, until it is back', async () => {
		const { bench, publisher } = await onAir();
		expect(bench.broadcast.problems).toEqual([]);
		bench.transcoders.pictureLagMs = 1500;
		await publisher.run(6000);
		expect(bench.broadcast.plan!.ladder.rungs.map(({ name }) => name)).toEqual(['360p30', '160p30']);
		expect(bench.encoderBudget.droppedRungCount).toBe(1);
		expect(bench.broadcast.problems).toMatchObject([
			{ code: 'video-rungs-dropped', message: expect.stringContaining(': 480p30.') as string },
		]);
		expect(bench.broadcast.pictureEncoder).toEqual({
			state: 'running',
			inUse: bench.transcoders.encoder,
			lagMs: 0,
			begunRungs: ['360p30', '160p30'],
		});
		// Calm for half a minute, the encoder gets the rung back.
		await publisher.run(36_000);
		expect(bench.broadcast.plan!.ladder.rungs).toHaveLength(3);
		expect(bench.broadcast.problems).toEqual([]);
	});

	it('has another reason in the plan when only that has changed', async () => {
		const { bench, publisher } = await onAir();
		const before = bench.broadcast.plan!.ladder;
		expect(before.reason).toMatch(/^The server has room/);
		bench.ladderChoice = ['480p30', '360p30', '160p30'];
		await publisher.run(500);
		expect(bench.broadcast.plan!.ladder.reason).toMatch(/^The settings of the server ask for 480p30/);
		expect(bench.broadcast.plan!.ladder.rungs).toEqual(before.rungs);
		expect(bench.plans).toHaveLength(1);
	});

	it('gets a rung that the run did not begin with in another run, at a key frame', async () => {
		const { bench, publisher } = await onAir({}, 'off');
		bench.ladderChoice = ['360p30'];
		await publisher.run(4000);
		expect(bench.sink.calls).toEqual(['run 0 video0+audio0', 'run 1 video4+video0+audio1+audio0']);
		expect(timesMs(bench, 'video4')[0]).toBe(timesMs(bench, 'video0')[0]);
	});

	it('has another ladder after another size', async () => {
		const { bench, publisher } = await onAir();
		publisher.reconfigure(SMALL_H264_CONFIG);
		await publisher.run(6000);
		expect(bench.sink.calls.at(-1)).toBe('run 1 video5+video0+audio1+audio0');
	});

	it('begins without rungs when their encoder does not start, and keeps the source and the sound', async () => {
		const bench = await BroadcastBench.started();
		bench.ladderChoice = 'automatic';
		bench.transcoders.deadKind = 'video';
		const publisher = bench.attach({});
		await publisher.run(8000);
		expect(bench.sink.calls[0]).toBe('run 0 video0+audio1+audio0');
		expect(timesMs(bench, 'video0')).toHaveLength(200);
	});
});
