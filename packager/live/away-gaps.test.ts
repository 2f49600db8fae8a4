/** Playlists while the publisher is away: they continue, in step, and leave room for a publisher who returns. */
import { describe, expect, it } from 'vitest';
import { CAPTURE_START_MS, rtmpLike, VIDEO_AND_AUDIO, WatchedBroadcast } from '../testing/watched-broadcast.ts';

async function awayFor(seconds: number): Promise<WatchedBroadcast> {
	const watched = new WatchedBroadcast();
	watched.feed(rtmpLike(7.3));
	watched.broadcast.interrupt();
	watched.check();
	for (let tenth = 0; tenth < seconds * 10; tenth++) {
		await watched.clock.advance(100);
		watched.check();
	}
	return watched;
}

function gapSecondsOf(watched: WatchedBroadcast, trackId: 'video0' | 'audio0'): number {
	const segments = watched.broadcast.rendition(trackId)!.segments.filter(({ parts }) => parts[0]!.isGap);
	return segments.reduce((sum, { durationTicks, timescale }) => sum + durationTicks / timescale, 0);
}

describe('a broadcast whose publisher is away', () => {
	it('stays as it is for 3 s', async () => {
		const watched = await awayFor(2.9);
		expect(watched.text('video0')).not.toContain('GAP');
	});

	it.each([5, 15, 40])(
		'continues with gaps for %d s, both tracks alike, and then with a discontinuity',
		async (away) => {
			const watched = await awayFor(away);
			for (const trackId of ['video0', 'audio0'] as const) {
				// The time away, less the second or more that is kept free, and 0.2 s by which tracks differ.
				expect(gapSecondsOf(watched, trackId)).toBeGreaterThan(away - 3.1);
				expect(gapSecondsOf(watched, trackId)).toBeLessThan(away - 0.7);
				const { segments, endSeconds } = watched.broadcast.rendition(trackId)!;
				const last = segments.at(-1)!;
				// Dates advance by the durations.
				expect(last.programDateTimeMs).toBeCloseTo(
					CAPTURE_START_MS + (last.startTicks / last.timescale - 1000) * 1000,
					-1,
				);
				expect(Math.abs(endSeconds - watched.broadcast.rendition('video0')!.endSeconds)).toBeLessThan(0.001);
			}
			expect(watched.text('video0')).toMatch(/#EXT-X-GAP\n#EXTINF:2\.0\d+,\nsegment\d+\.m4s\n#EXT-X-PRELOAD-HINT/);
			watched.broadcast.beginRun(1, VIDEO_AND_AUDIO);
			watched.feed(rtmpLike(12, 1007.3 + away, 1));
			const versions = watched.broadcast.renditions.map(({ rendition }) => rendition.version);
			await watched.clock.advance(10_000);
			expect(watched.broadcast.renditions.map(({ rendition }) => rendition.version)).toEqual(versions);
			watched.end();
			expect(watched.faults).toEqual([]);
			expect(watched.clock.pendingCount).toBe(1);
		},
	);

	it('changes at least every two seconds from then on, also when timers are late', async () => {
		const watched = await awayFor(3);
		let version = watched.broadcast.rendition('video0')!.version;
		for (let step = 0; step < 10; step++) {
			await watched.clock.advance(2000);
			expect(watched.broadcast.rendition('video0')!.version).toBeGreaterThan(version);
			version = watched.broadcast.rendition('video0')!.version;
		}
		const before = gapSecondsOf(watched, 'audio0');
		await watched.clock.advance(20_000);
		expect(gapSecondsOf(watched, 'audio0') - before).toBeCloseTo(20, 1);
	});

	it('stops when the broadcast ends or closes, and adds nothing before there is media', async () => {
		const ended = await awayFor(4);
		ended.broadcast.end();
		const version = ended.broadcast.rendition('video0')!.version;
		await ended.clock.advance(8000);
		expect(ended.broadcast.rendition('video0')!.version).toBe(version);
		const closed = await awayFor(4);
		await closed.broadcast.close('replaced');
		expect(closed.clock.pendingCount).toBe(0);
		const empty = new WatchedBroadcast();
		empty.broadcast.interrupt();
		await empty.clock.advance(10_000);
		expect(empty.broadcast.renditions).toEqual([]);
	});
});
