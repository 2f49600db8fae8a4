/** Tests of a broadcast on a server without free capacity: what passes through continues, with reasons for the rest. */
import { describe, expect, it } from 'vitest';
import type { PublishReport } from './publish-report.ts';
import { BroadcastBench } from '../testing/broadcast-bench.ts';

/** Leaves less than one picture of 720p25 needs. */
const MOST_OF_THE_CAPACITY = 190_000_000;
const AUDIO = ['audio webrtc: transcode', 'audio ll-hls: pass-through'];

describe('Broadcast without capacity to re-encode', () => {
	it('leaves a tier without its picture, gives the reason, and adds the picture when there is capacity', async () => {
		const bench = await BroadcastBench.started();
		const taken = bench.encoderBudget.grantsFor({ isKnown: false }).acquire(MOST_OF_THE_CAPACITY)!;
		const publisher = bench.attach({ compositionMs: 80 });
		await publisher.run(3000);
		expect(bench.modes).toEqual(['video webrtc: off', 'video ll-hls: pass-through', ...AUDIO]);
		expect(bench.broadcast.plan?.legs[0]?.reason).toContain('B-frames');
		expect(bench.broadcast.state).toBe('live');
		expect(bench.transcoders.running).toEqual(['audio → opus']);
		// The very first picture is no B-frame yet.
		expect(bench.stage.shown('video').length).toBeLessThanOrEqual(1);
		expect(bench.sink.unitsOf('video0', bench.sink.runs.at(-1)!).length).toBeGreaterThan(20);
		taken.release();
		await publisher.run(3000);
		expect(bench.modes[0]).toBe('video webrtc: re-encode');
		expect(bench.transcoders.running.sort()).toEqual(['audio → opus', 'video → h264']);
		expect(bench.stage.shown('video').length).toBeGreaterThan(20);
		await bench.broadcast.close('unpublished');
		expect(bench.encoderBudget.usedPixelsPerSecond).toBe(0);
	});

	it('still shows a picture with a long GOP over WebRTC, and sound in both tiers', async () => {
		const bench = await BroadcastBench.started();
		bench.encoderBudget.grantsFor({ isKnown: false }).acquire(MOST_OF_THE_CAPACITY);
		const publisher = bench.attach({ gopPictures: 200 });
		await publisher.run(5000);
		expect(bench.modes).toEqual(['video webrtc: pass-through', 'video ll-hls: off', ...AUDIO]);
		expect(bench.stage.shown('video').length).toBeGreaterThan(100);
		const run = bench.sink.runs.at(-1)!;
		expect(bench.sink.unitsOf('video0', run)).toEqual([]);
		expect(bench.sink.unitsOf('audio0', run).length).toBeGreaterThan(50);
	});
});

describe('Broadcast with a limit of the bit rate', () => {
	it('closes a publisher that stays above it, with advice, and waits for its return', async () => {
		const bench = new BroadcastBench(60_000, 500);
		const reports: PublishReport[] = [];
		bench.broadcast.on('publisherEnded', (report) => reports.push(report));
		await bench.broadcast.start();
		const publisher = bench.attach();
		await publisher.run(8000);
		expect(publisher.endReason).toBe('bitrate-too-high');
		expect(reports).toMatchObject([{ code: 'bitrate-too-high', advice: 'Lower the bit rate in the encoder.' }]);
		// As after any loss of a publisher.
		expect(bench.broadcast.state).toBe('interrupted');
	});

	it('keeps a publisher below it on air', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher();
		await publisher.run(10_000);
		expect([publisher.endReason, bench.broadcast.state]).toEqual([undefined, 'live']);
	});
});
