/** Positions of playbacks by capture time. */
import { expect, it } from 'vitest';
import { PlayedMoments, aheadMs } from './alignment.ts';

function play(moments: PlayedMoments, latencyMs: number, fromMs: number, toMs: number, jitterMs = 0): void {
	for (let atMs = fromMs; atMs <= toMs; atMs += 33) {
		moments.add({ captureTimeMs: 50_000 + atMs - latencyMs, playedAtMs: atMs + (atMs % 2 === 0 ? jitterMs : 0) });
	}
}

it('computes the position on screen, and the distance of two playbacks', () => {
	const [near, far] = [new PlayedMoments(), new PlayedMoments()];
	play(near, 60, 0, 1000);
	play(far, 900, 0, 1000);
	expect(near.positionMs(1010)).toBeCloseTo(50_950, 6);
	expect(aheadMs(near.positionMs(1010), far.positionMs(1010))).toBeCloseTo(840, 6);
});

it('ignores single frames that come a refresh late', () => {
	const moments = new PlayedMoments();
	play(moments, 60, 0, 960);
	moments.add({ captureTimeMs: 50_930, playedAtMs: 1050 });
	expect(moments.positionMs(1060)).toBeCloseTo(51_000, 6);
});

it('has no position while the picture is frozen, but keeps the latest frame', () => {
	const moments = new PlayedMoments();
	expect(aheadMs(moments.positionMs(0), 1)).toBeUndefined();
	play(moments, 60, 0, 990);
	expect(moments.positionMs(1700)).toBeUndefined();
	expect(moments.latest?.captureTimeMs).toBe(50_930);
	moments.clear();
	expect(moments.latest).toBeUndefined();
});

it('is steady at the pace of the clock, but not while it plays the first GOP, or after a jump', () => {
	const moments = new PlayedMoments();
	expect(moments.isSteady(0)).toBe(false);
	// A GOP of two seconds within a tenth of one.
	for (let index = 0; index < 12; index++) {
		moments.add({ captureTimeMs: 48_000 + index * 170, playedAtMs: index * 9 });
	}
	expect(moments.isSteady(110)).toBe(false);
	play(moments, 60, 110, 700, 17);
	expect(moments.isSteady(710)).toBe(true);
	expect(moments.isSteady(2000)).toBe(false);
	play(moments, 560, 740, 840);
	expect(moments.isSteady(850)).toBe(false);
});

it('knows what was on the screen at a press: a frame is reported before it is painted', () => {
	const moments = new PlayedMoments();
	expect(moments.shownAt(1000)).toBeUndefined();
	for (let index = 0; index < 40; index++) {
		moments.add({ captureTimeMs: 5000 + index * 33, playedAtMs: 1000 + index * 33 });
	}
	const shown = (atMs: number): number | undefined => moments.shownAt(atMs)?.captureTimeMs;
	const latest = 5000 + 39 * 33;
	// Paused, or a moment after: the newest. Just before it is painted: the one before.
	expect([shown(99_999), shown(1000 + 39 * 33), shown(999 + 39 * 33)]).toEqual([latest, latest, latest - 33]);
	expect(shown(1000 + 36 * 33 + 20)).toBe(latest - 3 * 33);
	// Before all that is known.
	expect(shown(0)).toBe(latest - 10 * 33);
});
