/**
 * Tests of a broadcast on a server that has no room for more work: what passes through goes on, and the streamer is
 * told.
 */
import { describe, expect, it } from 'vitest';
import type { PublishReport } from './publish-report.ts';
import { BroadcastBench } from '../testing/broadcast-bench.ts';

/** Leaves less than one picture of 720p25 needs. */
const MOST_OF_THE_ROOM = 190_000_000;

describe('Broadcast without room to re-encode', () => {
	it('leaves a tier without its picture, says why, and gives it back when there is room', async () => {
		const bench = new BroadcastBench();
		await bench.broadcast.start();
		const taken = bench.encoderBudget.grantsFor({ isKnown: false }).take(MOST_OF_THE_ROOM)!;
		const publisher = bench.attach({ compositionMs: 80 });
		await publisher.run(3000);
		expect(bench.modes).toEqual([
			'video webrtc: off',
			'video ll-hls: pass-through',
			'audio webrtc: transcode',
			'audio ll-hls: pass-through',
		]);
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
		const bench = new BroadcastBench();
		await bench.broadcast.start();
		bench.encoderBudget.grantsFor({ isKnown: false }).take(MOST_OF_THE_ROOM)!;
		const publisher = bench.attach({ gopPictures: 200 });
		await publisher.run(5000);
		expect(bench.modes).toEqual([
			'video webrtc: pass-through',
			'video ll-hls: off',
			'audio webrtc: transcode',
			'audio ll-hls: pass-through',
		]);
		expect(bench.stage.shown('video').length).toBeGreaterThan(100);
		const run = bench.sink.runs.at(-1)!;
		expect(bench.sink.unitsOf('video0', run)).toEqual([]);
		expect(bench.sink.unitsOf('audio0', run).length).toBeGreaterThan(50);
		await bench.broadcast.close('unpublished');
	});
});

describe('Broadcast with a bound on the bit rate', () => {
	it('lets a publisher go that stays above it, in words, and takes it back when it sends less', async () => {
		const bench = new BroadcastBench(60_000, 500);
		const reports: PublishReport[] = [];
		bench.broadcast.on('publisherEnded', (report) => reports.push(report));
		await bench.broadcast.start();
		const publisher = bench.attach();
		await publisher.run(8000);
		expect(publisher.endReason).toBe('bitrate-too-high');
		expect(reports).toMatchObject([{ code: 'bitrate-too-high', advice: 'Lower the bit rate in the encoder.' }]);
		// Viewers and the broadcast wait for it, as for any publisher that was lost.
		expect(bench.broadcast.state).toBe('interrupted');
		await bench.broadcast.close('unpublished');
	});

	it('leaves a publisher below it alone', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher();
		await publisher.run(10_000);
		expect([publisher.endReason, bench.broadcast.state]).toEqual([undefined, 'live']);
		await bench.broadcast.close('unpublished');
	});
});
