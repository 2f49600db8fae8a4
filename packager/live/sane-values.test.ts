/** Rates and durations in playlists: runs of one picture, a picture every ten seconds, jitter. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TARGET_DURATION_SECONDS } from '../config/packager-config.ts';
import { readMediaPlaylist } from '../testing/playlist-reader.ts';
import { inDecodeOrder, seededRandom, SIMULATED_VIDEO, simulateRun } from '../testing/simulated-source.ts';
import { CAPTURE_START_MS, rtmpLike, WatchedBroadcast } from '../testing/watched-broadcast.ts';

function multivariantOf(watched: WatchedBroadcast): { bandwidthBps: number; frameRate: number | undefined } {
	const text = watched.multivariantText();
	const frameRate = /FRAME-RATE=([\d.]+)/.exec(text)?.[1];
	return {
		bandwidthBps: Number(/BANDWIDTH=(\d+)/.exec(text)![1]),
		frameRate: frameRate === undefined ? undefined : Number(frameRate),
	};
}

/** EXTINF of all complete segments. */
function durationsOf(watched: WatchedBroadcast): number[] {
	const { segments } = readMediaPlaylist(watched.text('video0'));
	return segments.filter(({ uri }) => uri !== undefined).map(({ durationSeconds }) => durationSeconds);
}

const PICTURES = new Map([['video0', SIMULATED_VIDEO]] as const);

describe('values in playlists', () => {
	it.each([1, 2, 3])('are sane for runs of %d picture(s) each', (pictureCount) => {
		const watched = new WatchedBroadcast({}, PICTURES);
		for (let run = 0; run < 8; run++) {
			watched.broadcast.beginRun(run, PICTURES);
			watched.feed(
				simulateRun({
					run,
					startSeconds: 1000 + run,
					durationSeconds: pictureCount / 30,
					captureTimeMs: CAPTURE_START_MS + run * 1000,
					video: { frameRate: 30, gopFrames: 60 },
				}),
			);
			watched.broadcast.interrupt();
			const { bandwidthBps, frameRate } = multivariantOf(watched);
			// A picture of 4 kB each time: the bound is that of 30 a second.
			expect(bandwidthBps).toBeLessThan(1_100_000);
			expect(frameRate ?? 0).toBeLessThanOrEqual(30);
		}
		expect(durationsOf(watched).every((seconds) => seconds > 0.03)).toBe(true);
		expect(watched.faults).toEqual([]);
	});

	it('are sane at any cadence from 0.1 to 120 pictures a second', () => {
		fc.assert(
			fc.property(
				fc.double({ min: Math.log(0.1), max: Math.log(120), noNaN: true }).map(Math.exp),
				fc.integer({ min: 1, max: 4 }),
				fc.nat(1000),
				(frameRate, gopSeconds, seed) => {
					const watched = new WatchedBroadcast();
					const seconds = frameRate < 1 ? 35 : 12;
					const pictures = simulateRun({
						startSeconds: 1000,
						durationSeconds: seconds,
						captureTimeMs: CAPTURE_START_MS,
						video: {
							frameRate,
							gopFrames: Math.max(1, Math.round(gopSeconds * frameRate)),
							jitterMs: Math.min(3, 200 / frameRate),
							isMilliseconds: true,
						},
						random: seededRandom(seed),
					});
					const sound = rtmpLike(seconds).filter(({ trackId }) => trackId === 'audio0');
					for (const unit of inDecodeOrder([...pictures, ...sound])) {
						watched.broadcast.write(unit);
					}
					watched.broadcast.end();
					watched.check();
					const listed = multivariantOf(watched);
					const mediaBytes = pictures.reduce((sum, { bytes }) => sum + bytes.length, 0);
					expect(listed.bandwidthBps).toBeLessThan(((mediaBytes * 8) / seconds) * 8 + 2_000_000);
					if (listed.frameRate !== undefined) {
						// A known rate is about right; dense pictures are measured over whole segments.
						expect(listed.frameRate).toBeLessThanOrEqual(Math.max(6, frameRate * 1.5));
					}
					for (const duration of durationsOf(watched)) {
						expect(duration).toBeGreaterThan(0.003);
						expect(Math.round(duration)).toBeLessThanOrEqual(TARGET_DURATION_SECONDS);
					}
					expect(watched.faults).toEqual([]);
				},
			),
			{ numRuns: 12 },
		);
	});

	it('serves sound alone as soon as the wait for its picture is over', async () => {
		const watched = new WatchedBroadcast();
		watched.feed(rtmpLike(3.5).filter(({ trackId }) => trackId === 'audio0'));
		expect(watched.broadcast.isReady).toBe(true);
		expect(watched.broadcast.renditions.map(({ trackId }) => trackId)).toEqual(['audio0']);
		expect(multivariantOf(watched).frameRate).toBeUndefined();
	});
});
