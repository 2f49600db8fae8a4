/** Tests of a run that directly follows another: a track joins, or the encoder's clock changes. */
import { describe, expect, it } from 'vitest';
import { rtmpLike, VIDEO_AND_AUDIO, WatchedBroadcast } from '../testing/watched-broadcast.ts';

describe('a run that follows at a key frame', () => {
	it.each([
		['sound joins the picture', new Set(['video0'])],
		['the picture joins the sound', new Set(['audio0'])],
		['both continue', new Set(['video0', 'audio0'])],
	])('keeps every unit and every rule: %s', async (_name, before) => {
		const tracks = new Map([...VIDEO_AND_AUDIO].filter(([trackId]) => before.has(trackId)));
		const watched = new WatchedBroadcast({}, tracks);
		const units = rtmpLike(20);
		const isBefore = (seconds: number): boolean => seconds < 1008;
		const sent = units.filter(
			({ trackId, presentationTimeTicks, clockRate }) =>
				!isBefore(presentationTimeTicks / clockRate) || before.has(trackId),
		);
		const first = sent.filter((unit) => isBefore(unit.presentationTimeTicks / unit.clockRate));
		const second = sent.filter((unit) => !first.includes(unit)).map((unit) => ({ ...unit, run: 1 }));
		watched.feed(first);
		watched.broadcast.beginRun(1, VIDEO_AND_AUDIO);
		watched.feed(second);
		watched.end();
		expect(watched.faults).toEqual([]);
		// A frame of sound from before the first picture may be left out.
		expect(watched.broadcast.counters.droppedUnits).toBeLessThanOrEqual(1);
		const { packets } = await watched.media('video0');
		expect(packets).toHaveLength(sent.filter(({ trackId }) => trackId === 'video0').length);
	});
});
