/** Moving the ends of a clip by pictures, keys and pointer, between the limits. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CLIP_SECONDS } from '../../../../core/protocol/api/clip.ts';
import {
	currentSelection,
	edgeLimits,
	keyStep,
	moveEdge,
	pictureAt,
	previewSeconds,
	rangeOf,
	secondsOf,
	trimBody,
	trimSpan,
	type TrimSource,
} from './trim.ts';

/** A clip of 60 s, 30 s into what is left of the broadcast, at 30 pictures a second. */
const SOURCE: TrimSource = {
	playlistUrl: '/vod/x/index.m3u8',
	startSeconds: 31.5,
	endSeconds: 91.5,
	earliestSeconds: 1.5,
	latestSeconds: 91.5,
	frameSeconds: 1 / 30,
};

describe('trimming', () => {
	const span = trimSpan(SOURCE);
	const selection = currentSelection(SOURCE, span);

	it('begins with what the clip has', () => {
		expect(span).toMatchObject({ lengthSeconds: 90, originSeconds: 30, earliest: -900, latest: 1800, least: 30 });
		expect(selection).toEqual({ start: 0, end: 1800 });
		expect(rangeOf(span, selection)).toEqual({ startSeconds: 30, endSeconds: 90 });
		expect(trimBody(SOURCE, span, selection)).toEqual({ startSeconds: 31.5, endSeconds: 91.5 });
	});

	it('moves an edge by pictures, to the limits of what is there and of a clip', () => {
		expect(moveEdge(span, selection, 'start', 5)).toEqual({ start: 5, end: 1800 });
		expect(moveEdge(span, selection, 'end', 2000)).toEqual({ start: 0, end: 1800 });
		expect(moveEdge(span, selection, 'start', -Infinity)).toEqual({ start: -900, end: 1800 });
		expect(moveEdge(span, selection, 'start', Infinity)).toEqual({ start: 1770, end: 1800 });
		expect(moveEdge(span, { start: -900, end: 1800 }, 'end', 0)).toEqual({ start: -900, end: 0 });
		expect(edgeLimits(span, { start: 100, end: 200 }, 'end')).toEqual({ least: 130, most: 1800 });
	});

	it('knows the keys of a slider: one picture, and with shift one second', () => {
		const step = (key: string, shiftKey = false): number | undefined => keyStep(span, { key, shiftKey });
		expect([step('ArrowLeft'), step('ArrowRight'), step('ArrowDown'), step('ArrowUp')]).toEqual([-1, 1, -1, 1]);
		expect([step('ArrowLeft', true), step('ArrowRight', true)]).toEqual([-30, 30]);
		expect([step('PageUp'), step('PageDown'), step('Home'), step('End')]).toEqual([150, -150, -Infinity, Infinity]);
		expect(step('Tab')).toBeUndefined();
	});

	it('shows the first picture, and the last one rather than the one after it', () => {
		const second = { start: 30, end: 60 };
		expect(pictureAt(span, previewSeconds(span, second, 'start') - span.pictureSeconds / 2)).toBe(30);
		expect(pictureAt(span, previewSeconds(span, second, 'end') - span.pictureSeconds / 2)).toBe(59);
	});

	it('takes what there is at the start of a broadcast', () => {
		const short = trimSpan({ ...SOURCE, startSeconds: 0, earliestSeconds: 0, endSeconds: 0.5, latestSeconds: 0.5 });
		expect(short).toMatchObject({ latest: 15, least: 15 });
		expect(moveEdge(short, { start: 0, end: 15 }, 'start', 10)).toEqual({ start: 0, end: 15 });
	});

	it('never leaves the limits, whatever is done', () => {
		const edge = fc.constantFrom('start' as const, 'end' as const);
		const move = fc.tuple(edge, fc.integer({ min: -4000, max: 4000 }));
		fc.assert(
			fc.property(fc.constantFrom(1 / 15, 1 / 24, 1001 / 30_000, 1 / 30, 1 / 60), fc.array(move), (frame, moves) => {
				const source = { ...SOURCE, frameSeconds: frame };
				const its = trimSpan(source);
				let now = currentSelection(source, its);
				for (const [which, picture] of moves) {
					now = moveEdge(its, now, which, picture);
					const { startSeconds, endSeconds } = trimBody(source, its, now);
					const length = endSeconds - startSeconds;
					expect(startSeconds).toBeGreaterThan(source.earliestSeconds - frame * 0.02);
					expect(endSeconds).toBeLessThan(source.latestSeconds + frame * 0.02);
					expect(length).toBeGreaterThan(CLIP_SECONDS.least - frame * 0.02);
					expect(length).toBeLessThan(CLIP_SECONDS.most + frame * 0.02);
					expect(pictureAt(its, secondsOf(its, now[which]))).toBe(now[which]);
				}
			}),
		);
	});
});
