/** Where hls.js is made to begin. */
import { describe, expect, it } from 'vitest';
import { withStart } from './dvr-start.ts';

const DATE_MS = Date.parse('2026-05-01T12:00:00Z');

/** Segments of two seconds; `at`: when each began, seconds after {@link DATE_MS}. */
function playlist(...segments: Array<{ at: number; gap?: boolean }>): string {
	const lines = segments.map(
		({ at, gap }, index) =>
			`#EXT-X-PROGRAM-DATE-TIME:${new Date(DATE_MS + at * 1000).toISOString()}\n` +
			`${gap === true ? '#EXT-X-GAP\n' : ''}#EXTINF:2.00000000,\nsegment${index + 1}.m4s\n`,
	);
	return `#EXTM3U\n#EXT-X-VERSION:9\n${lines.join('')}`;
}

const startOf = (text: string, atSeconds: number): number | undefined => {
	const found = /TIME-OFFSET=([\d.]+),PRECISE=YES/.exec(withStart(text, DATE_MS + atSeconds * 1000));
	return found === null ? undefined : Number(found[1]);
};

describe('withStart', () => {
	it.each([
		['in the first segment', 1.5, 1.5],
		['in a later one', 4.25, 4.25],
		['at a border', 2, 2.02],
		['before the first', -60, 0.02],
		['after the last: at its end', 60, 6],
	])('begins %s', (_where, atSeconds, offset) =>
		expect(startOf(playlist({ at: 0 }, { at: 2 }, { at: 4 }), atSeconds)).toBeCloseTo(offset, 3),
	);

	it('begins after a gap, also one that no segment has', () => {
		expect(startOf(playlist({ at: 0 }, { at: 2, gap: true }, { at: 4 }), 3)).toBeCloseTo(4.02, 3);
		expect(startOf(playlist({ at: 0 }, { at: 100 }, { at: 102 }), 50)).toBeCloseTo(2.02, 3);
	});

	it('stays before a gap that lasts', () => {
		expect(startOf(playlist({ at: 0 }, { at: 2, gap: true }), 3)).toBeCloseTo(2, 3);
	});

	it('changes no delta update and no multivariant playlist', () => {
		const delta = playlist({ at: 4 }).replace('#EXT-X-VERSION:9', '#EXT-X-SKIP:SKIPPED-SEGMENTS=2');
		for (const text of [delta, '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n']) {
			expect(withStart(text, DATE_MS)).toBe(text);
		}
	});
});
